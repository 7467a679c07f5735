"""Texts of tile statements, kept: to compose one takes longer than to run it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

_MOST_BYTES = 8_000_000
_OVERHEAD = 500
"""Bytes of a key and its place beside the text, where the key's own names are short."""


class Asked(NamedTuple):
    """A text, and whether it was asked for before, as far as that is remembered."""

    text: bytes
    again: bool


class TileTexts:
    """The texts used last, at most so many bytes of them: whoever asks can name columns in endless ways."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._texts: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0
        """Bytes that are held."""

    def text(self, key: Hashable, compose: Callable[[], bytes]) -> bytes:
        """The text under this key, composed where it is not held."""
        return self.asked(key, compose).text

    def asked(self, key: Hashable, compose: Callable[[], bytes]) -> Asked:
        """As `text`, with whether it was held."""
        with self._lock:
            text = self._texts.get(key)
            if text is not None:
                self._texts.move_to_end(key)
                return Asked(text, True)
        text = compose()
        with self._lock:
            if key not in self._texts:
                self._texts[key] = text
                self.bytes += len(text) + _OVERHEAD
            while self.bytes > self._most_bytes:
                _, oldest = self._texts.popitem(last=False)
                self.bytes -= len(oldest) + _OVERHEAD
        return Asked(text, False)
