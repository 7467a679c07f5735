"""A tile of rows within its bounds: how many features it may hold, and how many bytes.

A tile that holds too much is made again with one feature of each cell, in cells of 8 pixels, then of 16, 32 and 64. What
even those cannot bound gets fewer features, the first by rank and size. Where the request itself wants only the first
features, there are no cells: it gets the first ones, and fewer where they are too large.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from isal import isal_zlib

from ..errors import TileTimeout
from ..layers.cells import CELL_PIXELS
from ..layers.how import How

_MOST_KNOWN = 20_000
_SLOW_FOR_S = 600.0
_MOST_ATTEMPTS = 5
_ROOM = 0.9
"""Part of the budget that is aimed at: features differ in size."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One statement's tile: `pixels` is the edge of its cells, 0 where it has none.

    `offered` is the number of features of which `limit` were taken; -1 where a tile without cells can show everything.
    """

    raw: bytes
    limit: int
    offered: int
    pixels: int = 0
    ms: float = 0.0

    @property
    def is_limited(self) -> bool:
        return self.offered > self.limit


@dataclass(frozen=True, slots=True)
class Bounded:
    """The tile, how it came about, and every attempt at it: the last one is the tile."""

    how: How
    attempts: tuple[Attempt, ...]
    too_slow: bool = False
    """Whether there was no time for the choice by cells: then it is the tile without."""

    @property
    def raw(self) -> bytes:
        return self.attempts[-1].raw

    @property
    def met_the_limit(self) -> bool:
        """Whether more rows meet the tile than its limit."""
        first = self.attempts[0]
        return first.offered >= 0 if first.pixels else first.is_limited


class LimitedZooms:
    """Where the tile query met the limit last: there the choice by cells is asked first, which saves a query.

    Only what is asked first depends on it, never the tile; but where the choice took too long, although the statistics had
    promised otherwise, it is not tried again for some minutes. Safe for threads.
    """

    def __init__(self) -> None:
        self._slow: OrderedDict[Hashable, float] = OrderedDict()
        self._known: OrderedDict[Hashable, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._known

    def is_slow(self, key: Hashable) -> bool:
        """Whether the choice by cells took too long here a short time ago."""
        with self._lock:
            return self._slow.get(key, 0.0) > time.monotonic()

    def learn_slow(self, key: Hashable) -> None:
        """The choice by cells had not enough time."""
        with self._lock:
            self._slow[key] = time.monotonic() + _SLOW_FOR_S
            self._slow.move_to_end(key)
            if len(self._slow) > _MOST_KNOWN:
                self._slow.popitem(last=False)

    def learn(self, key: Hashable, *, limited: bool) -> None:
        """What a tile of this layer and zoom turned out to be."""
        with self._lock:
            if not limited:
                self._known.pop(key, None)
                return
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)


def within_bounds(
    limit: int,
    budget: int,
    *,
    whole: Callable[[int], Attempt],
    select: Callable[[int, int, bool], Attempt],
    by_cells: bool,
    limited_first: bool,
) -> Bounded:
    """The tile of at most `limit` features and `budget` bytes (0: any number), compressed.

    `whole(limit)` makes it of the first rows; of that, `offered` counts as above the limit where there are more.
    `select(pixels, limit, needed)` makes it of one feature of each cell; not `needed`, it may say that all can be shown.
    `by_cells` says whether it may. `limited_first` that probably it has to.
    """
    made: list[Attempt] = []
    too_slow = False
    if by_cells and limited_first:
        try:
            made.append(select(CELL_PIXELS[0], limit, False))
            if made[-1].offered >= 0:
                return _by_cells(made, limit, budget, select)
        except TileTimeout:
            too_slow = True
    made.append(whole(limit))
    first = made[-1]
    weight = _weight(first.raw, budget)
    if weight <= 1 and not first.is_limited:
        return Bounded(How.FULL, tuple(made), too_slow)
    if not by_cells:
        return _fewer(made, limit, budget, whole)
    try:
        if not too_slow:
            # The bytes of rows that no cell chose say nothing: who asked by cells first does not know them.
            made.append(select(CELL_PIXELS[0] if first.is_limited else _next(0, weight), limit, True))
            return _by_cells(made, limit, budget, select)
    except TileTimeout:
        too_slow = True
    # Better the first features than none: those are at hand. They have to be few enough all the same.
    made = made if made[-1] is first else [*made, first]
    if weight > 1:
        return replace(_fewer(made, limit, budget, whole), too_slow=too_slow)
    return Bounded(How.LIMITED, tuple(made), too_slow)


def _by_cells(
    made: list[Attempt], limit: int, budget: int, select: Callable[[int, int, bool], Attempt]
) -> Bounded:
    while True:
        last = made[-1]
        weight = _weight(last.raw, budget)
        if weight <= 1 and not last.is_limited:
            return Bounded(How.SAMPLED, tuple(made))
        if last.pixels == CELL_PIXELS[-1]:
            return _fewer(made, limit, budget, lambda fewer: select(CELL_PIXELS[-1], fewer, True))
        made.append(select(_next(last.pixels, weight), limit, True))


def _fewer(made: list[Attempt], limit: int, budget: int, make: Callable[[int], Attempt]) -> Bounded:
    """The first features, as many as the budget has room for; one at least."""
    for attempt in range(_MOST_ATTEMPTS):
        weight = _weight(made[-1].raw, budget)
        if weight <= 1 or limit == 1:
            break
        shown = min(limit, made[-1].offered)
        limit = 1 if attempt == _MOST_ATTEMPTS - 1 else max(1, int(shown / weight * _ROOM))
        made.append(make(limit))
    return Bounded(How.LIMITED, tuple(made))


def _next(pixels: int, weight: float) -> int:
    """The next size of cells: each halves the edge's number of cells, and at best leaves a quarter of the bytes."""
    wider = [size for size in CELL_PIXELS if size > pixels]
    while len(wider) > 1 and weight > 4:
        weight /= 4
        wider.pop(0)
    return wider[0]


def _weight(raw: bytes, budget: int) -> float:
    """The tile's bytes, compressed, as a part of the budget. What is within it without that needs no compression."""
    if not budget or len(raw) <= budget:
        return 0.0
    return len(isal_zlib.compress(raw, 1, wbits=31)) / budget
