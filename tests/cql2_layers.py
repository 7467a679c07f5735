"""A layer with a column of each type, and filters on it, without a database."""

from __future__ import annotations

import pytest

from app.layers.column import Column
from app.layers.cql2.asked import parse_for
from app.layers.cql2.syntax import Call, FilterError, Items, Name, Number, Shape, Syntax
from app.layers.cql2.tree import Expression
from app.layers.crs import Crs
from app.layers.layer import GeometryColumn, RowLayer

_TYPES = {
    "tiny": ("int2", "N"), "whole": ("int4", "N"), "huge": ("int8", "N"), "part": ("float4", "N"), "double": ("float8", "N"),
    "price": ("numeric", "N"), "name": ("text", "S"), "short": ("varchar", "S"), "fixed": ("bpchar", "S"),
    "size": ("size", "E"), "yes": ("bool", "B"), "day": ("date", "D"), "moment": ("timestamp", "D"),
    "instant": ("timestamptz", "D"), "clock": ("time", "D"), "zoned": ("timetz", "D"), "span": ("interval", "T"),
    "code": ("uuid", "U"), "tree": ("jsonb", "U"), "tags": ("_text", "A"), "numbers": ("_int4", "A"), "net": ("inet", "I"), "cash": ("money", "N"),
}  # fmt: skip

TABLE = RowLayer(
    id="public.things", schema="public", name="things", login="somebody", readers={"somebody": None},
    geometry=GeometryColumn("geom", "POINT", Crs(4326, "EPSG:4326")),
    columns=tuple(Column(name, base, base, category) for name, (base, category) in _TYPES.items()),
)  # fmt: skip


def accepted(text: str, lang: str | None = None) -> Expression:
    return parse_for(TABLE, text, lang)


def refusal(text: str, lang: str | None = None) -> FilterError:
    with pytest.raises(FilterError) as raised:
        parse_for(TABLE, text, lang)
    return raised.value


def plain(node: Syntax) -> str:
    """Syntax in brackets, without places."""
    match node:
        case Name(name=name):
            return name
        case Number(value=value):
            return str(value)
        case Call(name=name, args=args):
            return "(" + " ".join([name, *map(plain, args)]) + ")"
        case Items(args=args):
            return "[" + " ".join(map(plain, args)) + "]"
        case Shape(type=kind, coordinates=coordinates, parts=parts):
            return kind + ("(" + ", ".join(map(plain, parts)) + ")" if parts else _coordinates(coordinates))
        case _:
            return f"'{node.value}'" if isinstance(node.value, str) else str(node.value)


def _coordinates(nested: object) -> str:
    if isinstance(nested, tuple):
        return "(" + " ".join(map(_coordinates, nested)) + ")"
    return f"{nested:g}"
