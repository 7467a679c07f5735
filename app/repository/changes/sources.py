"""What views and policies read, as the database's stored definitions tell."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection
from psycopg.rows import class_row

from ..statements import statement

log = logging.getLogger(__name__)


class Source(NamedTuple):
    """A relation that others are made of.

    `reads` are the relations that its definition, or its policies, name, as often as they do. `fault` is what in these
    gives other rows without a change of any. `columns` are those of a view of one relation alone that are that
    relation's: its oid and the column's name there.
    """

    relation: int
    name: str
    kind: str
    reads: list[int]
    fault: str | None
    columns: dict[str, tuple[int, str]]


def read(connection: Connection[Any], relations: Collection[int]) -> dict[int, Source]:
    """By oid these relations and all that they are made of, in a transaction of the caller with PostgreSQL's own search
    path. None at all where definitions cannot be read now, because somebody keeps a view locked."""
    if not relations:
        return {}
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(Source)) as cursor:
            rows = cursor.execute(
                statement("change_sources"), {"relations": sorted(relations)}, prepare=False
            ).fetchall()
    except psycopg.Error as error:
        if connection.closed:
            raise
        log.warning(
            "the definitions of %d views could not be read: SQLSTATE %s", len(relations), error.sqlstate
        )
        return {}
    return {row.relation: row for row in rows}
