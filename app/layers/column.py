"""Columns of a layer and the type in which a tile carries them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ServedType(StrEnum):
    """The type of an attribute in TileJSON's `fields` (TileJSON 3.0.0 §3.3.3)."""

    NUMBER = "Number"
    BOOLEAN = "Boolean"
    STRING = "String"
    OBJECT = "Object"
    """The keys of the value are attributes of their own."""


class Cast(StrEnum):
    """How a column's value enters the tile. MVT knows integers, doubles, booleans and text only (MVT 2.1 §4.4)."""

    AS_IS = "as is"
    DOUBLE = "double"
    TEXT = "text"
    JSON_TEXT = "json text"
    ISO_TIME = "ISO 8601"
    OPEN = "members of an object"


_CASTS: dict[str, Cast] = {
    "bool": Cast.AS_IS,
    "int2": Cast.AS_IS,
    "int4": Cast.AS_IS,
    "int8": Cast.AS_IS,
    "float4": Cast.AS_IS,
    "float8": Cast.AS_IS,
    "text": Cast.AS_IS,
    "numeric": Cast.DOUBLE,
    "json": Cast.TEXT,
    "jsonb": Cast.TEXT,
    "timestamp": Cast.ISO_TIME,
    "timestamptz": Cast.ISO_TIME,
}
_OBJECTS = frozenset({"json", "jsonb", "hstore"})
"""Base types whose value may be an object with keys."""
_UNSERVED = frozenset({"bytea", "geometry", "geography", "raster", "topogeometry", "box2d", "box3d", "geomval"})
"""Base types that are not attributes: pictures, other geometries."""


@dataclass(frozen=True, slots=True)
class Column:
    """One attribute: its name, PostgreSQL type and description.

    `type` is what `format_type` says (`numeric(10,2)`), `base_type` the `typname` below domains, `category` the
    letter of `pg_type.typcategory` (A is an array, C a composite). `configured` is the cast where settings, options or
    the request chose another one than the type's own.
    """

    name: str
    type: str
    base_type: str
    category: str
    description: str | None = field(default=None, repr=False)
    """For people: what is made of a column's `repr`, digests and keys, is the same with another one."""
    configured: Cast | None = None

    @property
    def is_served(self) -> bool:
        """Whether a tile can carry its values, or a list of them, as an attribute."""
        element = self.base_type.removeprefix("_") if self.category == "A" else self.base_type
        return element not in _UNSERVED

    @property
    def may_be_object(self) -> bool:
        """Whether its value may have keys that can be attributes of their own."""
        return self.category == "C" or self.base_type in _OBJECTS

    @property
    def cast(self) -> Cast:
        """How the value is turned into something MVT can hold."""
        if self.configured is not None:
            return self.configured
        if self.category in ("A", "C"):
            return Cast.JSON_TEXT
        return _CASTS.get(self.base_type, Cast.TEXT)

    @property
    def served_type(self) -> ServedType:
        """The type that TileJSON states and that a decoded tile shows."""
        if self.cast is Cast.OPEN:
            return ServedType.OBJECT
        if self.base_type == "bool":
            return ServedType.BOOLEAN
        if self.cast is Cast.DOUBLE or (self.cast is Cast.AS_IS and self.base_type != "text"):
            return ServedType.NUMBER
        return ServedType.STRING
