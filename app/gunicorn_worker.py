"""gunicorn's threaded worker, with each answer sent at once and the next request awaited for a moment.

gunicorn sends the headers by themselves and then the body. For a small tile the second send is a large part of all the
work: a call of the system, a second waking of the client, and another wait for the interpreter among its threads.

It also hands a connection back to the worker's main thread after each answer, which watches it and gives the next
request to a thread again: two more wakings. A proxy that is busy sends the next request at once.
"""

from __future__ import annotations

from collections import deque
from select import POLLIN, poll
from socket import socket
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]  # it ships no types

_MOMENT_MS = 2
"""How long a thread stays with a connection: far longer than a proxy with work in hand takes, and the longest that
another connection waits for it."""


class Together:
    """A socket for one answer: what is sent first, which is the headers, waits for what is sent next."""

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self._held: bytes | None = None
        self._is_open = False

    def sendall(self, data: bytes) -> None:
        if self._is_open:
            self._sock.sendall(data)
        elif self._held is None:
            self._held = data
        else:
            self._is_open = True
            self._sock.sendall(self._held + data)

    def flush(self) -> None:
        """Send what still waits: the headers of an answer without a body."""
        if not self._is_open:
            self._is_open = True
            if self._held is not None:
                self._sock.sendall(self._held)

    def __getattr__(self, name: str) -> Any:
        # Whatever else gunicorn does with a socket, a file sent by the system above all, comes after what waits.
        self.flush()
        return getattr(self._sock, name)


class _Connection:
    """What `handle_request` wants of a connection."""

    def __init__(self, connection: TConn) -> None:
        self.sock = Together(connection.sock)
        self.client = connection.client
        self.server = connection.server


class Worker(ThreadWorker):  # type: ignore[misc]  # it ships no types
    """What `worker_class` names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._queue: deque[TConn] = deque()
        """The connections with a request that no thread has taken up yet."""

    def enqueue_req(self, conn: TConn) -> None:
        self._queue.append(conn)
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Answer the request of a connection, and those that follow it at once.

        Returns whether to keep the connection, or what tells the main thread to wait for its first byte.
        """
        self._queue.popleft()  # the pool's threads take the connections in the order in which they came
        kept = super().handle(conn)
        while kept is True and self._next_comes_at_once(conn):
            kept = super().handle(conn)
        return kept

    def _next_comes_at_once(self, conn: TConn) -> bool:
        """Not while another connection waits for a thread, nor where the main thread decides how to go on: with a next
        request that was read already, and when the worker stops."""
        if self._queue or not self.alive or conn.parser.unreader.buf.getvalue():
            return False
        line = poll()
        line.register(conn.sock, POLLIN)
        return bool(line.poll(_MOMENT_MS))

    def handle_request(self, req: Any, conn: TConn) -> bool:
        held = _Connection(conn)
        keeps: bool = super().handle_request(req, held)
        held.sock.flush()
        return keeps
