"""Which relations have to be followed so that a layer is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from ...errors import ConfigurationError
from ...layers.layer import Layer
from ...layers.relation import RelationLayer
from . import sources
from .reading import Reads, to_be_read
from .sources import Source


class Wanted(NamedTuple):
    """A relation to follow; `kind` is a relkind."""

    oid: int
    name: str
    kind: str


def of_layers(connection: Connection[Any], layers: Collection[Layer], reads: Reads) -> list[Wanted]:
    """The tables, materialized views and foreign tables that these layers are made of, each once.

    ConfigurationError for a layer of which nobody knows what it reads.
    """
    with connection.transaction():
        connection.execute("SET LOCAL search_path = pg_catalog")
        found = sources.read(connection, to_be_read(layers))
    wanted: dict[int, Wanted] = {}
    for layer in layers:
        for each in _of_layer(connection, layer, reads(layer), found):
            wanted.setdefault(each.oid, each)
    return list(wanted.values())


def _of_layer(
    connection: Connection[Any], layer: Layer, reads: Sequence[str] | None, found: Mapping[int, Source]
) -> list[Wanted]:
    if reads is not None:
        return [_named(connection, layer, name) for name in reads]
    if not isinstance(layer, RelationLayer):
        raise ConfigurationError(
            f'What {layer.id} reads is not known. Write `reads = ["schema.table"]` for it into the layers file or its comment.'
        )
    own = Wanted(layer.oid, f"{layer.schema}.{layer.name}", layer.kind)
    return _below(own, found, set()) if layer.oid in found else [own]


def _below(start: Wanted, found: Mapping[int, Source], seen: set[int]) -> list[Wanted]:
    if start.oid in seen:
        return []
    seen.add(start.oid)
    made = [] if start.kind == "v" else [start]
    for each in found[start.oid].reads:
        # PostgreSQL's own tables, which have smaller numbers, can have no triggers.
        if each in found and each >= 16384:
            made += _below(Wanted(each, found[each].name, found[each].kind), found, seen)
    return made


def _named(connection: Connection[Any], layer: Layer, name: str) -> Wanted:
    row = connection.execute(
        "SELECT c.oid::int8, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname || '.' || c.relname = %s AND c.relkind IN ('r', 'p', 'm', 'f')",
        [name],
    ).fetchone()
    if row is None:
        raise ConfigurationError(f"{layer.id} is said to read {name}: there is no such table.")
    return Wanted(row[0], name, row[1])
