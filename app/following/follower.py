"""Follows the log of changes: what the database writes down becomes versions beside the tiles."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from ..caching.versions import NOTHING, News, Versions
from ..errors import FlagstoneError
from ..layers.bounds import Bounds
from ..layers.regions import touched
from ..repository.changes.log import ChangeLog, Followed
from ..repository.changes.log import News as Read
from ..repository.changes.position import Position
from .coverage import Coverage

log = logging.getLogger(__name__)

_ADVANCE_S = 10.0
"""How often quiet tables get the position of now: what is older than the log has no worth."""
_SLOWEST_RETRY_S = 2.0
_MOST_FAILURES = 3
"""After so many in a row another process may try: it may be this one that cannot."""
_LEAST_S = 0.005
"""Between two readings: those who write all the time are read together."""
_NEXT_S = 0.1
"""How soon another process goes on where the one that read the log has ended."""


class Follower:
    """Reads the log at intervals, as long as nobody else of this host does.

    `buffer` is the largest that a request may ask for, as a part of a tile's edge. `alone` is held by who reads: the
    others wait for it. Stands are believed for `age_s` after each reading. `coverage_changed` is called where other tables
    are followed than before. `heard` gets the boxes (longitude and latitude) that changed, by table, or None for anywhere. What `listening` is given is called where something is new before the interval is over.
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
        listening: Callable[[Callable[[], None]], AbstractContextManager[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._changes = changes
        self._versions = versions
        self._postgis = postgis
        self._buffer = buffer
        self._poll_s = poll_s
        self._age_s = age_s
        self._alone = alone
        self._heard = heard
        self._listening = listening
        self._news = threading.Event()
        self._clock = clock
        self.coverage = Coverage(changes, coverage_changed, clock)
        self._advanced_at = float("-inf")
        self._positions: dict[int, Position] | None = None
        self._applied: frozenset[int] = frozenset()
        self._server = ""
        self._failed = False
        self._retry_s = 0.0
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
        self._news.set()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=1)

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._tried(lambda: self._turn(stop))
            stop.wait(max(self._retry_s, self._poll_s, _NEXT_S))

    def _turn(self, stop: threading.Event) -> None:
        """Read as long as nobody else of this host does, there is something to read and it can be read."""
        with self._alone() as is_alone:
            # Whoever read before may have come further, or not as far: only what lies beside the versions counts.
            self._positions = None
            if not is_alone:
                if self.coverage.is_due():
                    self.coverage.look()
                    self._well()
                return
            with nullcontext() if self._listening is None else self._listening(self._news.set):
                self._read(stop)

    def _read(self, stop: threading.Event) -> None:
        failures = 0
        while not stop.is_set() and failures < _MOST_FAILURES:
            self._news.clear()
            failures = 0 if self._tried(self.step) else failures + 1
            if failures == 0:
                self._well()
                if not self.coverage.tables:
                    # Another login may know of more.
                    return
            if self._retry_s > 0:
                stop.wait(self._retry_s)
            else:
                stop.wait(_LEAST_S)
                self._news.wait(self._poll_s - _LEAST_S)

    def _tried(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:  # the database's or the store's: until it goes on, nobody believes the versions
            self._positions = None
            self.coverage.doubt()
            if not self._failed:
                if isinstance(error, FlagstoneError):
                    log.warning("changes cannot be followed, tiles are made without the cache: %s", error)
                else:
                    log.exception("changes cannot be followed, tiles are made without the cache")
            self._failed = True
            self._retry_s = min(max(self._retry_s, 0.05) * 2, _SLOWEST_RETRY_S)
            return False
        return True

    def _well(self) -> None:
        if self._failed:
            log.info("changes are followed again")
        self._failed = False
        self._retry_s = 0.0

    def step(self) -> None:
        """Read once what is new, and raise the versions. Raises what the database or the store raise."""
        begun = self._clock()
        if self.coverage.is_due():
            self._look()
        if not self.coverage.tables:
            return
        if self._positions is None:
            # What was applied may have been lost with the store; from the positions there it is read again.
            self._applied = frozenset()
            texts = self._versions.positions(self.coverage.tables)
            parsed = {table: Position.parse(text) for table, text in texts.items()}
            self._positions = {table: position for table, position in parsed.items() if position is not None}
        known = self._positions
        read = self._changes.read(Position.before(known.values()).snapshot, self._postgis(), self._applied)
        now = Position.parse(f"@{read.snapshot}")
        if now is None:
            raise ValueError(f"the database gives a snapshot {read.snapshot!r}")
        news = self._whole(known, now, read)
        changes = read.changes or ()
        if any(self.coverage.roots(change.relation) is None for change in changes):
            # A table that is new below a followed one: what it belongs to is found out before the next reading.
            self.coverage.doubt()
        boxes: dict[int, list[Bounds]] = {}
        for change in changes:
            for table in self.coverage.roots(change.relation) or ():
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
        before = self._applied if read.server == self._server else frozenset()
        self._applied = frozenset() if read.replicated is None else frozenset(tx for tx in before | read.replicated if tx >= now.xmin)
        self._server = read.server

    def _look(self) -> None:
        """Which tables are followed whole now. What was believed of others is not any more."""
        gone = self.coverage.look()
        if gone:
            self._versions.forget(gone)
            for table in gone:
                (self._positions or {}).pop(table, None)

    def _whole(self, known: Mapping[int, Position], now: Position, read: Read) -> dict[int, News]:
        """Tables of which nobody knows what became of them since their position, or that have none."""
        # A horizon that no transaction has reached came with a dump of another cluster.
        horizon = read.horizon if read.horizon < now.xmax else 0
        news: dict[int, News] = {}
        for table, each in self.coverage.tables.items():
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
        for table, each in self.coverage.tables.items():
            position = Position(_shape(each, server), now.xmin, now.xmax, now.running)
            if table in news or due:
                self._versions.apply({table: news.get(table, NOTHING)}, str(position))
            known[table] = position
        self._positions = known
        if not self._versions.confirm(self._age_s - (self._clock() - begun)):
            self._positions = None


def _shape(table: Followed, server: str) -> str:
    return f"{table.shape}.{server}"
