"""Tiles in a cache that may fail: a broken cache is a slow server, not a dead one."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from .. import metrics
from .breaker import Breaker
from .entry import Entry
from .store import ByteStore

log = logging.getLogger(__name__)

_PAUSE_S = 1.0
_WARNING_INTERVAL_S = 60.0


class TileCache:
    """Entries by key text in a store of bytes. No failure of the store gets out of here.

    Reading and writing have a breaker each: a Redis that is full, or a replica, refuses writes and still answers reads.
    """

    def __init__(self, store: ByteStore, *, max_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`max_bytes` bounds one compressed tile."""
        self._store = store
        self._max_bytes = max_bytes
        self._clock = clock
        self._reading = Breaker(_PAUSE_S, clock)
        self._writing = Breaker(_PAUSE_S, clock)
        self._warned_at: float | None = None
        self._warning_lock = threading.Lock()

    def get(self, key: str, made_after: float = -math.inf) -> Entry | None:
        """The entry under this key; None where there is none, it is older, or the store gave no answer.

        `made_after` is in unix seconds, as `Entry.made_at`.
        """
        if not self._reading.lets_through():
            metrics.CACHE_ERRORS.inc()
            return None
        try:
            value = self._store.get(key)
        except Exception as error:
            # Whatever it is: the drivers have a tree of exceptions each, and none may cost a client its tile.
            self._reading.trip()
            self._writing.trip()
            metrics.CACHE_ERRORS.inc()
            self._failed("cannot be read", error)
            return None
        self._reading.reset()
        if value is None:
            metrics.CACHE_MISSES.inc()
            return None
        entry = Entry.parse(value) if isinstance(value, bytes) else None
        if entry is None:
            metrics.CACHE_ERRORS.inc()
            self._failed("holds a value that is not a tile", None)
            return None
        if entry.made_at <= made_after:
            metrics.CACHE_MISSES.inc()
            return None
        metrics.CACHE_HITS.inc()
        return entry

    def put(self, key: str, entry: Entry, seconds: int) -> None:
        """Keep the entry for so many seconds; 0 keeps it not at all."""
        if seconds <= 0 or len(entry.body) > self._max_bytes or not self._writing.lets_through():
            return
        try:
            self._store.set(key, entry.framed(), seconds)
        except Exception as error:
            self._writing.trip()
            self._failed("cannot be written", error)
        else:
            self._writing.reset()

    def _failed(self, what: str, error: Exception | None) -> None:
        """Count each failure, and say so once a minute: a dead Redis fails a thousand times in one."""
        metrics.CACHE_FAILURES.inc()
        with self._warning_lock:
            now = self._clock()
            if self._warned_at is not None and now < self._warned_at + _WARNING_INTERVAL_S:
                return
            self._warned_at = now
        reason = "" if error is None else f": {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        log.warning("the tile cache %s, tiles are made without it%s", what, reason)
