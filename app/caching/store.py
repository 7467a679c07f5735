"""What the tile cache asks of a backend, whichever it is."""

from __future__ import annotations

from typing import Any, Protocol


class ByteStore(Protocol):
    """Bytes under short texts, for a number of seconds. Any call may raise whatever the backend's driver raises."""

    def get(self, key: str, /) -> Any:
        """The bytes, or None. A backend that others write to can give anything."""

    def set(self, key: str, value: bytes, timeout: int, /) -> Any:
        """Keep the bytes for `timeout` seconds, or less where room is short."""
