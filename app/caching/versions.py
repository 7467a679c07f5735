"""Versions: whether a tile that was kept is what the database would give now.

All versions of a table are one value, its `Stand`: a random epoch, a stamp for each region that changed since that
epoch began, and the position in the log of changes up to which they hold. Lost whole or kept whole: a table without a
stand has no current tiles. Stamps are random and never counted: of two counters that were lost, one could come back.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..layers.regions import Cell

MOST_STAMPS = 200_000
"""Regions of one table that have a stamp; beyond them a new epoch begins."""


class Asked(NamedTuple):
    """What a tile is made from of one table: these regions of it, or all of it."""

    table: int
    cells: tuple[Cell, ...] | None


@dataclass(frozen=True, slots=True)
class News:
    """What happened to a table up to a position in the log: something in these regions, or anywhere (None).

    Rows without geometry change in no region, and yet may show in a view. Nothing happened where not `changed`.
    """

    cells: frozenset[Cell] | None
    changed: bool = True


NOTHING = News(frozenset(), changed=False)


class Found(NamedTuple):
    """The version of now, as `Versions.current` gives it, and what a store holds of a tile: bytes, or None, or whatever
    else lies there; `size` of all of it, where only a beginning was asked for."""

    version: str | None
    value: Any
    size: int | None


class Versions(Protocol):
    """Where the stands of all tables of a database are kept, beside the tiles."""

    def current(self, asked: Sequence[Asked]) -> str | None:
        """The version under which a tile of these is current now, and not before the next change.

        None in doubt: where nobody reads the log, or a table's stand is lost. Such a tile is neither given from the
        cache nor put there. It is read before the tile's query runs. Raises whatever the store's driver raises.
        """

    def positions(self, tables: Collection[int]) -> dict[int, str]:
        """Up to where in the log each table's stand holds; without those that have none."""

    def apply(self, news: Mapping[int, News], position: str) -> None:
        """Set stamps and position of these tables, each table's at once. A table without a stand gets one."""

    def confirm(self, seconds: float) -> bool:
        """Somebody has read the log just now: believe the stands for so long, from now on. False where the last such
        word is gone: then positions are to be read again."""

    def forget(self, tables: Collection[int]) -> None:
        """Drop the stands of tables that nobody follows any more."""


def stamp() -> str:
    """A stamp or an epoch: 48 random bits."""
    return secrets.token_urlsafe(6)
