"""Equal misses at the same time: one query, many answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from .. import metrics
from ..errors import TileTimeout, Unavailable, copied

T = TypeVar("T")

_GRACE_S = 0.05
"""While a tile has been in the making for less than this, waiting for it takes no thread from anybody for long."""
_MOMENT_S = 2.0
"""A tile younger than this may be waited for by almost all threads."""
_FAILED_S = 2.0
"""So long after it took too long a tile is not tried again: everybody who waited would, one after the other."""
_MOST_FAILED = 1000


class _Flight:
    """One computation under way. `value` or `error` is set before `landed` is."""

    __slots__ = ("error", "landed", "started", "value")

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.landed = threading.Event()
        self.value: Any = None
        self.error: Exception | None = None


class SingleFlight:
    """Computes equal keys once in this process.

    At most `max_waiting` threads wait for others, over all keys together: they are threads that answer nothing else,
    and a slow tile that everybody wants must leave some for the other layers. Above that number, and up to
    `for_a_moment`, threads wait only while the tile is younger than two seconds, and whoever comes above that number too
    only while it is younger than the grace, so that quick tiles are never refused. Then they get Unavailable.
    `timeout_s` should be above all that a query may take; it ends waiting for one that never comes back.
    """

    def __init__(self, *, max_waiting: int, timeout_s: float, for_a_moment: int = 0) -> None:
        self._max_waiting = max_waiting
        self._for_a_moment = max(max_waiting, for_a_moment)
        self._failed: dict[str, float] = {}
        self._timeout_s = timeout_s
        self._flights: dict[str, _Flight] = {}
        self._waiting = 0
        self._lock = threading.Lock()

    def do(self, key: str, make: Callable[[], T], until: float | None = None, subject: str | None = None) -> T:
        """What `make` returns or raises; of equal keys at the same time only the first one's is called.

        Who waits for another's waits no longer than `until` (of time.monotonic). Several keys may be of one `subject`: what took
        too long under one of them is not tried again under another.
        """
        subject = key if subject is None else subject
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                if self._has_failed(subject):
                    raise Unavailable("This tile has just taken too long for another request.")
                flight = self._flights[key] = _Flight()
        if leads:
            return self._lead(key, subject, flight, make)
        self._wait(flight, until)
        if flight.error is not None:
            # One exception raised in many threads would gather all their tracebacks.
            raise copied(flight.error) from flight.error
        metrics.CACHE_SHARED.inc()
        value: T = flight.value
        return value

    def _lead(self, key: str, subject: str, flight: _Flight, make: Callable[[], T]) -> T:
        try:
            flight.value = value = make()
        except Exception as error:
            flight.error = error
            if isinstance(error, TileTimeout):
                self._remember(subject)
            raise
        except BaseException:
            # The process or the thread is told to end; that order is not for those who wait.
            flight.error = Unavailable("The tile could not be finished.")
            raise
        finally:
            # Out of the books first: who comes now starts anew, or finds the answer in the cache.
            with self._lock:
                del self._flights[key]
            flight.landed.set()
        return value

    def _has_failed(self, key: str) -> bool:
        until = self._failed.get(key)
        if until is None:
            return False
        if time.monotonic() < until:
            return True
        del self._failed[key]
        return False

    def _remember(self, key: str) -> None:
        with self._lock:
            if len(self._failed) >= _MOST_FAILED:
                self._failed.clear()
            self._failed[key] = time.monotonic() + _FAILED_S

    def _wait(self, flight: _Flight, latest: float | None) -> None:
        with self._lock:
            longest = (
                self._timeout_s if self._waiting < self._max_waiting
                else _MOMENT_S if self._waiting < self._for_a_moment
                else _GRACE_S
            )  # fmt: skip
            seated = longest > _GRACE_S
            if seated:
                self._waiting += 1
        try:
            until = flight.started + longest
            if latest is not None:
                until = min(until, latest)
            landed = flight.landed.wait(max(0.0, until - time.monotonic()))
        finally:
            if seated:
                with self._lock:
                    self._waiting -= 1
        if landed:
            return
        if longest == self._timeout_s:
            raise TileTimeout("Another request's query for the same tile took too long.")
        raise Unavailable("Many requests wait for this tile already.")
