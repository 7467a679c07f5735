"""How many cells all rows of a table take, from those that a sample of them takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


def cells(seen: Sequence[tuple[int, int]], factor: float) -> float:
    """How many cells all rows take, when those of a sample take these. The most of three estimates, each of which is too low
    for some data: as if rows fell into C cells at random, n of them take C (1 - exp(-n / C)); the first jackknife (Haas
    and Stokes 1998); and, for rows in towns and villages, one by the cells with one row (Charikar and others 2000)."""
    counts = Counter(seen)
    taken, n = len(counts), len(seen)
    if n == 0 or factor <= 1:
        return float(taken)
    if taken == n:
        return n * factor
    alone = sum(count == 1 for count in counts.values())
    low, high = float(taken), float(taken) * 1e6
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if middle * -math.expm1(-n / middle) < taken else (low, middle)
    at_random = low * -math.expm1(-n * factor / low)
    jackknife = n * taken / (n - alone + alone / factor)
    return max(at_random, jackknife, math.sqrt(factor) * alone + taken - alone)
