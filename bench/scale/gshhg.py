"""GSHHG, the shorelines and rivers of the world, in the two files of each that basemap packs.

An index of text, a line a record: level, area in square kilometres, number of points, southern and northern edge, offset and
length in bytes, identifier. And the points: longitude and latitude as little-endian float32, in degrees.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Polygon

from .rings import unwrapped, within_the_world
from .rows import Row

_SIZES = (2000, 500, 100, 25)
"""Fewest points of a river of size 1, 2, 3, 4; what has fewer is of size 5."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of an index and its points."""

    level: int
    area_km2: float
    identifier: str
    points: npt.NDArray[np.float64]


def records(index: bytes, points: bytes) -> Iterator[Record]:
    """All records in the order of the index."""
    coordinates = np.frombuffer(points, dtype="<f4").reshape(-1, 2)
    for line in index.decode("ascii").splitlines():
        level, area, count, _, _, offset, _, identifier = line.split()
        first = int(offset) // 8
        here = coordinates[first : first + int(count)].astype(np.float64)
        yield Record(int(level), float(area), identifier, here)


def shoreline(index: bytes, points: bytes) -> Iterator[Row]:
    """A row for each polygon; Eurasia, which crosses the antimeridian, has one for each part."""
    number = 0
    for record in records(index, points):
        for part in within_the_world(Polygon(unwrapped(record.points))):
            number += 1
            yield Row((number, record.identifier, record.level, record.area_km2), part)


def rivers(index: bytes, points: bytes) -> Iterator[Row]:
    """A row for each segment between two neighbouring points of a river.

    The packed index has no levels for rivers: their size, from 1 for the longest to 5, stands for it.
    """
    number = 0
    for river, record in enumerate(records(index, points), start=1):
        pairs: Any = np.stack((record.points[:-1], record.points[1:]), axis=1)
        pairs = pairs[np.abs(pairs[:, 0, 0] - pairs[:, 1, 0]) < 180]
        level = 1 + sum(len(record.points) < fewest for fewest in _SIZES)
        for segment in shapely.linestrings(pairs):
            number += 1
            yield Row((number, river, level), segment)
