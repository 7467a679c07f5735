"""How much of what there is a tile shows."""

from __future__ import annotations

from enum import IntEnum


class How(IntEnum):
    """In the order in which more is left out; of a tile of several layers the last one counts."""

    FULL = 0
    """Every row that is there."""
    OVERVIEW = 1
    """What was stored ahead for low zooms: features smaller than a pixel are together one feature of each cell."""
    SAMPLED = 2
    """One feature of each cell, chosen when the tile was asked for."""
    LIMITED = 3
    """The first features of an order: some places show less than they hold."""

    @property
    def word(self) -> str:
        """As the header `Flagstone-Tile` says it."""
        return self.name.lower()
