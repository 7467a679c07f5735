"""Versions in a Redis Cluster: what belongs to one table lies in one slot, and no two tables need be in the same.

A script touches keys of one slot only, and each node may come back as it was by itself. So each table has all of its own:
the hash, the key that says that the log was read, and the marks of those who read it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .cluster_line import ClusterLine
from .redis_line import Command
from .redis_versions import CONFIRM, FORMAT, MARK_KEPT_MS, NO_MARK, Clock, RedisVersions, said, version_of
from .versions import Asked, News

if TYPE_CHECKING:
    from redis import Redis

_POSITION = """
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local now = redis.call('TIME')
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then return {now, {}} end
return {now, redis.call('HMGET', KEYS[1], 'e', 'p')}
"""
"""The mark first: what comes back as it was before this does not have it. In one step: a slot may be on its way elsewhere."""
_TIME = "return redis.call('TIME')"
_LEFT = 0.75
"""While more than this part of the time is left for which a table is believed, it is not said again."""


class ClusterVersions(RedisVersions):
    """As `RedisVersions`. A table's hash tag is the database and its oid."""

    def __init__(self, client: Redis, prefix: str, database: Callable[[], str], form: str = FORMAT) -> None:
        super().__init__(client, prefix, database, form)
        self._marks: dict[int, str] = {}
        self._sure_until: dict[int, float] = {}
        self._clocks: dict[int, Clock] = {}

    def _line_of(self, client: Any) -> ClusterLine:
        return ClusterLine(client)

    def _questions(self, asked: Sequence[Asked]) -> list[Command]:
        questions: list[Command] = []
        for table, cells in asked:
            fields = ("l",) if cells is None else map(str, cells)
            questions += [("GET", self._seen_of(table)), ("HMGET", self._key(table), "e", *fields)]
        return questions

    def _version(self, answers: Sequence[Any]) -> str | None:
        return version_of(answers[::2], answers[1::2])

    def positions(self, tables: Collection[int]) -> dict[int, str]:
        self._marks = {table: secrets.token_urlsafe(9) for table in tables}
        self._sure_until = {}
        found = self._asked({
            table: ("EVAL", _POSITION, 2, self._key(table), self._marked_of(table), mark, MARK_KEPT_MS)
            for table, mark in self._marks.items()
        })  # fmt: skip
        self._clocks = {table: Clock.of(shown) for table, (shown, _) in found.items()}
        return {
            table: fields[1].decode("ascii", "replace") for table, (_, fields) in found.items() if fields and None not in fields
        }

    def apply(self, news: Mapping[int, News], position: str) -> None:
        for table, each in news.items():
            mark = secrets.token_urlsafe(9)
            # Whatever comes in between, it is not known what was done.
            expected, self._marks[table] = self._marks.get(table, ""), NO_MARK
            told = [expected, mark, MARK_KEPT_MS, *said(each, position)]
            if self._apply([self._key(table), self._marked_of(table)], told) == 1:
                self._marks[table] = mark

    def confirm(self, seconds: float) -> bool:
        """False where the last mark of a table is gone: with it may be its stand."""
        until = time.monotonic() + seconds
        marks: dict[int, str] = {}
        questions: dict[int, Command] = {}
        for table, expected in self._marks.items():
            if expected == NO_MARK or not until - seconds * (1 - _LEFT) <= self._sure_until.get(table, 0.0) <= until:
                mark = marks[table] = secrets.token_urlsafe(9)
                keys = (self._seen_of(table), self._marked_of(table))
                told = self._clock_of(table).until(until - time.monotonic())
                questions[table] = ("EVAL", CONFIRM, 2, *keys, expected, mark, MARK_KEPT_MS, *told)
        self._marks |= dict.fromkeys(marks, NO_MARK)
        for table, answer in self._asked(questions).items():
            done, *shown = answer
            if shown:
                self._clocks[table] = Clock.of(shown)
            if done == 1:
                self._marks[table], self._sure_until[table] = marks[table], until
        return NO_MARK not in self._marks.values()

    def _clock_of(self, table: int) -> Clock:
        """That of the node where a table is; the node is asked where nothing was heard of it so far."""
        if table not in self._clocks:
            self._clocks[table] = Clock.of(self._asked({table: ("EVAL", _TIME, 1, self._key(table))})[table])
        return self._clocks[table]

    def _asked(self, questions: Mapping[int, Command]) -> dict[int, Any]:
        """The answer for each table; raises the first refusal."""
        answers = self._line.ask(*questions.values())
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return dict(zip(questions, answers, strict=True))

    def forget(self, tables: Collection[int]) -> None:
        for table in tables:
            self._marks.pop(table, None)
            self._clocks.pop(table, None)
            self._client.delete(self._key(table))

    def _of(self, table: int) -> str:
        return f"{self._prefix}{self._form}:{{{self._database()}/{table}}}:"

    def _key(self, table: int) -> str:
        return f"{self._of(table)}stand"

    def _seen_of(self, table: int) -> str:
        return f"{self._of(table)}read"

    def _marked_of(self, table: int) -> str:
        return f"{self._of(table)}reader:{self._reader}"
