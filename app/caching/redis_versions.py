"""Versions in Redis, one hash for each table: whole or not there at all.

The hash of a table has the fields `e` (epoch), `l` (another one after each change), `p` (position in the log) and a stamp
for each region that changed, named `z/x/y`. Beside them one key says, for as long as it lives, that the log was read.

A Redis may come back as it was a while ago: from a dump, or as a replica that had not heard of everything. So whoever
reads the log leaves a mark with all that it writes, in the same step, and writes nothing where the last one is gone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .redis_line import Command, RedisLine
from .versions import MOST_STAMPS, Asked, Found, News, stamp

if TYPE_CHECKING:
    from redis import Redis

    from ..settings import Settings

FORMAT = "v1"
"""Raised when the meaning of a key, or of what lies under it, changes."""
KEPT_S = 7 * 86_400
"""How long a table is remembered that nobody follows any more."""
MARK_KEPT_MS = 60_000
"""A reader of the log that was away for longer begins anew."""
NO_MARK = "-"
"""Is never found."""
APPLY = """
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local key, epoch, last, position, whole, most, kept = KEYS[1], ARGV[4], ARGV[5], ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9]
local kind = redis.call('TYPE', key).ok
if kind ~= 'hash' or whole == '1' or redis.call('HEXISTS', key, 'e') == 0 or redis.call('HLEN', key) + #ARGV - 9 > most then
    redis.call('DEL', key)
    redis.call('HSET', key, 'e', epoch, 'l', last)
elseif whole == '0' then
    redis.call('HSET', key, 'l', last)
    for at = 10, #ARGV, 1000 do
        local some = {}
        for place = at, math.min(at + 999, #ARGV) do
            some[#some + 1] = ARGV[place]
            some[#some + 1] = last
        end
        redis.call('HSET', key, unpack(some))
    end
end
redis.call('HSET', key, 'p', position)
redis.call('EXPIRE', key, kept)
return 1
"""
"""Epoch, stamps and position of one table at once: between two of them the server could be gone."""
CONFIRM = """
local first = ARGV[1] == '' and redis.call('EXISTS', KEYS[1]) == 0
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then
    redis.call('DEL', KEYS[1])
    return {0}
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
local now = redis.call('TIME')
local left = math.min(tonumber(ARGV[5]), tonumber(ARGV[4]) - (now[1] * 1000 + math.floor(now[2] / 1000)))
if left > 0 then redis.call('SET', KEYS[1], '1', 'PX', left) end
return {first and 0 or 1, now[1], now[2]}
"""
"""Until a time by this server's own clock: one that hung, and then does what it was told a while ago, is not believed.
The clock may be set back meanwhile: never for longer than was meant."""


class Clock(NamedTuple):
    """What a server's clock showed, in milliseconds, and when that was heard by the clock of this process."""

    shown_ms: int
    heard: float

    @classmethod
    def of(cls, shown: Sequence[Any]) -> Clock:
        """From the seconds and microseconds of its TIME."""
        return cls(int(shown[0]) * 1000 + int(shown[1]) // 1000, time.monotonic())

    def until(self, seconds: float) -> tuple[int, int]:
        """So many seconds from now by that clock, or a little less; and how long that is, in milliseconds."""
        life = int(seconds * 1000)
        return self.shown_ms + int((time.monotonic() - self.heard) * 1000) + life, life


class Line(Protocol):
    """Several questions at once."""

    def ask(self, *commands: Command) -> list[Any]:
        """The answers in their order. Where Redis refuses one command, its answer is the exception."""


class RedisVersions:
    """Stands of tables in Redis, shared by all workers and hosts that keep their tiles there.

    `database` gives the name of the database as the keys of tiles have it. Those that differ in `form` share nothing.
    """

    def __init__(self, client: Redis, prefix: str, database: Callable[[], str], form: str = FORMAT) -> None:
        self._client = client
        self._prefix = prefix
        self._form = form
        self._database = database
        self._line = self._line_of(client)
        self._reader = secrets.token_urlsafe(9)
        self._mark = ""
        self._clock: Clock | None = None
        self._apply = client.register_script(APPLY)
        self._confirm = client.register_script(CONFIRM)

    def _line_of(self, client: Any) -> Line:
        return RedisLine(client)

    def current(self, asked: Sequence[Asked]) -> str | None:
        return self._version(self._line.ask(*self._questions(asked)))

    def current_with(self, asked: Sequence[Asked], key: str, most: int | None) -> Found:
        """The version, and what lies under this key: all of it, or the first `most` bytes. In one round trip."""
        questions = self._questions(asked) if asked else []
        text = self._prefix + key
        tile: list[Command] = (
            [("GET", text)] if most is None else [("GETRANGE", text, 0, most - 1), ("STRLEN", text)]
        )
        answers = self._line.ask(*questions, *tile)
        value = answers[len(questions)]
        version = self._version(answers[: len(questions)]) if asked else ""
        if most is None:
            return Found(version, value, None)
        # A range of nothing is empty.
        return Found(version, value or None, answers[-1])

    def _questions(self, asked: Sequence[Asked]) -> list[Command]:
        seen, start = self._seen, self._start
        return [
            ("GET", seen),
            *[
                ("HMGET", f"{start}{table}", "e", "l")
                if cells is None
                else ("HMGET", f"{start}{table}", "e", *map(str, cells))
                for table, cells in asked
            ],
        ]

    def _version(self, answers: Sequence[Any]) -> str | None:
        return version_of(answers[:1], answers[1:])

    def positions(self, tables: Collection[int]) -> dict[int, str]:
        self._mark = secrets.token_urlsafe(9)
        pipe = self._client.pipeline(transaction=False)
        # First: what comes back as it was before this does not have it.
        pipe.set(self._marked, self._mark, px=MARK_KEPT_MS)
        for table in tables:
            pipe.hmget(self._key(table), ["e", "p"])
        marked, *found = pipe.execute(raise_on_error=False)
        if isinstance(marked, Exception):
            raise marked
        return {
            table: fields[1].decode("ascii", "replace")
            for table, fields in zip(tables, found, strict=True)
            # What is no hash has no position.
            if isinstance(fields, list) and None not in fields
        }

    def apply(self, news: Mapping[int, News], position: str) -> None:
        for table, each in news.items():
            self._marked_by(self._apply, [self._key(table), self._marked], *said(each, position))

    def confirm(self, seconds: float) -> bool:
        """False where the last mark is gone: with it may be the stands."""
        meant_until = time.monotonic() + seconds
        clock = self._clock or Clock.of(self._client.time())
        # Whatever raises: the next time another server may answer.
        self._clock = None
        told = clock.until(meant_until - time.monotonic())
        done, *shown = self._marked_by(self._confirm, [self._seen, self._marked], *told)
        self._clock = Clock.of(shown) if shown else None
        return bool(done)

    def _marked_by(self, script: Any, keys: list[str], *told: str | int) -> Any:
        mark = secrets.token_urlsafe(9)
        # Whatever comes in between, it is not known what was done.
        expected, self._mark = self._mark, NO_MARK
        answer = script(keys, [expected, mark, MARK_KEPT_MS, *told])
        if expected == "" or (answer[0] if isinstance(answer, list) else answer) == 1:
            self._mark = mark
        return answer

    def forget(self, tables: Collection[int]) -> None:
        if tables:
            self._client.delete(*[self._key(table) for table in tables])

    @property
    def _start(self) -> str:
        return f"{self._prefix}{self._form}:{{{self._database()}}}:"

    @property
    def _seen(self) -> str:
        return f"{self._start}read"

    @property
    def _marked(self) -> str:
        return f"{self._start}reader:{self._reader}"

    def _key(self, table: int) -> str:
        return f"{self._start}{table}"


def form_of(settings: Settings) -> str:
    """How versions are kept, and what makes regions of a change: the largest buffer, and the CRS of boxes without one."""
    return f"{FORMAT}.{settings.max_buffer_ratio:g}.{settings.default_srid}"


def said(news: News, position: str) -> tuple[str | int, ...]:
    """What the script is told of a table, behind the marks."""
    cells = () if news.cells is None else map(str, news.cells)
    whole = "1" if news.cells is None else "0" if news.changed else ""
    return (stamp(), stamp(), position, whole, MOST_STAMPS, KEPT_S, *cells)


def version_of(seen: Sequence[Any], found: Sequence[Any]) -> str | None:
    """One word for what was found. None where nobody has read the log of late, or a stand is gone or none at all."""
    if not all(isinstance(each, bytes) for each in seen) or any(
        not isinstance(fields, list) or fields[0] is None for fields in found
    ):
        return None
    # A digest: whatever lies in Redis, a version is short and has no separators in it.
    text = b"\0".join([b"" if field is None else b"+" + field for fields in found for field in fields])
    return blake2b(text, digest_size=9).hexdigest()
