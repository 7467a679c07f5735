"""The order in which rows enter a tile: a limit keeps the first."""

from __future__ import annotations

from typing import NamedTuple

from .column import Column


class SortKey(NamedTuple):
    """A column to sort by. NULLs come last either way."""

    column: Column
    descending: bool = False
