"""Versions in the memory of one worker, beside its memory cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..layers.regions import Cell
from .versions import MOST_STAMPS, Asked, News, stamp


@dataclass(slots=True)
class _Stand:
    position: str
    epoch: str
    last: str
    """Another one after each change, wherever it was."""
    stamps: dict[Cell, str] = field(default_factory=dict)


class MemoryVersions:
    """Stands of tables as a dictionary."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stands: dict[int, _Stand] = {}
        self._believed_until = float("-inf")
        self._lock = threading.Lock()

    def current(self, asked: Sequence[Asked]) -> str | None:
        with self._lock:
            if self._clock() >= self._believed_until:
                return None
            said: list[str] = []
            for table, cells in asked:
                stand = self._stands.get(table)
                if stand is None:
                    return None
                said.append(stand.epoch)
                if cells is None:
                    said.append(stand.last)
                else:
                    said += [stand.stamps.get(cell, "") for cell in cells]
        return ".".join(said)

    def positions(self, tables: Collection[int]) -> dict[int, str]:
        with self._lock:
            return {table: self._stands[table].position for table in tables if table in self._stands}

    def apply(self, news: Mapping[int, News], position: str) -> None:
        with self._lock:
            for table, each in news.items():
                stand = self._stands.get(table)
                if stand is None or each.cells is None or len(stand.stamps) + len(each.cells) > MOST_STAMPS:
                    self._stands[table] = _Stand(position, stamp(), stamp())
                else:
                    stand.position = position
                    if each.changed:
                        stand.last = stamp()
                        stand.stamps.update(dict.fromkeys(each.cells, stamp()))

    def confirm(self, seconds: float) -> bool:
        self._believed_until = self._clock() + seconds
        return True

    def forget(self, tables: Collection[int]) -> None:
        with self._lock:
            for table in tables:
                self._stands.pop(table, None)
