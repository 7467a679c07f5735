"""Tiles in a cache that may fail: a broken cache is a slow server, not a dead one."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from .. import metrics
from .breaker import Breaker
from .entry import Entry
from .store import ByteStore
from .versions import Found

log = logging.getLogger(__name__)

_PAUSE_S = 1.0
_WARNING_INTERVAL_S = 60.0

Has = Callable[[Entry], bool]
"""Whether the client has this entry already."""


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

    def get(self, key: str, made_after: float = -math.inf, version: str | None = "", has: Has | None = None) -> Entry | None:
        """The entry under this key; None where there is none, it is older, of another version (None: of any), or the store
        gave no answer.

        `made_after` is in unix seconds, as `Entry.made_at`. Where `has` says of an entry that the client has it already, its
        head alone is given.
        """
        if not self._reading.lets_through():
            metrics.CACHE_ERRORS.inc()
            return None
        try:
            value = self._store.get(key)
        except Exception as error:
            # Whatever it is: the drivers have a tree of exceptions each, and none may cost a client its tile.
            if not _is_strange(error):
                self._reading.trip()
                self._writing.trip()
                metrics.CACHE_ERRORS.inc()
                self._failed("cannot be read", error)
                return None
            value = error
        self._reading.reset()
        return self._current(value, None, made_after, version, has)

    def look(self, find: Callable[[bool], Found], made_after: float, has: Has | None = None) -> tuple[str | None, Entry | None]:
        """The version of now and the entry, where it is of that version, from a store that gives both at once.

        `find` is told whether the beginning of the frame will do. None and None where it gives no answer.
        """
        if not self._reading.lets_through():
            metrics.CACHE_ERRORS.inc()
            return None, None
        try:
            version, value, size = find(has is not None)
            entry = None
            if version is not None:
                entry = self._current(value, size, made_after, version, has)
                if has is not None and entry is None and value is not None:
                    # It is not what the client has: now all of it.
                    version, value, _ = find(False)
                    entry = None if version is None else self._current(value, None, made_after, version, None)
        except Exception as error:  # as of `get`
            self._reading.trip()
            self._writing.trip()
            metrics.CACHE_ERRORS.inc()
            self._failed("cannot be read", error)
            return None, None
        self._reading.reset()
        return version, entry

    def _current(self, value: Any, size: int | None, made_after: float, version: str | None, has: Has | None) -> Entry | None:
        """The entry in what lies under a key, or in the beginning of it where its `size` is told."""
        if value is None:
            metrics.CACHE_MISSES.inc()
            return None
        entry = None
        if isinstance(value, bytes):
            if has is not None:
                entry = Entry.head(value, len(value) if size is None else size)
                if entry is None or not _is_current(entry, made_after, version) or not has(entry):
                    entry = None
                    if size is not None:
                        return None
            if entry is None:
                entry = Entry.parse(value)
        if entry is None:
            metrics.CACHE_ERRORS.inc()
            self._failed("holds a value that is not a tile", None)
            return None
        if not _is_current(entry, made_after, version):
            metrics.CACHE_MISSES.inc()
            return None
        metrics.CACHE_HITS.inc()
        return entry

    def version(self, current: Callable[[], str | None]) -> str | None:
        """The version of now as `current` gives it; None in doubt, and where their store gives no answer."""
        if not self._reading.lets_through():
            metrics.CACHE_ERRORS.inc()
            return None
        try:
            version = current()
        except Exception as error:  # as of `get`
            self._reading.trip()
            metrics.CACHE_ERRORS.inc()
            self._failed("does not tell its versions", error)
            return None
        self._reading.reset()
        return version

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


def _is_current(entry: Entry, made_after: float, version: str | None) -> bool:
    return entry.made_at > made_after and version in (None, entry.version)


def _is_strange(error: Exception) -> bool:
    """Whether there is an answer: what lies under this key is not even bytes. Redis says so of its lists and hashes."""
    return str(error).startswith("WRONGTYPE")
