"""When the catalog is loaded, by whom, and who waits for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..errors import FlagstoneError, Unavailable, copied
from .catalog import Catalog

log = logging.getLogger(__name__)

_FIRST_S = 5.0
_FIRST_CROWD_S = 1.0
_MISS_S = 2.0


class _Load:
    """A load under way. `catalog` or `error` is set before `landed` is."""

    __slots__ = ("catalog", "error", "landed", "started")

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.landed = threading.Event()
        self.catalog: Catalog | None = None
        self.error: Exception | None = None

    def outcome(self) -> Catalog:
        if self.error is not None:
            # One exception raised in many threads would gather all their tracebacks.
            raise copied(self.error) from self.error
        if self.catalog is None:
            raise Unavailable("The catalog is still being read.")
        return self.catalog


class CatalogLoads:
    """Loads the catalog, one load at a time, and keeps it from taking the threads that answer requests.

    A load can take many seconds where views are slow. Only a few threads, the `seats`, wait for one longer than a
    moment; waits count from the load's start, intervals from its end.
    """

    def __init__(self, load: Callable[[], Catalog], *, seats: int) -> None:
        self._load = load
        self._seats = threading.BoundedSemaphore(seats)
        self._running: _Load | None = None
        self._ended = float("-inf")
        self._lock = threading.Lock()

    def whole(self) -> Catalog:
        """Load, or share the outcome of the load that runs, however long it takes."""
        running, mine = self._begin()
        if running is None:
            return self._lead(mine)
        running.landed.wait()
        return running.outcome()

    def first(self) -> Catalog:
        """As `whole`, for those who cannot go on without it; Unavailable where the load that runs takes too long."""
        running, mine = self._begin()
        if running is None:
            return self._lead(mine)
        self._wait(running, seated_s=_FIRST_S, others_s=_FIRST_CROWD_S)
        return running.outcome()

    def renew(self, interval_s: float, *, wait: bool = True) -> None:
        """Load on a thread of its own where the last load ended that long ago; wait a moment where a seat is free."""
        with self._lock:
            load = self._running
            if load is None:
                if time.monotonic() - self._ended < interval_s:
                    return
                load = _Load()
                threading.Thread(target=self._lead_alone, args=(load,), name="flagstone-reload", daemon=True).start()
                self._running = load
        if wait:
            self._wait(load, seated_s=_MISS_S, others_s=0.0)

    def _begin(self) -> tuple[_Load | None, _Load]:
        """The load that runs, if one does; else the second one is now running, and the caller's to lead."""
        mine = _Load()
        with self._lock:
            running = self._running
            if running is None:
                self._running = mine
        return running, mine

    def _lead(self, load: _Load) -> Catalog:
        try:
            load.catalog = catalog = self._load()
        except Exception as error:
            load.error = error
            raise
        except BaseException:
            # The process or the thread is told to end; that order is not for those who wait.
            load.error = Unavailable("The catalog could not be read to its end.")
            raise
        finally:
            with self._lock:
                self._running, self._ended = None, time.monotonic()
            load.landed.set()
        return catalog

    def _lead_alone(self, load: _Load) -> None:
        try:
            self._lead(load)
        except FlagstoneError as error:
            log.debug("the catalog stays as it was: %s", error)
        except Exception:
            log.exception("the catalog could not be loaded")

    def _wait(self, load: _Load, *, seated_s: float, others_s: float) -> None:
        seated = self._seats.acquire(blocking=False)
        try:
            until = load.started + (seated_s if seated else others_s)
            load.landed.wait(max(0.0, until - time.monotonic()))
        finally:
            if seated:
                self._seats.release()
