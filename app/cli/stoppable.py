"""Work in the database by several threads, which Ctrl-C ends."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import Any

from ..repository.overviews.administering import Admin

_AGAIN_S = 0.5


class Stoppable:
    """The connections at work. `is_stopped` is for what asks between two statements."""

    def __init__(self) -> None:
        self._working: list[Admin] = []
        self.is_stopped = False

    @contextmanager
    def working(self, connection: Admin) -> Iterator[None]:
        """While this lasts, `end` ends what the connection runs."""
        self._working.append(connection)
        try:
            yield
        finally:
            self._working.remove(connection)

    def end(self, futures: Collection[Future[Any]]) -> None:
        """End every statement that runs, and begin no other future. Returns when all have ended.

        Asked for again until then: a cancel that comes between two statements is lost, and what waits for a lock by then waits long.
        """
        self.is_stopped = True
        for future in futures:
            future.cancel()
        while True:
            for connection in list(self._working):
                connection.cancel_safe()
            if not wait(futures, timeout=_AGAIN_S).not_done:
                return
