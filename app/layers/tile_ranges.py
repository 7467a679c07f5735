"""Which tiles of a grid lie in a box of longitude and latitude."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .bounds import WORLD, Bounds
from .crs import lonlat, projected
from .grid import Grid
from .tile import Tile


class TileRange(NamedTuple):
    """The tiles of one zoom from one column to another and from one row to another, all four counted in."""

    z: int
    first_x: int
    last_x: int
    first_y: int
    last_y: int

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return (self.last_x - self.first_x + 1) * (self.last_y - self.first_y + 1)

    def tiles(self) -> Iterator[Tile]:
        """Each of them, row by row."""
        for y in range(self.first_y, self.last_y + 1):
            for x in range(self.first_x, self.last_x + 1):
                yield Tile(self.z, x, y)


def tile_ranges(grid: Grid, box: Bounds | None, zooms: Iterable[int], wider: float = 0.0) -> Iterator[TileRange]:
    """The tiles of these zooms that a box meets, all of them without a box; zooms that the grid does not have are left out.

    A box with xmin > xmax crosses ±180. Where nobody can say where a box lies in the grid, all tiles are meant.
    Tiles count too that are not farther from the box than `wider`, a part of a tile's edge.
    """
    boxes = [None] if box is None else [_within(grid, part) for part in _halves(box)]
    for z in zooms:
        matrix = grid.matrices.get(z)
        if matrix is None:
            continue
        for part in boxes:
            if part is None:
                yield TileRange(z, 0, matrix.width - 1, 0, matrix.height - 1)
                continue
            low = math.floor((part.xmin - matrix.origin_x) / matrix.span_x - wider)
            high = math.floor((part.xmax - matrix.origin_x) / matrix.span_x + wider)
            if matrix.from_top:
                first, last = (matrix.origin_y - part.ymax) / matrix.span_y, (matrix.origin_y - part.ymin) / matrix.span_y
            else:
                first, last = (part.ymin - matrix.origin_y) / matrix.span_y, (part.ymax - matrix.origin_y) / matrix.span_y
            columns = max(0, low), min(matrix.width - 1, high)
            rows = max(0, math.floor(first - wider)), min(matrix.height - 1, math.floor(last + wider))
            if columns[0] <= columns[1] and rows[0] <= rows[1]:
                yield TileRange(z, *columns, *rows)


def _halves(box: Bounds) -> tuple[Bounds, ...]:
    if box.xmin <= box.xmax:
        return (box,)
    return (Bounds(box.xmin, box.ymin, WORLD.xmax, box.ymax), Bounds(WORLD.xmin, box.ymin, box.xmax, box.ymax))


def _within(grid: Grid, box: Bounds) -> Bounds | None:
    """The box in the grid's CRS, cut to what the grid shows; None where nobody can say."""
    shown = lonlat(grid.extent, grid.crs)
    if shown is not None and shown.xmin <= shown.xmax and box.intersects(shown):
        box = box.clamped(shown)
    return projected(box, grid.crs)
