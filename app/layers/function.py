"""Functions of the database as layers: their arguments, and those that return a finished tile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from .column import Column
from .identity import Identity
from .layer import Layer
from .names import escape, layer_id

MVT_TYPE = "application/vnd.mapbox-vector-tile"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument that a query string fills.

    `type` is the type as PostgreSQL writes it in a statement, with its schema where that is not pg_catalog. `base_type`
    is the `typname` below domains (`_int4` for an array of int4), `category` the letter of `pg_type.typcategory` (A is
    an array). `default` is for people to read: PostgreSQL fills it in by itself.
    """

    name: str
    type: str
    base_type: str
    category: str
    has_default: bool
    description: str | None = None
    default: str | None = None


@runtime_checkable
class TakesArguments(Protocol):
    """A layer with arguments that a query string fills by name."""

    @property
    def arguments(self) -> tuple[Argument, ...]: ...


class Call(StrEnum):
    """What a tile function is called with."""

    BOX = "box"
    """The tile's box, the number of its reference system, and the whole query string as JSON, all values text."""
    ARGUMENTS = "arguments"
    """Zoom, column and row, and further arguments that the query string names."""
    QUERY = "query"
    """Zoom, column and row, and the whole query string as JSON, with numbers and booleans as such."""


@dataclass(frozen=True, slots=True)
class VectorLayer:
    """One layer inside a function's tiles, as TileJSON 3.0.0 §3.3 describes it."""

    id: str
    fields: tuple[tuple[str, str], ...] = ()
    description: str | None = None
    minzoom: int | None = None
    maxzoom: int | None = None
    geometry_type: str | None = None


@dataclass(frozen=True, kw_only=True)
class TileFunctionLayer(Layer):
    """A function that returns a finished tile.

    `place_types` are the types, as PostgreSQL writes them, of the arguments that say which tile: four numbers and an
    integer for a box, else three integers. `arguments` are those that the query string fills by name; `whole_query` is
    the one that gets all of it as JSON, where there is one. `callers` are the roles that may execute the function.
    """

    oid: int
    call: Call
    place_types: tuple[str, ...]
    arguments: tuple[Argument, ...] = ()
    whole_query: Argument | None = None
    returns_tag: bool = False
    """Whether a text comes beside the tile, which becomes its ETag."""
    volatility: str = "v"
    """The letter of `pg_proc.provolatile`."""
    callers: frozenset[str] = frozenset()
    definition: str = ""
    """Another text whenever the function becomes another one."""
    media_type: str = MVT_TYPE
    vector_layers: tuple[VectorLayer, ...] = ()
    """What its comment says that its tiles hold; nothing where it does not say."""

    @property
    def is_raster(self) -> bool:
        """Whether its tiles are something else than vector tiles."""
        return self.media_type != MVT_TYPE

    def readable_by(self, identity: Identity) -> bool:
        """Whether this identity may execute it; the role decides, or the login."""
        return (identity.role or self.login) in self.callers

    def columns_for(self, identity: Identity) -> tuple[Column, ...]:
        """None: what a function puts into its tiles is not known before."""
        return ()

    @property
    def other_names(self) -> tuple[str, ...]:
        return function_names(self.id, self.schema, self.name)

    def _definition(self) -> tuple[Any, ...]:
        return (
            *super()._definition(), self.schema, self.name, self.oid, self.definition, self.call, self.place_types,
            self.arguments, self.whole_query, self.returns_tag, self.volatility, sorted(self.callers), self.media_type,
        )  # fmt: skip


def function_names(id_: str, schema: str, name: str) -> tuple[str, ...]:
    """Names of a function beside its id: the id without the schema, the name alone and, where several functions have it,
    the name with the schema. Of several a name without types stands for the one that a query string fits."""
    plain = layer_id(schema, name)
    with_types = escape(name) + id_.removeprefix(plain)
    return tuple(each for each in dict.fromkeys((with_types, escape(name), plain)) if each != id_)


def function_ids(functions: Sequence[tuple[str, str, Sequence[str]]], tables: Container[tuple[str, str]]) -> list[str]:
    """Ids of functions, given as schema, name and the types that they take, in the same order.

    `schema.name`; beside one of the `tables` (schema, name) `schema.name()`; one of several of that name
    `schema.name(int4~2Ctext)`: a comma divides the layers of a composite, so the one between two types is escaped.
    """
    count = Counter((schema, name) for schema, name, _ in functions)
    return [
        layer_id(schema, name) + (f"({escape(','.join(types))})" if count[schema, name] > 1
                                  else "()" if (schema, name) in tables else "")
        for schema, name, types in functions
    ]  # fmt: skip
