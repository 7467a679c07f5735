"""Times of repeated calls, taken in turns so that what disturbs one disturbs all."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

_ENOUGH_MS = 1500.0
"""A tile that took so long in all is not read again, once there are three rounds."""


def in_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median of each call's times, in milliseconds. Every call ran once before, untimed."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    spent = 0.0
    for number in range(rounds):
        if number >= 3 and spent > _ENOUGH_MS:
            break
        # Each round begins with another one: who comes after a slow neighbour finds colder caches.
        names = list(calls)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            began = time.perf_counter()
            calls[name]()
            took = (time.perf_counter() - began) * 1000
            times[name].append(took)
            spent += took
    return {name: statistics.median(taken) for name, taken in times.items()}


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that so large a part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]
