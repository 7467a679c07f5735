"""Where a layer's rows lie, about: what decides how a tile is asked for, never what it shows."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from .bounds import Bounds


@dataclass(frozen=True, slots=True)
class Spread:
    """Rows counted in `columns` by `columns` cells of `box`, which is in the layer's CRS.

    `sums` are the counts of all cells to the south-west, row after row from the south, with a row and a column of
    zeros before them: so any box is answered by four look-ups.
    """

    box: Bounds
    columns: int
    sums: Sequence[float]

    @classmethod
    def of(cls, box: Bounds, counts: Sequence[float]) -> Spread:
        """From the counts of its cells, row after row from the south; as many rows as columns."""
        columns = math.isqrt(len(counts))
        if columns * columns != len(counts):
            raise ValueError(f"{len(counts)} cells are no square")
        above = [0.0] * (columns + 1)
        sums = array("f", above)
        for row in range(columns):
            along = [0.0, *accumulate(counts[row * columns : (row + 1) * columns])]
            above = [before + here for before, here in zip(above, along, strict=True)]
            sums.extend(above)
        return cls(box, columns, sums)

    @property
    def rows(self) -> float:
        """Of all cells."""
        return self.sums[-1]

    def within(self, boxes: Iterable[Bounds]) -> float | None:
        """How many rows lie in these boxes, about; None where one is smaller than a cell: it says nothing of so little."""
        found = 0.0
        for box in boxes:
            if box.width < self.box.width / self.columns and box.height < self.box.height / self.columns:
                return None
            found += self._sum(box.xmax, box.ymax) - self._sum(box.xmin, box.ymax)
            found -= self._sum(box.xmax, box.ymin) - self._sum(box.xmin, box.ymin)
        return max(0.0, found)

    def at_most(self, boxes: Iterable[Bounds]) -> float:
        """How many rows lie in the cells that these boxes touch, about: no more of them lie in the boxes, however small."""
        found = 0.0
        for box in boxes:
            west, east = self._edges(box.xmin - self.box.xmin, box.xmax - self.box.xmin, self.box.width)
            south, north = self._edges(box.ymin - self.box.ymin, box.ymax - self.box.ymin, self.box.height)
            found += self._corner(east, north) - self._corner(west, north)
            found -= self._corner(east, south) - self._corner(west, south)
        return max(0.0, found)

    def _edges(self, least: float, most: float, whole: float) -> tuple[int, int]:
        """The first cell that is touched along one side, and the one after the last."""
        if whole <= 0:
            return 0, self.columns
        size = whole / self.columns
        first, last = (min(max(place / size, 0.0), float(self.columns)) for place in (least, most))
        return math.floor(first), math.ceil(last)

    def _corner(self, column: int, row: int) -> float:
        return self.sums[row * (self.columns + 1) + column]

    def _sum(self, x: float, y: float) -> float:
        """Rows to the south-west of a place: between the corners of its cell as if they were spread evenly there."""
        column, right = self._cell(x - self.box.xmin, self.box.width)
        row, up = self._cell(y - self.box.ymin, self.box.height)
        first = row * (self.columns + 1) + column
        below = self.sums[first] * (1 - right) + self.sums[first + 1] * right
        first += self.columns + 1
        return below * (1 - up) + (self.sums[first] * (1 - right) + self.sums[first + 1] * right) * up

    def _cell(self, along: float, whole: float) -> tuple[int, float]:
        """The number of the cell, and the part of it that is passed."""
        if whole <= 0:  # all rows in one place, or on one line
            return (0, 0.0) if along < 0 else (self.columns - 1, 1.0)
        place = min(max(along / whole * self.columns, 0.0), float(self.columns))
        cell = min(int(place), self.columns - 1)
        return cell, place - cell
