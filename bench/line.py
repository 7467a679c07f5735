"""An HTTP client that costs next to nothing: one kept connection, a request made of bytes, an answer counted."""

from __future__ import annotations

import re
import socket
from types import TracebackType
from typing import Self

_CLOSES = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Line:
    """One connection to 127.0.0.1. http.client takes longer for an answer than Flagstone for a cached tile."""

    def __init__(self, port: int, timeout_s: float = 60) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self.head = b""
        """Status line and headers of the last answer."""
        self._connect()

    def _connect(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=self._timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body, compressed as it came."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: bench.test\r\nAccept-Encoding: gzip\r\n\r\n".encode())
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._received()
        self.head = received[:end]
        status = int(received[9:12])
        found = _LENGTH.search(received, 0, end)
        if found is None and status not in (204, 304):
            raise ConnectionError(f"an answer without a length to {path}: {received[:200]!r}")
        whole = end + 4 + (int(found[1]) if found else 0)
        while len(received) < whole:
            received += self._received()
        if _CLOSES.search(received, 0, end + 2):  # nginx says so after a thousand answers
            self._socket.close()
            self._connect()
        return status, received[end + 4 : whole]

    def _received(self) -> bytes:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data
