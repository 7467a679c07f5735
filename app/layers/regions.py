"""Regions: cells of one grid for all layers and tile matrix sets, by which it is told what a change made stale.

They are the tiles of WebMercatorQuad (OGC 17-083r4 Annex D), at every zoom down to `FINEST`. A change touches, at each of
these zooms, every cell whose tile may show it. What is large touches its cells down to one of `WHOLE_ZOOMS`, and each of
that zoom with all that is below it. A tile is current as long as the few cells are that it is made of: its own one, and for
tiles of other grids and of finer zooms those that cover it; each with those of `WHOLE_ZOOMS` that it lies in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .bounds import Bounds
from .cells import CELL_PIXELS
from .tile import PIXELS

FINEST = 17
"""Deepest zoom that has cells of its own: they are 306 m wide at the equator. Deeper tiles take the one above them."""
MOST_LATITUDE = 85.05112877980659
"""Latitude at which the square of the web Mercator projection ends: atan(sinh(pi))."""
WHOLE_ZOOMS = (1, 3, 5, 7, 9, 11, 13)
"""Zooms whose cells can be touched with all that is below them."""
MOST_OF_A_BOX = 64
"""Cells of one zoom that a box touches one by one; deeper than where it has more, all that is below is touched."""
MOST_CELLS = 20_000
"""More cells than these for the changes that are read at once, and all of the layer counts as changed."""
MOST_FOR_A_TILE = 6
"""A tile of another grid is looked up by at most so many cells."""
_SAMPLED_CELL = 1.51 * max(CELL_PIXELS) / PIXELS
"""Part of a tile beyond whose edge rows compete for being drawn in it, where it would hold too much: another winner may lie
anywhere in a cell whose winner may be seen from half a cell away (`CellRange.around`)."""
_LEAST_COSINE = 0.08
"""Of 85.4 degrees, where the square ends."""


class Cell(NamedTuple):
    """A tile of the grid of regions: zoom, column from the west, row from the north."""

    z: int
    x: int
    y: int
    is_whole: bool = False
    """Whether all cells of finer zooms are meant that lie in it, and not itself."""

    def __str__(self) -> str:
        return f"{self.z}/{self.x}/{self.y}{'/*' if self.is_whole else ''}"


def touched(boxes: Iterable[Bounds], buffer: float) -> frozenset[Cell] | None:
    """Every cell whose tile may show something of these boxes (longitude and latitude); None for too many.

    `buffer` is the largest one that a request may ask for, as a part of a tile's edge. Boxes beyond ±180 count on both
    sides of it. None also for a box with a coordinate that is no finite number: nobody knows where it is.
    """
    cells: set[Cell] = set()
    for box in boxes:
        if not all(map(math.isfinite, box.as_list())):
            return None
        for part in turned(box):
            left, right = _column(part.xmin), _column(part.xmax)
            top, bottom = _row(part.ymax), _row(part.ymin)
            # Cells are squares of the layer's system, and larger in pixels where the map's scale is.
            wider = reach(buffer, max(abs(part.ymin), abs(part.ymax)))
            cells.update(_of_box(left, right, top, bottom, wider))
            if len(cells) > MOST_CELLS:
                return None
    return frozenset(cells)


def _of_box(left: float, right: float, top: float, bottom: float, wider: float) -> Iterator[Cell]:
    """The cells of a box, from the coarsest to the finest; where they become many, the last ones with all below them."""
    for z in range(FINEST + 1):
        columns, rows = _range(left, right, z, wider), _range(top, bottom, z, wider)
        for x in columns:
            for y in rows:
                yield Cell(z, x, y)
        # Two zooms deeper there may be sixteen times as many.
        if z in WHOLE_ZOOMS and len(columns) * len(rows) > MOST_OF_A_BOX / 16:
            following = (z + 2, _range(left, right, z + 2, wider), _range(top, bottom, z + 2, wider))
            if len(following[1]) * len(following[2]) > MOST_OF_A_BOX:
                yield from (Cell(z, x, y, is_whole=True) for x in columns for y in rows)
                return


def covering(box: Bounds, finest: int = FINEST) -> tuple[Cell, ...]:
    """The finest cells that cover a box of longitude and latitude, at most `MOST_FOR_A_TILE` of them.

    The box is a tile's, widened by `reach`: changes were widened too, but by the buffer of cells that may be smaller.
    """
    parts = turned(box)
    for z in range(min(finest, FINEST), 0, -1):
        found = {
            Cell(z, x, y)
            for part in parts
            for x in _range(_column(part.xmin), _column(part.xmax), z, 0.0, most=MOST_FOR_A_TILE)
            for y in _range(_row(part.ymax), _row(part.ymin), z, 0.0, most=MOST_FOR_A_TILE)
        }
        if len(found) <= MOST_FOR_A_TILE:
            return tuple(sorted(found))
    return (Cell(0, 0, 0),)


def above(z: int, x: int, y: int) -> Cell:
    """The cell of a tile of WebMercatorQuad: its own, or of a deeper one that above it."""
    deeper = max(0, z - FINEST)
    return Cell(z - deeper, x >> deeper, y >> deeper)


def asked(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """These cells, and those whose change as a whole is a change of them."""
    found = dict.fromkeys(cells)
    for z, x, y, _ in tuple(found):
        found.update(dict.fromkeys(Cell(w, x >> (z - w), y >> (z - w), is_whole=True) for w in WHOLE_ZOOMS if w < z))
    return tuple(found)


def turned(box: Bounds) -> Sequence[Bounds]:
    """The box within ±180, in two parts where it crosses that."""
    if box.xmax - box.xmin >= 360:
        return (Bounds(-180.0, box.ymin, 180.0, box.ymax),)
    if box.xmin >= -180 and box.xmax <= 180:
        return (box,)
    west = (box.xmin + 180) % 360 - 180
    east = west + box.xmax - box.xmin
    if east <= 180:
        # What lies beyond the edge whole may be drawn there by no grid, or on the other side by one.
        return (Bounds(west, box.ymin, east, box.ymax), *_edge(box))
    return (Bounds(west, box.ymin, 180.0, box.ymax), Bounds(-180.0, box.ymin, east - 360, box.ymax))


def _edge(box: Bounds) -> Sequence[Bounds]:
    """The edge of the world next to a box beyond it: a buffer reaches over it."""
    at = 180.0 if box.xmin > 0 else -180.0
    return (Bounds(at, box.ymin, at, box.ymax),)


def _column(longitude: float) -> float:
    """From 0 in the west to 1 in the east."""
    return min(1.0, max(0.0, (longitude + 180) / 360))


def _row(latitude: float) -> float:
    """From 0 in the north to 1 in the south; latitudes beyond the square are those of its edge."""
    if latitude >= MOST_LATITUDE:
        return 0.0
    if latitude <= -MOST_LATITUDE:
        return 1.0
    return min(1.0, max(0.0, 0.5 - math.asinh(math.tan(math.radians(latitude))) / (2 * math.pi)))


def reach(buffer: float, latitude: float = 0.0) -> float:
    """How far a tile sees beyond its edge, as a part of it: its buffer, and the cell that a row there competes in."""
    return buffer + _SAMPLED_CELL / max(_LEAST_COSINE, math.cos(math.radians(min(90.0, latitude))))


def _range(low: float, high: float, z: int, wider: float, most: int = 2 * MOST_CELLS) -> range:
    """Columns or rows of a zoom that a stretch touches, widened by a part of a cell; at most `most` + 1."""
    last = (1 << z) - 1
    first = max(0, math.floor(low * (1 << z) - wider))
    end = min(last, math.floor(high * (1 << z) + wider))
    return range(min(first, last), min(end, first + most) + 1)
