"""The zooms of a layer in a grid, and whether a tile that an address names is there."""

from __future__ import annotations

from ..errors import NotFound
from ..settings import Settings
from .grid import Grid
from .layer import Layer
from .parameters import shown, whole_number
from .tile import Tile


def zooms(layer: Layer, grid: Grid, settings: Settings) -> tuple[int, int]:
    """Lowest and highest zoom: in the default grid the layer's own or the settings', in others all that the grid has."""
    if grid.id != settings.default_grid:
        return grid.minzoom, grid.maxzoom
    options = layer.options
    lowest = settings.default_minzoom if options.minzoom is None else options.minzoom
    highest = settings.default_maxzoom if options.maxzoom is None else options.maxzoom
    return max(lowest, grid.minzoom), min(highest, grid.maxzoom)


def existing_tile(grid: Grid, path: tuple[str, str, str], lowest: int, highest: int) -> Tile:
    """The tile that zoom, column and row name as they stand in an address; NotFound where there is none."""
    tile = Tile(whole_number("z", path[0]), whole_number("x", path[1]), whole_number("y", path[2]))
    if not lowest <= tile.z <= highest:
        raise NotFound(f"Zoom {shown(path[0])} is outside {lowest} to {highest}, the zooms of this layer in {grid.id}.")
    if not grid.has(tile):
        raise NotFound(f"Tile {shown('/'.join(path))} is outside the tile matrix set {grid.id}.")
    return tile
