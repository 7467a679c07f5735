"""Which tables are followed whole, and what overviews hold: looked at again and again, for each process has a catalog of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..repository.changes.log import ChangeLog, Followed

_COVERAGE_S = 1.0
"""How often it is looked whether tables, their files and their triggers are what they were."""
_NOTHING_S = 5.0
"""As that, where nothing is followed."""
_TELLS_S = 15.0
"""For how long the catalog is told that other tables are followed."""


class Coverage:
    """The tables of which every change is written down, by oid, as the database said last.

    `changed` is called where other tables are followed than before, or overviews hold something else: the catalog has to know.
    """

    def __init__(
        self, changes: ChangeLog, changed: Callable[[], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tables: dict[int, Followed] = {}
        self._changes = changes
        self._changed = changed
        self._clock = clock
        self._roots: dict[int, list[int]] = {}
        self._looked_at = float("-inf")
        self._known: tuple[set[tuple[object, ...]], str] | None = None
        self._tells_until = float("-inf")

    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() >= self._looked_at + (_COVERAGE_S if self.tables else _NOTHING_S)

    def doubt(self) -> None:
        """Have it looked at before anything else is believed."""
        self._looked_at = float("-inf")

    def look(self) -> set[int]:
        """Ask the database. Gives the tables that are not followed, or not any more."""
        begun = self._clock()
        found = self._changes.coverage()
        self._looked_at = begun
        before = self.tables.keys() | {each.relation for each in found}
        self.tables = {each.relation: each for each in found if each.fault is None}
        self._roots = {}
        for root, each in self.tables.items():
            for member in each.members or ():
                self._roots.setdefault(member, []).append(root)
        self._tell(found, self._changes.overviews())
        return before - self.tables.keys()

    def roots(self, relation: int) -> Sequence[int] | None:
        """The followed tables that a table is part of; None for one that was not there when it was looked."""
        return self._roots.get(relation)

    def _tell(self, found: Sequence[Followed], overviews: str) -> None:
        """Have the catalog read again where other tables are followed than before, or under other names, or where an overview
        was built or refreshed: the keys of kept tiles name it."""
        tables: set[tuple[object, ...]] = {
            (each.relation, each.name, each.partly, *each.geometry_columns, *(each.members or ()))
            for each in found if each.fault is None
        }  # fmt: skip
        known = (tables, overviews)
        if self._known is not None and known != self._known:
            self._tells_until = self._clock() + _TELLS_S
        self._known = known
        if self._clock() < self._tells_until:
            # Again and again for a while: a catalog that was just loaded is not loaded again at once.
            self._changed()
