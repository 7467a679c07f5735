"""A connection whose every wait for the server ends, and what its pool may know of connecting.

The statement timeout is the server's own. Where the line to the server is dead, or a proxy in between stopped forwarding,
nobody keeps it, and libpq alone would wait for ever.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from psycopg import Connection, OperationalError
from psycopg.abc import RV, PQGen
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool


class NoAnswer(OperationalError):
    """The server said nothing within the time it was given: to ask once more would take as long."""


class Attempts:
    """How connecting goes. Without this a pool that waits in vain looks like one that is busy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: dict[object, float] = {}
        self._last_failed = False

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around one attempt to connect."""
        this = object()
        with self._lock:
            self._began[this] = time.monotonic()
        failed = True
        try:
            yield
            failed = False
        finally:
            with self._lock:
                del self._began[this]
                self._last_failed = failed

    def are_in_vain(self, seconds: float) -> bool:
        """Whether the last attempt that ended failed, or one has been going on for so many seconds."""
        with self._lock:
            longest = time.monotonic() - min(self._began.values(), default=float("inf"))
            return self._last_failed or longest >= seconds


class BoundedConnection(Connection[TupleRow]):
    """Each answer of the server is waited for at most `patience_s` seconds; then the connection is closed."""

    patience_s = 10.0

    @classmethod
    def connect(cls, *args: Any, **kwargs: Any) -> Self:
        """As psycopg's own, with `attempts` and `patience_s` beside its keywords."""
        attempts: Attempts = kwargs.pop("attempts")
        patience_s: float = kwargs.pop("patience_s")
        with attempts.attempt():
            made = super().connect(*args, **kwargs)
        made.patience_s = patience_s
        return made

    @classmethod
    @contextmanager
    def around(cls, lent: Connection[Any], patience_s: float) -> Iterator[Self]:
        """A connection of a host application's pool, seen as one of ours: its rows, types and handlers are not the host's.

        Nothing may be prepared on it: the host's statements on the same line have the same names.
        """
        line, handlers = lent.pgconn, (lent.pgconn.notice_handler, lent.pgconn.notify_handler)
        made = cls(line)
        made.autocommit = True
        made.prepare_threshold = None
        made.patience_s = patience_s
        try:
            yield made
        finally:
            del made.pgconn  # so that the end of this view does not look like a connection that nobody closed
            line.notice_handler, line.notify_handler = handlers

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """The one place where psycopg waits for an answer."""
        try:
            return super().wait(_ending(gen, time.monotonic() + self.patience_s), *args, **kwargs)
        except NoAnswer:
            self.close()
            raise


class WarmPool(ConnectionPool[BoundedConnection]):
    """Lends the connection that came back last: it has the statements prepared and planned, and PostGIS loaded.

    psycopg's own pool lends the one that lay longest, and so one client after the other makes each of them parse and plan all
    statements. It still closes those that lay longest.
    """

    def _get_ready_connection(self, timeout: float | None) -> BoundedConnection | None:
        self._pool.rotate(1)
        return super()._get_ready_connection(timeout)


def was_cut(connection: Connection[Any]) -> bool:
    """Whether the server ended this idle connection. Asks nothing: a server that goes says so, or hangs up."""
    if connection.closed:
        return True
    line = select.poll()
    line.register(connection.pgconn.socket, select.POLLIN)
    return bool(line.poll(0))


def _ending(gen: PQGen[RV], end: float) -> PQGen[RV]:
    # psycopg looks in every tenth of a second also where nothing came.
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if time.monotonic() > end:
                raise NoAnswer("no answer came in time")
            wanted = gen.send(ready)
    except StopIteration as done:
        answer: RV = done.value
        return answer
