"""Tiles that are shown for a while after they grew old, where a setting allows it: until a new one is made, or can be."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .caching.entry import Entry
from .errors import LayerChanged, TileTimeout, Unavailable

log = logging.getLogger(__name__)

_MOST_RENEWED = 32
"""Tiles that are renewed or wait for it; with more, a request makes its tile itself."""
_AT_ONCE = 2
_PAUSE_S = 2.0
"""A tile that could not be renewed is not tried again for so long."""


class StaleTiles:
    """Gives old tiles, and has each renewed by one thread of its own."""

    def __init__(self, seconds: int, layer_changed: Callable[[], None]) -> None:
        """`seconds` is how long after it grew old a tile may be shown; 0 never."""
        self.seconds = seconds
        self._layer_changed = layer_changed
        self._renewed: set[str] = set()
        self._failed: dict[str, float] = {}
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def instead(self, key: str, find: Callable[[], Entry | None], make: Callable[[], Entry]) -> Entry:
        """The old tile that `find` finds, which somebody renews by `make`; without one what `make` makes now."""
        old = find() if self.seconds else None
        if old is None:
            return make()
        old = old._replace(is_stale=True)
        if self._is_renewed(key, make):
            return old
        try:
            return make()
        except (Unavailable, TileTimeout) as error:
            if isinstance(error, LayerChanged):
                raise
            return old

    def close(self) -> None:
        """End the threads once they have done what they do."""
        with self._lock:
            threads, self._threads = self._threads, None
            self._renewed.clear()
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    def _is_renewed(self, key: str, make: Callable[[], Entry]) -> bool:
        """Whether somebody renews this tile, or tried a moment ago."""
        with self._lock:
            if key in self._renewed:
                return True
            failed = self._failed.pop(key, None)
            if failed is not None and time.monotonic() < failed + _PAUSE_S:
                self._failed[key] = failed
                return True
            if len(self._renewed) >= _MOST_RENEWED:
                return False
            if self._threads is None:
                # Not before the first one: threads do not survive a fork.
                self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="flagstone-renewals")
            try:
                self._threads.submit(self._renew, key, make)
            except RuntimeError:  # the interpreter is ending and starts no more threads
                return False
            self._renewed.add(key)
            return True

    def _renew(self, key: str, make: Callable[[], Entry]) -> None:
        failed = True
        try:
            make()
            failed = False
        except LayerChanged:
            self._layer_changed()
        except Exception as error:  # a request would have answered with it
            log.warning("an old tile could not be renewed: %s", error)
        finally:
            with self._lock:
                self._renewed.discard(key)
                if failed:
                    if len(self._failed) >= _MOST_RENEWED:
                        self._failed.clear()
                    self._failed[key] = time.monotonic()
