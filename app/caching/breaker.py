"""A pause after a failure, so that a backend that hangs does not cost every request its timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Breaker:
    """Closed, it lets everybody through. After `trip` nobody for `pause` seconds, then one at a time until `reset`."""

    def __init__(self, pause: float, clock: Callable[[], float]) -> None:
        self._pause = pause
        self._clock = clock
        self._open_until: float | None = None
        self._lock = threading.Lock()

    def lets_through(self) -> bool:
        """Whether to try. Who gets True while the breaker is open tries for all, and must call `trip` or `reset`."""
        return self._open_until is None or self._claimed()

    def _claimed(self) -> bool:
        with self._lock:
            if self._open_until is None:  # reset a moment ago
                return True
            now = self._clock()
            if now < self._open_until:
                return False
            self._open_until = now + self._pause
            return True

    def trip(self) -> None:
        with self._lock:
            self._open_until = self._clock() + self._pause

    def reset(self) -> None:
        if self._open_until is not None:
            with self._lock:
                self._open_until = None
