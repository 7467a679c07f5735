"""What the definitions of views tell: the key of the table behind them, and whether reading them runs code."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
from psycopg import Connection

from .pool import Pool
from .relations import Relation, ViewFacts
from .statements import statement

log = logging.getLogger(__name__)

_TIMEOUT_S = 5
_AT_ONCE = 1000
_PLAIN = ViewFacts(key=(), runs_code=False)
_UNKNOWN = ViewFacts(key=(), runs_code=True)
"""What is assumed where nothing can be found out: no feature ids, and a transaction around every tile."""


def read(
    pool: Pool, connection: Connection[Any], relations: Iterable[Relation], before: Mapping[int, ViewFacts]
) -> dict[int, ViewFacts]:
    """Facts by oid of the views among the relations. What cannot be looked at now has those of `before`.

    Raises only where the connection is lost: without its facts a view still is a layer.
    """
    views = [relation.oid for relation in relations if relation.kind == "v"]
    facts: dict[int, ViewFacts] = {}
    for start in range(0, len(views), _AT_ONCE):
        facts.update(_read(pool, connection, views[start : start + _AT_ONCE], before))
    return facts


def _read(
    pool: Pool, connection: Connection[Any], views: list[int], before: Mapping[int, ViewFacts]
) -> dict[int, ViewFacts]:
    try:
        with pool.transaction(connection):
            connection.execute(f"SET LOCAL statement_timeout = '{_TIMEOUT_S}s'")
            connection.execute("SET LOCAL search_path = pg_catalog")
            rows = connection.execute(statement("view_facts"), {"views": views}, prepare=False).fetchall()
    except psycopg.Error as error:
        if connection.closed:
            raise
        log.warning("the definitions of %d views could not be read: SQLSTATE %s", len(views), error.sqlstate)
        return {view: before.get(view, _UNKNOWN) for view in views}
    facts = dict.fromkeys(views, _PLAIN)
    for view, key, runs_code, is_locked in rows:
        facts[view] = before.get(view, _UNKNOWN) if is_locked else ViewFacts(tuple(key or ()), runs_code)
    return facts
