"""By which regions it is told whether a tile is current."""

from __future__ import annotations

import math
from functools import lru_cache

from .bounds import Bounds
from .crs import lonlat
from .grid import Grid, Matrix
from .regions import Cell, above, asked, covering, reach
from .tile import Tile

_HALF_WORLD = math.pi * 6_378_137.0
"""Half of the edge of WebMercatorQuad, metres: half of the circumference of the sphere that it is made on."""
_NEAR = 1e-3


def regions_of(grid: Grid, tile: Tile, buffer: float) -> tuple[Cell, ...]:
    """The regions that a tile shows something of, and what they lie in. `buffer` is a part of its edge.

    One for tiles of WebMercatorQuad, a few for those of other grids; the whole world where nobody can say which.
    """
    zoom = _zoom_of(grid, tile.z)
    if zoom is not None:
        return _of_one(above(zoom, tile.x, tile.y))
    box = lonlat(grid.buffered(tile, reach(buffer)), grid.crs)
    if box is None:
        return (Cell(0, 0, 0),)
    if box.xmin > box.xmax:
        box = Bounds(box.xmin, box.ymin, box.xmax + 360, box.ymax)
    return asked(covering(box))


@lru_cache(maxsize=8192)
def _of_one(cell: Cell) -> tuple[Cell, ...]:
    """For each tile that is kept, a twentieth of the time that its answer takes."""
    return asked((cell,))


def _zoom_of(grid: Grid, zoom: int) -> int | None:
    """The zoom of WebMercatorQuad that has the same tiles; None where there is none."""
    return _same(grid.matrices[zoom]) if grid.crs.srid == 3857 else None


@lru_cache(maxsize=512)
def _same(matrix: Matrix) -> int | None:
    if not (matrix.from_top and matrix.width == matrix.height and not matrix.coalescing):
        return None
    zoom = matrix.width.bit_length() - 1
    span = 2 * _HALF_WORLD / matrix.width
    is_same = (
        matrix.width == 1 << zoom
        and abs(matrix.origin_x + _HALF_WORLD) < _NEAR
        and abs(matrix.origin_y - _HALF_WORLD) < _NEAR
        and abs(matrix.span_x - span) < span * 1e-9
        and abs(matrix.span_y - span) < span * 1e-9
    )
    return zoom if is_same else None
