"""What a layer's tiles follow: tables whose changes the database itself tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Follows:
    """Tables, by oid, whose changes are written down; all that the layer's tiles are made from.

    A change of one of `places` makes those tiles stale in which it lies. A change of one of `everywhere` makes all of
    them stale: the layer is a view or a function that may show it anywhere.
    """

    places: frozenset[int] = frozenset()
    everywhere: frozenset[int] = frozenset()
    partly: str | None = None
    """Why not every change is written down by itself: tiles have their time to live then as well."""

    @property
    def is_whole(self) -> bool:
        """Whether tiles grow old by changes alone, not by time."""
        return self.partly is None

    def __repr__(self) -> str:
        return f"Follows({sorted(self.places)}, {sorted(self.everywhere)}, {self.partly!r})"
