"""Functions for programs: TiMVT's function documents, with our members beside them; and what their tiles hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.bounds import Bounds
from ..layers.column import ServedType
from ..layers.columns import COUNT
from ..layers.function import Argument, TakesArguments, TileFunctionLayer, VectorLayer
from ..layers.grid import Grid
from ..layers.layer import Layer, RowLayer
from ..layers.request import LayerRequest
from . import attribution, extent
from .addresses import Addresses

_VOLATILITIES = {"i": "immutable", "s": "stable", "v": "volatile"}
_CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


def function(
    layer: Layer, found: Bounds | None, grid: Grid, zooms: tuple[int, int], addresses: Addresses
) -> dict[str, Any]:
    """One function, or statement of the application. `found` is the extent in longitude and latitude."""
    document = {
        "id": layer.id,
        "type": "Function",
        "function_name": layer.name,
        "schema": layer.schema or None,
        "title": layer.title,
        "description": layer.description,
        "attribution": attribution.text_and_links(layer.attribution),
        **_call(layer),
        "arguments": arguments(layer),
        "bounds": extent.stated(found, grid).as_list(),
        "crs": _CRS84,
        "minzoom": zooms[0],
        "maxzoom": zooms[1],
        "default_tms": grid.id,
        "tileurl": addresses.tiles([layer.id]),
        "tilejson": addresses.tilejson([layer.id]),
        "style": addresses.style([layer.id]),
        "viewer": addresses.viewer([layer.id]),
    }
    return {name: value for name, value in document.items() if value is not None}


def overloads(layers: Sequence[Layer], addresses: Addresses) -> dict[str, list[dict[str, Any]]]:
    """The functions that share a name without types, as a member of the document of one of them; nothing where it is alone."""
    if len(layers) < 2:
        return {}
    return {"overloads": [
        {"id": layer.id, "arguments": arguments(layer), "function": addresses.function(layer.id)} for layer in layers
    ]}  # fmt: skip


def _call(layer: Layer) -> dict[str, Any]:
    """How a function that makes a tile is called, and what comes back."""
    if isinstance(layer, TileFunctionLayer):
        return {
            "returns": "tile",
            "call": layer.call.value,
            "query_argument": None if layer.whole_query is None else _argument(layer.whole_query),
            "volatility": _VOLATILITIES.get(layer.volatility),
            "media_type": layer.media_type,
        }
    return {"returns": "rows" if isinstance(layer, RowLayer) else "tile"}


def arguments(layer: Layer) -> list[dict[str, Any]]:
    """The arguments that a query string fills by name."""
    return [_argument(each) for each in layer.arguments] if isinstance(layer, TakesArguments) else []


def _argument(argument: Argument) -> dict[str, Any]:
    """A default is PostgreSQL's own expression, for people to read."""
    document = {
        "name": argument.name,
        "type": argument.type,
        "required": not argument.has_default,
        "has_default": argument.has_default,
        "default": argument.default,
        "description": argument.description,
    }
    return {name: value for name, value in document.items() if value is not None}


def inside(part: LayerRequest) -> tuple[VectorLayer, ...]:
    """The layers inside the tiles of a part, as far as they are known: of a function those that its comment names."""
    layer = part.layer
    if isinstance(layer, TileFunctionLayer) and layer.vector_layers and layer.options.mvt_name is None:
        return layer.vector_layers
    kind = layer.geometry.type if isinstance(layer, RowLayer) else None
    fields = tuple((column.name, column.served_type.value) for column in part.columns)
    if part.may_count:
        fields += ((COUNT, ServedType.NUMBER.value),)
    fields += tuple((column.name, column.served_type.value) for column in part.overview_columns)
    return (VectorLayer(part.mvt_name, fields, layer.description or layer.title, geometry_type=kind),)
