"""A memory backend for flask-caching that is bounded in bytes.

Its own counts entries, and a tile has 60 bytes or a megabyte; at 50,000 entries it takes 11 ms for each insert.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask_caching.backends.base import BaseCache

from .. import metrics

_OVERHEAD = 210
"""Bytes of one entry beside key and value: its places in the ordered dictionary, a tuple, a float (measured)."""
_MEGABYTE = 1_000_000


class MemoryCache(BaseCache):
    """Bytes by key, at most `max_bytes` in all; what was not used for longest goes first.

    Every operation is one step of a dictionary under a lock, however many entries there are.
    """

    def __init__(
        self, max_bytes: int, *, default_timeout: int = 300, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(default_timeout)
        self.max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0
        self._told = 0
        self._lock = threading.Lock()

    @classmethod
    def factory(cls, app: Any, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> MemoryCache:
        """How flask-caching makes a backend."""
        return cls(config["FLAGSTONE_CACHE_MEMORY_MB"] * _MEGABYTE, default_timeout=kwargs["default_timeout"])

    @property
    def size(self) -> int:
        """Bytes held, keys and overhead counted."""
        return self._bytes

    def get(self, key: str) -> bytes | None:
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            value, expires = found
            if expires > self._clock():
                self._entries.move_to_end(key)
                return value
            self._remove(key)
        return None

    def set(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Whether the value was kept: one that is larger than the whole cache is not, and puts nothing else out."""
        if not isinstance(value, bytes):
            raise TypeError(f"the cache holds bytes, not {type(value).__name__}")
        size = _size(key, value)
        seconds = self._normalize_timeout(timeout)
        # For cachelib 0 means for ever.
        expires = self._clock() + seconds if seconds else float("inf")
        with self._lock:
            self._remove(key)
            fits = size <= self.max_bytes
            if fits:
                while self._bytes + size > self.max_bytes:
                    oldest, (other, _) = self._entries.popitem(last=False)
                    self._bytes -= _size(oldest, other)
                self._entries[key] = (value, expires)
                self._bytes += size
            self._tell()
        return fits

    def add(self, key: str, value: Any, timeout: int | timedelta | None = None) -> bool:
        """Set the value where there is none yet. Two adds at the same time may both find none."""
        return not self.has(key) and self.set(key, value, timeout)

    def has(self, key: str) -> bool:
        return self.get(key) is not None

    def delete(self, key: str) -> bool:
        with self._lock:
            removed = self._remove(key)
            self._tell()
        return removed

    def clear(self) -> bool:
        with self._lock:
            self._entries.clear()
            self._bytes = 0
            self._tell()
        return True

    def _tell(self) -> None:
        # By how much it changed: a host application may have mounted Flagstone twice, with a cache for each.
        metrics.CACHE_BYTES.inc(self._bytes - self._told)
        self._told = self._bytes

    def _remove(self, key: str) -> bool:
        found = self._entries.pop(key, None)
        if found is not None:
            self._bytes -= _size(key, found[0])
        return found is not None


def _size(key: str, value: bytes) -> int:
    return sys.getsizeof(key) + sys.getsizeof(value) + _OVERHEAD
