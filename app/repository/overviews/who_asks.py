"""Layers whose rows depend on who asks for them, in a way that a stored copy cannot follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import Connection

from ...errors import ConfigurationError
from ...layers.overview import has_row_security
from ...layers.relation import RelationLayer
from ..pool import Pool
from ..statements import statement


def refuse(pool: Pool, layer: RelationLayer) -> None:
    """ConfigurationError for a view whose rows depend on who asks, as far as that can be seen, and for a table with row
    security without a key."""
    if layer.kind == "v":
        with pool.borrowed(f"the view {layer.id}") as connection, pool.transaction(connection):
            connection.execute("SET LOCAL search_path = pg_catalog")
            row = connection.execute(statement("asking_views"), {"view": layer.oid}, prepare=False).fetchone()
        if row is not None:
            raise ConfigurationError(
                f"What the view {layer.id} shows depends on who asks: {row[0]}. What is stored ahead would be the same for"
                " everybody, so it can have no overview. Its tables can."
            )
    else:
        with pool.borrowed(f"the server of {layer.id}") as connection, pool.transaction(connection):
            connection.execute("SET LOCAL search_path = pg_catalog")
            is_mapped = bool(mapped(connection, [layer.oid]))
        if is_mapped:
            raise ConfigurationError(
                f"What {layer.id} shows depends on who asks: its foreign server has user mappings for single roles. What is stored"
                " ahead would be the same for everybody, so it can have no overview. One mapping FOR PUBLIC, and no other, would do."
            )
    if has_row_security(layer) and not layer.key:
        raise ConfigurationError(
            f"{layer.id} has row security and no key: a stored row could not be shown to exactly those who may see it in the"
            " table. Add a primary key, or a unique index over columns that are never null."
        )


def mapped(connection: Connection[Any], relations: Iterable[int]) -> frozenset[int]:
    """Of the relations those that a foreign server shows each role as another user. `pg_catalog` alone is the search path."""
    rows = connection.execute(statement("mapped_relations"), {"relations": sorted(relations)}, prepare=False)
    return frozenset(oid for (oid,) in rows.fetchall())
