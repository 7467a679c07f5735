"""gunicorn's threaded worker, with each answer sent at once.

gunicorn sends the headers by themselves and then the body. For a small tile the second send is a large part of all the
work: a call of the system, a second waking of the client, and another wait for the interpreter among its threads.
"""

from __future__ import annotations

from socket import socket
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]  # it ships no types


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

    def handle_request(self, req: Any, conn: TConn) -> bool:
        held = _Connection(conn)
        keeps: bool = super().handle_request(req, held)
        held.sock.flush()
        return keeps
