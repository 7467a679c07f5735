"""The statements of tile functions: the call, and the question whether PostgreSQL can read the arguments at all.

Arguments of the tile come by their place, those of the query string by name, each with a cast to its own type: so one of
several functions of a name is meant, and what was not given is PostgreSQL's to fill in.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from ..layers.function import Argument, Call, TileFunctionLayer
from ..layers.request import LayerRequest
from ..layers.tile import Tile
from .identifier import identifier
from .tile_size import bounded

_BOX = ("xmin", "ymin", "xmax", "ymax", "epsg")
_ZXY = ("z", "x", "y")
_QUERY = "query"


def given_names(request: LayerRequest, layer: TileFunctionLayer) -> tuple[str, ...]:
    """The arguments that the query string gives by name: with the layer, all that decides the text of the call."""
    return tuple([name for name, _ in request.arguments]) if layer.whole_query is None else ()


def call_text(layer: TileFunctionLayer, given: tuple[str, ...]) -> bytes:
    """The statement that gives the tile, that no limit cut it, the text for its ETag, and the tile's size in bytes."""
    place = _BOX if layer.call is Call.BOX else _ZXY
    arguments: list[sql.Composable] = [_typed(name, type_) for name, type_ in zip(place, layer.place_types, strict=True)]
    if layer.whole_query is not None:
        arguments.append(_typed(_QUERY, layer.whole_query.type))
    by_name = {argument.name: argument for argument in layer.arguments}
    for number, name in enumerate(given):
        arguments.append(sql.SQL("{} => {}").format(identifier(name), _typed(_given(number), by_name[name].type)))
    columns = [sql.Identifier("body"), sql.Identifier("tag")][: 2 if layer.returns_tag else 1]
    call = sql.SQL("SELECT tile.body, false{tag} FROM {function}({arguments}) AS tile ({columns}) LIMIT 1").format(
        tag=sql.SQL(", tile.tag" if layer.returns_tag else ""),
        function=identifier(layer.schema, layer.name),
        arguments=sql.SQL(", ").join(arguments),
        columns=sql.SQL(", ").join(columns),
    )
    return bounded(call, has_tag=layer.returns_tag).as_bytes(None)


def call_values(request: LayerRequest, layer: TileFunctionLayer, tile: Tile) -> dict[str, object]:
    """The values of its parameters."""
    return {**_place(request, layer, tile), **_values(request, layer)}


def readable_question(argument: Argument, text: str | None) -> tuple[bytes, dict[str, object]]:
    """A statement that fails exactly where PostgreSQL cannot read this text as the argument's type."""
    statement = sql.SQL("SELECT {} IS NULL").format(_typed("value", argument.type))
    return statement.as_bytes(None), {"value": text}


def _typed(name: str, type_: str) -> sql.Composed:
    """A parameter with a cast. The type is PostgreSQL's own writing of it, quoted where that is needed."""
    return sql.SQL("{}::{}").format(sql.Placeholder(name), sql.SQL(type_.replace("%", "%%")))


def _given(number: int) -> str:
    """The name of a parameter for the argument at this place: an argument's own name may hold anything."""
    return f"argument{number}"


def _place(request: LayerRequest, layer: TileFunctionLayer, tile: Tile) -> Mapping[str, object]:
    if layer.call is not Call.BOX:
        return dict(zip(_ZXY, tile, strict=True))
    box = request.grid.bounds(tile)
    return dict(zip(_BOX, (*box.as_list(), request.grid.crs.srid), strict=True))


def _values(request: LayerRequest, layer: TileFunctionLayer) -> Mapping[str, object]:
    if layer.whole_query is not None:
        return {_QUERY: request.arguments[0][1]}
    return {_given(number): text for number, (_, text) in enumerate(request.arguments)}
