"""Cells: squares of the plane of a layer, the same ones for all tiles of a zoom.

Where a tile would hold too much, each cell shows one of its features. The squares are laid out from the plane's origin,
and their size follows from grid, zoom and reference system alone: two neighbouring tiles see the same cells.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .bounds import Bounds
from .crs import Crs
from .grid import Grid
from .projection import metres_per_unit
from .tile import PIXELS

CELL_PIXELS = (8, 16, 32, 64)
"""Edges of a cell in pixels of its zoom. Each size divides the next: four cells are one of the next size."""


def cell_size(grid: Grid, zoom: int, layer: Crs, pixels: int) -> float:
    """The edge of a cell in units of the layer's CRS.

    A pixel is as many metres as at the place where the grid is true to scale; where the layer's CRS is another one, a cell
    is more or fewer pixels of the screen elsewhere.
    """
    pixel = grid.matrices[zoom].span_x / PIXELS
    return pixels * pixel * metres_per_unit(grid.crs.definition) / metres_per_unit(layer.definition)


class CellRange(NamedTuple):
    """Whole cells, by the numbers of the first and the last column and row."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def around(cls, box: Bounds, size: float) -> CellRange:
        """The cells in which the middle of a row may lie that meets the box and is not larger than a cell."""
        # A little more than half a cell: an index knows boxes in single precision only.
        half = size * 0.51
        return cls(
            math.floor((box.xmin - half) / size), math.floor((box.ymin - half) / size),
            math.floor((box.xmax + half) / size), math.floor((box.ymax + half) / size),
        )  # fmt: skip

    def box(self, size: float) -> Bounds:
        """The plane that the cells cover."""
        return Bounds(self.west * size, self.south * size, (self.east + 1) * size, (self.north + 1) * size)
