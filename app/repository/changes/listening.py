"""LISTEN: a connection that is told of changes, while somebody reads the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from ...settings import Settings
from ..conninfo import conninfo
from .notifying import CHANNEL

log = logging.getLogger(__name__)

_LOOKS_S = 0.5
"""How soon an end is noticed while nothing comes."""
_SLOWEST_RETRY_S = 30.0


class Listener:
    """Calls somebody at each NOTIFY. Nothing depends on it: what is missed is read at the next interval."""

    def __init__(self, settings: Settings) -> None:
        self._conninfo = conninfo(settings)

    @contextmanager
    def telling(self, tell: Callable[[], None]) -> Iterator[None]:
        """Listen while the block runs, in the background; where the line breaks, on another one."""
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop, tell), name="flagstone-listen", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()

    def _run(self, stop: threading.Event, tell: Callable[[], None]) -> None:
        retry, said = 1.0, False
        while not stop.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    retry, said = 1.0, False
                    # What came while nobody listened.
                    tell()
                    self._heard(connection, stop, tell)
            except psycopg.Error as error:
                if not said:
                    log.warning("nobody listens for changes, the log is read at intervals: %s", error)
                said = True
                stop.wait(retry)
                retry = min(retry * 2, _SLOWEST_RETRY_S)

    def _heard(self, connection: psycopg.Connection[Any], stop: threading.Event, tell: Callable[[], None]) -> None:
        while not stop.is_set():
            for _ in connection.notifies(timeout=_LOOKS_S, stop_after=1):
                tell()
