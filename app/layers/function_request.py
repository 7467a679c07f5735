"""What a map asks of a function that returns a finished tile: its arguments, and the grids that it knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ..errors import BadParameter
from ..settings import Settings
from .cql2.asked import refuse_filter
from .finished_tiles import takes
from .function import Call, TileFunctionLayer
from .function_arguments import checked_arguments, json_value, refuse_unusable
from .grid import Grid
from .layer import Layer
from .member import Member
from .parameters import Arguments

_OURS = frozenset({"tilematrixsetid"})
"""Names of a query string, in lower case, that are never a function's: they choose the grid."""


def function_arguments(
    layer: TileFunctionLayer, grid: Grid, query: Arguments, settings: Settings
) -> tuple[tuple[str, str | None], ...]:
    """What the function is called with beside its place. BadParameter for a grid or a value that it cannot be given."""
    _refuse_grid(layer, grid, settings)
    if layer.whole_query is None:
        if not takes(layer, "filter"):
            refuse_filter(layer, query)
        return checked_arguments(layer.arguments, query)
    value = as_text if layer.call is Call.BOX else as_json
    return ((layer.whole_query.name, _query_json(query, value)),)


def without_prefixed(query: Arguments, members: Sequence[Member]) -> Arguments:
    """The query string without what has a member's name in front: it is another's, or stands there without it too."""
    prefixes = tuple(f"{name}." for member in members for name in (member.name, member.layer.id))
    return {name: values for name, values in query.items() if not name.startswith(prefixes)}


def answers_in(layer: Layer, grid: Grid, settings: Settings) -> bool:
    """Whether a function has tiles in this grid."""
    if not isinstance(layer, TileFunctionLayer):
        return True
    return bool(grid.crs.srid) if layer.call is Call.BOX else grid.id == settings.default_grid


def _refuse_grid(layer: TileFunctionLayer, grid: Grid, settings: Settings) -> None:
    if answers_in(layer, grid, settings):
        return
    if layer.call is Call.BOX:
        raise BadParameter(
            "TileMatrixSetId",
            f"The reference system of {grid.id} has no EPSG code, by which the function of layer {layer.id} is told it.",
        )
    raise BadParameter(
        "TileMatrixSetId",
        f"The function of layer {layer.id} is told zoom, column and row alone: it knows no grid but {settings.default_grid}.",
    )


def for_function(query: Arguments) -> list[str]:
    """The names of a query string that a function which takes all of it is given, in one order."""
    return [name for name in sorted(query) if name.lower() not in _OURS and query[name]]


def _query_json(query: Arguments, value: Callable[[str], str]) -> str:
    """The query string as one JSON object, a list where a name is repeated; the order of the names does not count."""
    members = []
    for name in for_function(query):
        refuse_unusable(name, [name, *query[name]])
        members.append(f"{json.dumps(name)}:{_one_or_list([value(text) for text in query[name]])}")
    return "{" + ",".join(members) + "}"


def _one_or_list(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else f"[{','.join(values)}]"


def as_text(text: str) -> str:
    """A value as a JSON string, whatever it looks like."""
    return json.dumps(text)


def as_json(text: str) -> str:
    """A value as the JSON that it is (a number, true, null, an object), else as a string."""
    try:
        json_value(text)
    except (ValueError, RecursionError):
        return json.dumps(text)
    # As it was written: a number read and written again may lose digits.
    return text.strip()
