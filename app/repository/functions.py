"""Rows of `sql/functions.sql`: which of them are tile functions, and how they become layers."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from ..layers.function import MVT_TYPE, Argument, Call, TileFunctionLayer, VectorLayer, function_ids
from ..settings import Settings
from . import comments, selection
from .catalog import Rejected
from .statements import statement

KIND = "function"

_INTEGERS = frozenset({"int2", "int4", "int8"})
_WIDE_INTEGERS = frozenset({"int4", "int8"})
_COORDINATES = frozenset({"float8", "numeric"})
_JSON = frozenset({"json", "jsonb"})
_TEXTS = frozenset({"text", "varchar"})
_FIRST = 6
"""As many arguments as the longest of the signatures has: among these the tile's place is looked for."""
_NOT_PLACED = (
    "it returns bytea and takes three whole numbers, but not as a tile function does:"
    " the first three arguments are z (or zoom), x and y, by these names and in this order"
)
_MEDIA_TYPE = re.compile(r"[a-z]{1,30}/[a-z0-9][a-z0-9.+-]{0,80}", re.ASCII)
_OTHER_MVT_NAMES = frozenset({"application/x-protobuf", "application/protobuf", "application/vnd.mapbox-vector-tile"})
_ZOOMS = range(31)
_OUR_MEMBERS = frozenset({"arguments", "vector_layers"})
"""Members of a comment that its TileJSON states in a way of its own."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function, as the database describes it."""

    oid: int
    schema: str
    name: str
    extension: str | None
    volatility: str
    is_variadic: bool
    definition: str
    comment: str | None
    arguments: list[tuple[str | None, str, str, str, bool, str | None]] | None
    returned: list[str] | None
    callers: list[str] | None

    @property
    def types(self) -> tuple[str, ...]:
        """The `typname` of each argument."""
        return tuple(base for _, _, base, _, _, _ in self.arguments or [])


class Signature(NamedTuple):
    """How a tile function is called."""

    call: Call
    place_types: tuple[str, ...]
    arguments: tuple[Argument, ...] = ()
    whole_query: Argument | None = None


def read(connection: Connection[Any], oids: Sequence[int] | None = None) -> list[Function]:
    """Every function whose result may be a tile, or those with these oids."""
    if oids is not None and not oids:
        return []
    with connection.cursor(row_factory=class_row(Function)) as cursor:
        return cursor.execute(statement("functions"), {"functions": list(oids or [])}, prepare=False).fetchall()


def signature(function: Function) -> Signature | str | None:
    """How it is called; a reason where it looks like a tile function and is none; None for any other function.

    One that returns bytea and begins with three whole numbers, in whatever order, looks like one, unless it is part of
    an extension.
    """
    if (function.returned or ["bytea"])[0] != "bytea":
        return None
    arguments = [
        Argument(name or "", shown, base, category, has_default, default=default)
        for name, shown, base, category, has_default, default in function.arguments or []
    ]
    names = [argument.name for argument in arguments[:3]]
    kinds = [argument.base_type for argument in arguments]
    if names[0] in ("z", "zoom") and names[1:] == ["x", "y"]:
        found = _of_zoom_column_row(arguments, kinds)
    elif len(kinds) == 6 and _COORDINATES.issuperset(kinds[:4]) and kinds[4] in _WIDE_INTEGERS and kinds[5] in _JSON:
        types = tuple(argument.type for argument in arguments)
        found = Signature(Call.BOX, types[:5], whole_query=arguments[5])
    elif function.extension is None and sum(kind in _INTEGERS for kind in kinds[:_FIRST]) >= 3:
        return _NOT_PLACED
    else:
        return None
    if isinstance(found, str):
        return found
    if function.is_variadic:
        return "it takes any number of arguments (VARIADIC)"
    if len(function.returned or []) > 2 or not _TEXTS.issuperset((function.returned or [])[1:]):
        return "it returns other columns than a tile (bytea) and a text for its ETag"
    return found


def _of_zoom_column_row(arguments: list[Argument], kinds: list[str]) -> Signature | str:
    if kinds[0] not in _INTEGERS or not _WIDE_INTEGERS.issuperset(kinds[1:3]):
        return "its arguments z, x and y are no integers"
    place, further = tuple(argument.type for argument in arguments[:3]), tuple(arguments[3:])
    if len(further) == 1 and further[0].base_type in _JSON:
        return Signature(Call.QUERY, place, whole_query=further[0])
    if any(not argument.name for argument in further):
        return "an argument after z, x and y has no name"
    if any(argument.category == "P" for argument in further):
        return "it takes an argument of any type"
    return Signature(Call.ARGUMENTS, place, further)


class Chosen(NamedTuple):
    """A tile function that may be a layer."""

    function: Function
    signature: Signature


def chosen(functions: Iterable[Function], settings: Settings) -> tuple[list[Chosen], list[Rejected]]:
    """The tile functions that are published, those with fewer arguments first, and why others are not."""
    accepted, rejected = [], []
    for function in functions:
        found = signature(function)
        if found is None:
            continue
        reason = selection.function_refusal(function, settings) or (found if isinstance(found, str) else None)
        if reason is not None:
            rejected.append(Rejected(function.schema, function.name, KIND, None, reason))
        elif isinstance(found, Signature):
            accepted.append(Chosen(function, found))
    accepted.sort(key=lambda each: (each.function.schema, each.function.name, len(each.function.types), each.function.types))
    return accepted, rejected


def layers(found: Sequence[Chosen], login: str, tables: Container[tuple[str, str]]) -> list[TileFunctionLayer]:
    """A layer for each. `tables` are schema and name of those that are layers themselves."""
    ids = function_ids([(each.function.schema, each.function.name, each.function.types) for each in found], tables)
    return [layer(each, layer_id, login) for each, layer_id in zip(found, ids, strict=True)]


def layer(found: Chosen, layer_id: str, login: str) -> TileFunctionLayer:
    """The layer of one tile function under this id."""
    function, called = found
    said = comments.parse(function.comment)
    more = comments.members(function.comment)
    return TileFunctionLayer(
        id=layer_id,
        schema=function.schema,
        name=function.name,
        login=login,
        title=said.title,
        description=said.description,
        attribution=said.attribution,
        declared_bounds=said.bounds,
        comment=said.entry,
        tilejson_members={name: value for name, value in said.members.items() if name not in _OUR_MEMBERS},
        oid=function.oid,
        call=called.call,
        place_types=called.place_types,
        arguments=_described(called.arguments, more),
        whole_query=called.whole_query,
        returns_tag=len(function.returned or []) == 2,
        volatility=function.volatility,
        callers=frozenset(function.callers or ()),
        definition=function.definition,
        media_type=_media_type(more),
        vector_layers=tuple(_vector_layers(more.get("vector_layers"))),
    )


# --- what a JSON comment says of a function alone; what cannot be used is not said -----------------------------------


def _zoom(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value in _ZOOMS else None


def _media_type(more: dict[str, Any]) -> str:
    said = more.get("content_type")
    if not isinstance(said, str) or not _MEDIA_TYPE.fullmatch(said.lower()):
        return MVT_TYPE
    return MVT_TYPE if said.lower() in _OTHER_MVT_NAMES else said.lower()


def _described(arguments: tuple[Argument, ...], more: dict[str, Any]) -> tuple[Argument, ...]:
    """With the descriptions that the member `arguments` of the comment has by name."""
    texts = more.get("arguments")
    if not isinstance(texts, dict):
        return arguments
    return tuple(
        Argument(each.name, each.type, each.base_type, each.category, each.has_default, text, each.default)
        if isinstance(text := texts.get(each.name), str) else each
        for each in arguments
    )  # fmt: skip


def _vector_layers(value: Any) -> Iterable[VectorLayer]:
    for each in value if isinstance(value, list) else []:
        if not isinstance(each, dict) or not isinstance(each.get("id"), str):
            continue
        fields = each.get("fields")
        description, geometry = each.get("description"), each.get("geometry_type")
        yield VectorLayer(
            id=each["id"],
            fields=tuple((str(name), str(text)) for name, text in fields.items()) if isinstance(fields, dict) else (),
            description=description if isinstance(description, str) else None,
            minzoom=_zoom(each.get("minzoom")),
            maxzoom=_zoom(each.get("maxzoom")),
            geometry_type=geometry.upper() if isinstance(geometry, str) else None,
        )
