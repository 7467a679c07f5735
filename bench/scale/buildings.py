"""Buildings that nobody built: around every place as many as its inhabitants ask for, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from .places import Place
from .rows import Row

Numbers = npt.NDArray[Any]

_AT_ONCE = 20_000
_METRES_OF_DEGREE = 111_320.0
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
_SPACING_M = 24.0
"""A disc of this radius for each building: about 550 in a square kilometre."""
_KINDS = ("house", "apartments", "garage", "commercial", "industrial", "school", "church")
_SHARES = (0.62, 0.16, 0.10, 0.06, 0.04, 0.015, 0.005)
_MOST_LEVELS = (2, 9, 1, 6, 3, 4, 2)
_NAMED = 0.02
_SMALLEST_M, _LARGEST_M = 8.0, 40.0
_WITH_CORNER = 0.25
"""Part of them that lack a quarter: an L of six corners."""


def rows(places: Sequence[Place], count: int, seed: int) -> Iterator[Row]:
    """`count` polygons in metres' size, as longitude and latitude. Memory for some thousands of them is used at a time."""
    random = np.random.default_rng(seed)
    population = np.array([place.population for place in places], dtype=np.float64)
    share = random.multinomial(count, population / population.sum())
    number = 0
    for first, last in _groups(share):
        for row in _group(places[first:last], share[first:last], number, random):
            number += 1
            yield row


def _groups(share: Numbers) -> Iterator[tuple[int, int]]:
    """Ranges of places with about _AT_ONCE buildings together."""
    sums = np.cumsum(share)
    first = 0
    while first < len(share):
        before = int(sums[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(sums, before + _AT_ONCE, side="right")))
        yield first, last
        first = last


def _group(
    places: Sequence[Place], share: Numbers, before: int, random: np.random.Generator
) -> Iterator[Row]:
    total = int(share.sum())
    if total == 0:
        return
    owner = np.repeat(np.arange(len(places)), share)
    centre = np.array([(place.longitude, place.latitude) for place in places])[owner]
    turn = random.uniform(0, 2 * np.pi, len(places))[owner]
    # Seeds of a sunflower: the outermost is as far from its neighbours as the innermost, and none lies on another.
    rank = np.arange(total) - np.repeat(np.cumsum(share) - share, share)
    angle = rank * _GOLDEN_ANGLE + turn
    distance = _SPACING_M * np.sqrt(rank + random.uniform(0.3, 0.7, total))
    east, north = distance * np.cos(angle), distance * np.sin(angle)
    has_corner = random.random(total) < _WITH_CORNER
    corners = _outlines(has_corner, turn, random) + np.stack((east, north), axis=1)[:, None, :]
    degrees = corners / _METRES_OF_DEGREE
    degrees[:, :, 0] /= np.cos(np.radians(centre[:, 1]))[:, None]
    polygons = _polygons(np.round(degrees + centre[:, None, :], 7), has_corner)
    kind = random.choice(len(_KINDS), total, p=_SHARES)
    levels = 1 + (random.random(total) * np.array(_MOST_LEVELS)[kind]).astype(int)
    named = random.random(total) < _NAMED
    for index, polygon in enumerate(polygons):
        number, place = before + index + 1, places[owner[index]]
        name = f"{place.name} {number}" if named[index] else None
        yield Row((number, _KINDS[kind[index]], int(levels[index]), name), polygon)


def _outlines(has_corner: Numbers, turn: Numbers, random: np.random.Generator) -> Numbers:
    """Closed rings of seven points around (0, 0), in metres; a rectangle repeats a corner, see `_polygons`."""
    total = len(has_corner)
    # More small ones than large ones.
    width, depth = _SMALLEST_M + (_LARGEST_M - _SMALLEST_M) * random.random((2, total)) ** 3
    zero, one = np.zeros(total), np.ones(total)
    rest = np.where(has_corner, random.uniform(0.4, 0.7, total), 1.0)
    x = (np.stack((zero, one, one, rest, rest, zero, zero)) - 0.5) * width
    y = (np.stack((zero, zero, rest, rest, one, one, zero)) - 0.5) * depth
    # Streets of one place go in two directions, more or less.
    angle = turn + random.normal(0, 0.05, total)
    turned = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    return np.stack((turned[0].T, turned[1].T), axis=2)


def _polygons(outlines: Numbers, has_corner: Numbers) -> Numbers:
    found = np.empty(len(outlines), dtype=object)
    found[has_corner] = shapely.polygons(outlines[has_corner])
    found[~has_corner] = shapely.polygons(outlines[~has_corner][:, [0, 1, 2, 5, 6]])
    return found
