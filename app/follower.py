"""Follows the log of changes: what the database writes down becomes versions beside the tiles."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from .caching.versions import NOTHING, News, Versions
from .errors import FlagstoneError
from .layers.bounds import Bounds
from .layers.regions import touched
from .repository.changes.log import ChangeLog, Followed
from .repository.changes.log import News as Read
from .repository.changes.position import Position

log = logging.getLogger(__name__)

_COVERAGE_S = 1.0
"""How often it is looked whether tables, their files and their triggers are what they were."""
_NOTHING_S = 5.0
"""As that, where nothing is followed."""
_ADVANCE_S = 10.0
"""How often quiet tables get the position of now: what is older than the log has no worth."""
_SLOWEST_RETRY_S = 2.0
_TELLS_S = 15.0
"""For how long the catalog is told that other tables are followed."""
_NEXT_S = 0.1
"""How soon another process goes on where the one that read the log has ended."""


class Follower:
    """Reads the log at intervals, as long as nobody else of this host does.

    `buffer` is the largest that a request may ask for, as a part of a tile's edge. `alone` is held by who reads: the
    others wait for it. Stands are believed for `age_s` after each reading. `coverage_changed` is called where other tables
    are followed than before: the catalog has to know. `heard` gets
    the boxes (longitude and latitude) that changed, by table, or None for anywhere in it.
    """

    def __init__(
        self,
        changes: ChangeLog,
        versions: Versions,
        postgis: Callable[[], str],
        *,
        buffer: float,
        poll_s: float,
        age_s: float,
        alone: Callable[[], AbstractContextManager[bool]],
        coverage_changed: Callable[[], None] = lambda: None,
        heard: Callable[[Mapping[int, Sequence[Bounds] | None]], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changes = changes
        self._versions = versions
        self._postgis = postgis
        self._buffer = buffer
        self._poll_s = poll_s
        self._age_s = age_s
        self._alone = alone
        self._coverage_changed = coverage_changed
        self._heard = heard
        self._clock = clock
        self._coverage: dict[int, Followed] = {}
        self._roots: dict[int, list[int]] = {}
        self._looked_at = self._advanced_at = float("-inf")
        self._positions: dict[int, Position] | None = None
        self._covered: set[int] = set()
        self._known: set[tuple[object, ...]] | None = None
        self._tells_until = float("-inf")
        self._applied: dict[int, int] = {}
        self._failed = False
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Begin to follow in the background. Does nothing where that is going on already."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stop,), name="flagstone-changes", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop to follow; a reading that is under way is waited for a moment."""
        self._stop.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=1)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._tried(lambda: self._follow(stop))
            stop.wait(max(self._poll_s, _NEXT_S))

    def _follow(self, stop: threading.Event) -> None:
        """Read as long as nobody else of this host does."""
        with self._alone() as is_alone:
            # Whoever read before may have come further, or not as far: only what lies beside the versions counts.
            self._positions = None
            retry = self._poll_s
            if not is_alone:
                self._watch()
            while is_alone and not stop.is_set():
                retry = self._poll_s if self._tried(self.step) else min(max(retry, 0.05) * 2, _SLOWEST_RETRY_S)
                stop.wait(retry)

    def _watch(self) -> None:
        """Who does not read looks at what is followed as well: the catalog is each process's own."""
        now = self._clock()
        if now >= self._looked_at + (_COVERAGE_S if self._known else _NOTHING_S):
            self._looked_at = now
            self._tell(self._changes.coverage())

    def _tried(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:  # the database's or the store's: until it goes on, nobody believes the versions
            self._positions = None
            self._looked_at = float("-inf")
            if not self._failed:
                if isinstance(error, FlagstoneError):
                    log.warning("changes cannot be followed, tiles are made without the cache: %s", error)
                else:
                    log.exception("changes cannot be followed, tiles are made without the cache")
            self._failed = True
            return False
        if self._failed:
            log.info("changes are followed again")
        self._failed = False
        return True

    def step(self) -> None:
        """Read once what is new, and raise the versions. Raises what the database or the store raise."""
        begun = self._clock()
        if begun >= self._looked_at + (_COVERAGE_S if self._coverage else _NOTHING_S):
            self._look()
            self._looked_at = begun
        if not self._coverage:
            return
        if self._positions is None:
            # What was applied may have been lost with the store; from the positions there it is read again.
            self._applied = {}
            texts = self._versions.positions(self._coverage)
            parsed = {table: Position.parse(text) for table, text in texts.items()}
            self._positions = {table: position for table, position in parsed.items() if position is not None}
        known = self._positions
        read = self._changes.read(Position.before(known.values()).snapshot, self._postgis(), self._applied)
        now = Position.parse(f"@{read.snapshot}")
        if now is None:
            raise ValueError(f"the database gives a snapshot {read.snapshot!r}")
        news = self._whole(known, now, read)
        changes = read.changes or ()
        if any(change.relation not in self._roots for change in changes):
            # A table that is new below a followed one: what it belongs to is found out before the next reading.
            self._looked_at = float("-inf")
        boxes: dict[int, list[Bounds]] = {}
        for change in changes:
            for table in self._roots.get(change.relation, ()):
                if table in news or known[table].has_read(change.tx):
                    continue
                if change.boxes is None:
                    news[table] = News(None)
                else:
                    boxes.setdefault(table, []).extend(change.boxes)
        if boxes or news:
            self._heard({**boxes, **dict.fromkeys(news)})
        for table, found in boxes.items():
            if table not in news:
                news[table] = News(touched(found, self._buffer))
        self._say(news, now, read.server, begun)
        # A replica gives again what lies between the ends of its snapshot.
        self._applied = {} if not read.is_replica else {
            change_id: tx for change_id, tx in (self._applied | {each.id: each.tx for each in changes}).items() if tx >= now.xmin
        }  # fmt: skip

    def _look(self) -> None:
        """Which tables are followed whole now. What was believed of others is not any more."""
        found = self._changes.coverage()
        self._coverage = {each.relation: each for each in found if each.fault is None}
        self._roots = {}
        for root, each in self._coverage.items():
            for member in each.members or ():
                self._roots.setdefault(member, []).append(root)
        covered = set(self._coverage)
        gone = (self._covered | {each.relation for each in found}) - covered
        if gone:
            self._versions.forget(gone)
            for table in gone:
                (self._positions or {}).pop(table, None)
        self._covered = covered
        self._tell(found)

    def _tell(self, found: Sequence[Followed]) -> None:
        """Have the catalog read again where other tables are followed than before, or under other names."""
        known: set[tuple[object, ...]] = {
            (each.relation, each.name, each.partly, *each.geometry_columns, *(each.members or ()))
            for each in found if each.fault is None
        }  # fmt: skip
        if self._known is not None and known != self._known:
            self._tells_until = self._clock() + _TELLS_S
        self._known = known
        if self._clock() < self._tells_until:
            # Again and again for a while: a catalog that was just loaded is not loaded again at once.
            self._coverage_changed()

    def _whole(self, known: Mapping[int, Position], now: Position, read: Read) -> dict[int, News]:
        """Tables of which nobody knows what became of them since their position, or that have none."""
        # A horizon that no transaction has reached came with a dump of another cluster.
        horizon = read.horizon if read.horizon < now.xmax else 0
        news: dict[int, News] = {}
        for table, each in self._coverage.items():
            position = known.get(table)
            if (
                read.changes is None
                or position is None
                or position.shape != _shape(each, read.server)
                # Some of the log is gone that this position had not seen.
                or position.lacks(horizon, now)
                # The database was restored from an earlier time.
                or position.xmax > now.xmax
            ):
                news[table] = News(None)
        return news

    def _say(self, news: dict[int, News], now: Position, server: str, begun: float) -> None:
        known = self._positions or {}
        due = begun >= self._advanced_at + _ADVANCE_S
        if due:
            self._advanced_at = begun
        for table, each in self._coverage.items():
            position = Position(_shape(each, server), now.xmin, now.xmax, now.running)
            if table in news or due:
                self._versions.apply({table: news.get(table, NOTHING)}, str(position))
            known[table] = position
        self._positions = known
        if not self._versions.confirm(self._age_s - (self._clock() - begun)):
            self._positions = None


def _shape(table: Followed, server: str) -> str:
    return f"{table.shape}.{server}"
