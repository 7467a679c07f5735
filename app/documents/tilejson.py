"""TileJSON 3.0.0: what a map has to know of a tile address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.bounds import Bounds
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from . import attribution, extent
from .addresses import Addresses
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
    return {
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
        "vector_layers": [_vector_layer(part, lowest, highest) for part in sheet.parts],
        # TileJSON itself knows Web Mercator only: who asks for another grid finds here which it is.
        "tileMatrixSet": sheet.grid.id,
    }


def tiles_address(sheet: Sheet, addresses: Addresses, default_grid: str) -> str:
    """The address of the sheet's tiles. The default grid goes without its name: one address for one tile."""
    grid = None if sheet.grid.id == default_grid else sheet.grid.id
    return addresses.tiles(sheet.ids, grid, sheet.tile_query)


def _vector_layer(part: LayerRequest, lowest: int, highest: int) -> dict[str, Any]:
    layer = part.layer
    description = layer.description or layer.title
    return {
        "id": part.mvt_name,
        "fields": {column.name: column.served_type.value for column in part.columns},
        **({"description": description} if description else {}),
        "minzoom": max(lowest, part.first_zoom),
        "maxzoom": min(highest, part.last_zoom),
        **({"geometry_type": layer.geometry.type} if isinstance(layer, RowLayer) else {}),
    }
