"""What the definitions of views tell: the key of the table behind them, and whether reading them runs code."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Set

import psycopg

from .connection import BoundedConnection
from .pool import Pool
from .relations import Relation, ViewFacts
from .statements import statement

log = logging.getLogger(__name__)

_TIMEOUT_MS = 5000
_AT_ONCE = 1000
_UNKNOWN = ViewFacts(key=(), runs_code=True, definition="")
"""What is assumed where nothing can be found out: no feature ids, and a transaction around every tile."""


def read(
    pool: Pool,
    connection: BoundedConnection,
    relations: Iterable[Relation],
    running_code: Set[int],
    before: Mapping[int, ViewFacts],
) -> dict[int, ViewFacts]:
    """Facts by oid of the views among the relations. What cannot be looked at now has those of `before`.

    `running_code` are the relations that run code for another reason than a view's definition.
    Raises only where the connection is lost: without its facts a view still is a layer.
    """
    views = [relation.oid for relation in relations if relation.kind == "v"]
    facts: dict[int, ViewFacts] = {}
    for start in range(0, len(views), _AT_ONCE):
        some = views[start : start + _AT_ONCE]
        facts.update(_read(pool, connection, some, running_code, before))
    return facts


def _read(
    pool: Pool, connection: BoundedConnection, views: list[int], running_code: Set[int], before: Mapping[int, ViewFacts]
) -> dict[int, ViewFacts]:
    arguments = {"views": views, "code_relations": list(running_code)}
    try:
        with pool.transaction(connection, timeout_ms=_TIMEOUT_MS):
            connection.execute("SET LOCAL search_path = pg_catalog")
            rows = connection.execute(statement("view_facts"), arguments, prepare=False).fetchall()
    except psycopg.Error as error:
        if connection.closed:
            raise
        log.warning("the definitions of %d views could not be read: SQLSTATE %s", len(views), error.sqlstate)
        return {view: before.get(view, _UNKNOWN) for view in views}
    facts = dict.fromkeys(views, _UNKNOWN)
    for view, key, runs_code, is_locked, definition in rows:
        found = before.get(view, _UNKNOWN) if is_locked else ViewFacts(tuple(key or ()), runs_code, definition)
        facts[view] = found._replace(definition=definition)
    return facts
