"""TileJSON 3.0.0: what a map has to know of a tile address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.bounds import Bounds
from ..layers.function import TakesArguments, TileFunctionLayer, VectorLayer
from ..layers.request import LayerRequest
from . import attribution, extent, functions
from .addresses import Addresses
from .merge_patch import patched
from .query import without
from .sheet import Sheet

_ZOOMS = (0, 30)
"""TileJSON 3.0.0 §3.10: `minzoom` and `maxzoom` are within these; CDB1GlobalGrid begins at -10."""


def tilejson(sheet: Sheet, found: Sequence[Bounds | None], tiles: str) -> dict[str, Any]:
    """The document of the tiles at the address `tiles`.

    `found` are the extents of the sheet's layers in longitude and latitude, None where not known.
    """
    lowest, highest = (min(max(zoom, _ZOOMS[0]), _ZOOMS[1]) for zoom in sheet.zooms)
    box = extent.union(extent.stated(bounds, sheet.grid) for bounds in found)
    layers = [part.layer for part in sheet.parts]
    texts = {
        "description": "\n".join(layer.description for layer in layers if layer.description),
        "attribution": attribution.joined(layer.attribution for layer in layers),
    }
    composite = sheet.composite
    if composite is not None:
        box = box if composite.bounds is None else extent.stated(composite.bounds, sheet.grid)
        texts["description"] = composite.description or texts["description"]
        texts["attribution"] = attribution.joined([composite.attribution]) or texts["attribution"]
    document = {
        "tilejson": "3.0.0",
        "name": sheet.name,
        "version": "1.0.0",
        **{name: text for name, text in texts.items() if text},
        "scheme": "xyz",
        "tiles": [tiles],
        "minzoom": lowest,
        "maxzoom": highest,
        "bounds": box.as_list(),
        "center": extent.center(box, sheet.grid, lowest, highest),
        **_contents(sheet.parts, lowest, highest),
        # TileJSON itself knows Web Mercator only: who asks for another grid finds here which it is.
        "tileMatrixSet": sheet.grid.id,
    }
    if len(layers) > 1 or composite is not None:
        return document
    if isinstance(layers[0], TakesArguments):
        document["arguments"] = functions.arguments(layers[0])
    return patched(document, layers[0].tilejson_members)


def tiles_address(sheet: Sheet, addresses: Addresses, default_grid: str, version: str | None = None) -> str:
    """The address of the sheet's tiles. The default grid goes without its name: one address for one tile."""
    grid = None if sheet.grid.id == default_grid else sheet.grid.id
    query = sheet.tile_query
    if version is not None:
        query = "&".join(part for part in (without(query, ("v",)), f"v={version}") if part)
    return addresses.tiles(sheet.ids, grid, query)


def _contents(parts: Sequence[LayerRequest], lowest: int, highest: int) -> dict[str, Any]:
    """What the tiles hold: layers of vectors, or pictures of some format."""
    first = parts[0].layer
    if isinstance(first, TileFunctionLayer) and first.is_raster:
        return {"format": first.media_type.rpartition("/")[2], "media_type": first.media_type}
    return {
        "vector_layers": [
            _vector_layer(each, max(lowest, part.first_zoom), min(highest, part.last_zoom))
            for part in parts for each in functions.inside(part)
        ]
    }  # fmt: skip


def _vector_layer(layer: VectorLayer, lowest: int, highest: int) -> dict[str, Any]:
    return {
        "id": layer.id,
        "fields": dict(layer.fields),
        **({"description": layer.description} if layer.description else {}),
        "minzoom": lowest if layer.minzoom is None else max(lowest, layer.minzoom),
        "maxzoom": highest if layer.maxzoom is None else min(highest, layer.maxzoom),
        **({"geometry_type": layer.geometry_type} if layer.geometry_type else {}),
    }
