"""Positions in the log of changes: which transactions have been read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

_LAST = (1 << 62) - 1
"""No cluster has as many transactions."""


@dataclass(frozen=True, slots=True)
class Position:
    """What a `pg_snapshot` saw, and the shape that the table had then: its members, their files and their triggers, and the
    server that they lay on.

    Transactions commit in another order than they begin, so no number alone is a position.
    """

    shape: str
    xmin: int
    """Every transaction below it is over."""
    xmax: int
    """No transaction from it on has begun."""
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """A position as `str` gives it; None for anything else, whoever wrote it."""
        shape, _, snapshot = text.partition("@")
        parts = snapshot.split(":")
        if len(parts) != 3:
            return None
        try:
            running = frozenset(int(each) for each in parts[2].split(",") if each)
            return cls(shape, int(parts[0]), int(parts[1]), running)
        except ValueError:
            return None

    @classmethod
    def before(cls, positions: Collection[Position]) -> Position:
        """One that lacks all that any of these lacks, so that one reading is enough for all; of none, one that lacks nothing."""
        xmax = min((each.xmax for each in positions), default=_LAST)
        running = frozenset(tx for each in positions for tx in each.running if tx < xmax)
        return cls("", min(running, default=xmax), xmax, running)

    @property
    def snapshot(self) -> str:
        """As PostgreSQL writes a `pg_snapshot`."""
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, sorted(self.running)))}"

    def __str__(self) -> str:
        return f"{self.shape}@{self.snapshot}"

    def has_read(self, tx: int) -> bool:
        """Whether the changes of this transaction were read, as pg_visible_in_snapshot says it."""
        return tx < self.xmin or (tx < self.xmax and tx not in self.running)

    def lacks(self, horizon: int, now: Position) -> bool:
        """Whether transactions up to `horizon`, whose changes may be gone, ended between this position and `now`."""
        return self.xmax <= horizon or any(tx <= horizon and now.has_read(tx) for tx in self.running)
