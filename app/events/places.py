"""Where something changed: a few boxes, and the tiles of the default grid that they touch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..layers.bounds import WORLD, Bounds
from ..layers.crs import lonlat
from ..layers.grid import Grid
from ..layers.regions import reach, turned
from ..layers.tile_ranges import TileRange, tile_ranges

MOST_BOXES = 40
"""Boxes of one event. More are joined with those near them: an event goes out to thousands."""


@dataclass(frozen=True, slots=True)
class Places:
    """Boxes in longitude and latitude within ±180, and ranges of tiles."""

    boxes: tuple[Bounds, ...]
    tiles: tuple[TileRange, ...]


def places(grid: Grid, boxes: Iterable[Bounds], buffer: float) -> Places | None:
    """What these boxes touch; None where nobody can say where one lies, so that it may be anywhere.

    `buffer` is the largest one that a request may ask for, as a part of a tile's edge.
    """
    parts: list[Bounds] = []
    for box in boxes:
        if not all(map(math.isfinite, box.as_list())):
            return None
        parts += turned(box)
    few = joined(list(dict.fromkeys(parts)), MOST_BOXES)
    zooms = sorted(grid.matrices)
    shown = lonlat(grid.extent, grid.crs)
    found = dict.fromkeys(
        each for box in few for each in tile_ranges(grid, _shown(box, shown), zooms, _wider(box, buffer))
    )
    return Places(tuple(few), tuple(sorted(found)))


def _shown(box: Bounds, shown: Bounds | None) -> Bounds:
    """What lies beyond the grid's north or south counts at its edge: a buffer reaches over it."""
    if shown is None:
        return box
    low, high = (min(max(each, shown.ymin), shown.ymax) for each in (box.ymin, box.ymax))
    return Bounds(box.xmin, low, box.xmax, high)


def _wider(box: Bounds, buffer: float) -> float:
    return reach(buffer, max(abs(box.ymin), abs(box.ymax)))


def joined(boxes: Sequence[Bounds], most: int) -> list[Bounds]:
    """At most `most` boxes that cover all of these: those in one cell of a coarser and coarser grid become one."""
    cell = 360 / (1 << 16)
    found = list(boxes)
    while len(found) > most:
        groups: dict[tuple[int, int], Bounds] = {}
        for box in found:
            at = _cell(box.xmin + box.xmax, cell), _cell(box.ymin + box.ymax, cell)
            groups[at] = _hull(groups.get(at, box), box)
        found = list(groups.values()) if cell < 360 else [_hull_of(found)]
        cell *= 2
    return found


def _cell(doubled: float, cell: float) -> int:
    return math.floor((doubled / 2 + WORLD.xmax) / cell)


def _hull(one: Bounds, other: Bounds) -> Bounds:
    return Bounds(
        min(one.xmin, other.xmin),
        min(one.ymin, other.ymin),
        max(one.xmax, other.xmax),
        max(one.ymax, other.ymax),
    )


def _hull_of(boxes: Sequence[Bounds]) -> Bounds:
    hull = boxes[0]
    for box in boxes[1:]:
        hull = _hull(hull, box)
    return hull
