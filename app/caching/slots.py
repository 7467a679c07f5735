"""How many threads may make tiles: one slow layer must not take them all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Unavailable

_GRACE_S = 0.05
"""How long a request waits for a slot. Quick tiles free theirs sooner; behind slow ones nobody shall wait long."""


class Slots:
    """At most `most` threads make tiles at a time, and at most `most_of_one` of them tiles of one layer.

    The other threads stay free for tiles that are kept, for documents and for health checks. Who finds no slot
    within the grace gets Unavailable.
    """

    def __init__(self, *, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()
        self._freed = threading.Condition()

    @contextmanager
    def slot(self, layer_id: str) -> Iterator[None]:
        """A slot for making one tile of this layer."""
        with self._freed:
            until = time.monotonic() + _GRACE_S
            while not self._is_free(layer_id):
                left = until - time.monotonic()
                if left <= 0:
                    raise Unavailable("Many tiles are being made already.")
                self._freed.wait(left)
            self._taken[layer_id] += 1
        try:
            yield
        finally:
            with self._freed:
                self._taken[layer_id] -= 1
                if not self._taken[layer_id]:
                    del self._taken[layer_id]
                self._freed.notify_all()

    def has_room(self, spare: int) -> bool:
        """Whether a slot could be taken now and so many would still be free. It may be otherwise a moment later."""
        with self._freed:
            return self._taken.total() + 1 + spare <= self._most

    def _is_free(self, layer_id: str) -> bool:
        return self._taken.total() < self._most and self._taken[layer_id] < self._most_of_one
