"""What the values of a column are, as far as filters care, and the type that a literal is bound as beside it."""

from __future__ import annotations

from enum import StrEnum

from ..column import Column


class Kind(StrEnum):
    """What can be compared with what: each with its like, numbers with numbers, dates with timestamps."""

    INTEGER = "an integer"
    DECIMAL = "a decimal number"
    DOUBLE = "a floating point number"
    TEXT = "text"
    LABEL = "one of the words of an enum"
    BOOLEAN = "a boolean"
    DATE = "a date"
    TIMESTAMP = "a timestamp"
    TIME = "a time of day"
    UUID = "a UUID"
    ARRAY = "an array"
    OPAQUE = "of a type that filters do not look into"


NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE})
TEXTS = frozenset({Kind.TEXT, Kind.LABEL})
MOMENTS = frozenset({Kind.DATE, Kind.TIMESTAMP})

_KINDS = {
    "int2": Kind.INTEGER,
    "int4": Kind.INTEGER,
    "int8": Kind.INTEGER,
    "numeric": Kind.DECIMAL,
    "float4": Kind.DOUBLE,
    "float8": Kind.DOUBLE,
    "text": Kind.TEXT,
    "varchar": Kind.TEXT,
    "bpchar": Kind.TEXT,
    "name": Kind.TEXT,
    "bool": Kind.BOOLEAN,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMP,
    "time": Kind.TIME,
    "uuid": Kind.UUID,
}
_BOUND = {"int2": "int8", "int4": "int8", "float4": "float8", "varchar": "text", "name": "text", "citext": "text"}


def kind_of(column: Column) -> Kind:
    """The kind of a column. Types of other schemas that hold text (citext) are text."""
    if column.category in ("A", "C"):
        return Kind.ARRAY if column.category == "A" else Kind.OPAQUE
    if column.category == "E":
        return Kind.LABEL
    return _KINDS.get(column.base_type, Kind.TEXT if column.base_type == "citext" else Kind.OPAQUE)


def bound_type(column: Column) -> str:
    """The type in pg_catalog of a literal beside the column: one that PostgreSQL compares with it by the column's index."""
    if column.category == "E":
        return "text"
    return _BOUND.get(column.base_type, column.base_type)


def family(kind: Kind) -> frozenset[Kind]:
    """The kinds that values of this one can be compared with."""
    return next((each for each in (NUMBERS, TEXTS, MOMENTS) if kind in each), frozenset({kind}))
