"""Versions in Redis, one hash for each table: whole or not there at all.

The hash of a table has the fields `e` (epoch), `l` (another one after each change), `p` (position in the log) and a stamp
for each region that changed, named `z/x/y`. Beside them one key says, for as long as it lives, that the log was read.

A Redis may come back as it was a while ago: from a dump, or as a replica that had not heard of everything. So whoever
reads the log leaves a mark with all that it writes, in the same step, and writes nothing where the last one is gone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from .redis_line import RedisLine
from .versions import MOST_STAMPS, Asked, Found, News, stamp

if TYPE_CHECKING:
    from redis import Redis

_FORMAT = "v1"
"""Raised when the meaning of a key, or of what lies under it, changes."""
_KEPT_S = 7 * 86_400
"""How long a table is remembered that nobody follows any more."""
_MARK_KEPT_MS = 60_000
"""A reader of the log that was away for longer begins anew."""
_NO_MARK = "-"
"""Is never found."""
_APPLY = """
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
_CONFIRM = """
local first = ARGV[1] == '' and redis.call('EXISTS', KEYS[1]) == 0
if ARGV[1] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[1] then
    redis.call('DEL', KEYS[1])
    return 0
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[4])
return first and 0 or 1
"""


class RedisVersions:
    """Stands of tables in Redis, shared by all workers and hosts that keep their tiles there.

    `database` gives the name of the database as the keys of tiles have it.
    """

    def __init__(self, client: Redis, prefix: str, database: Callable[[], str]) -> None:
        self._client = client
        self._prefix = prefix
        self._database = database
        self._line = RedisLine(client)
        self._reader = secrets.token_urlsafe(9)
        self._mark = ""
        self._apply = client.register_script(_APPLY)
        self._confirm = client.register_script(_CONFIRM)

    def current(self, asked: Sequence[Asked]) -> str | None:
        return _version(self._line.ask(*self._questions(asked)))

    def current_with(self, asked: Sequence[Asked], key: str, most: int | None) -> Found:
        """The version, and what lies under this key: all of it, or the first `most` bytes. In one round trip."""
        questions = self._questions(asked) if asked else []
        text = self._prefix + key
        tile: list[tuple[str | int, ...]] = (
            [("GET", text)] if most is None else [("GETRANGE", text, 0, most - 1), ("STRLEN", text)]
        )
        answers = self._line.ask(*questions, *tile)
        value = answers[len(questions)]
        version = _version(answers[: len(questions)]) if asked else ""
        if most is None:
            return Found(version, value, None)
        # A range of nothing is empty.
        return Found(version, value or None, answers[-1])

    def _questions(self, asked: Sequence[Asked]) -> list[tuple[str | int, ...]]:
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

    def positions(self, tables: Collection[int]) -> dict[int, str]:
        self._mark = secrets.token_urlsafe(9)
        pipe = self._client.pipeline(transaction=False)
        # First: what comes back as it was before this does not have it.
        pipe.set(self._marked, self._mark, px=_MARK_KEPT_MS)
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
            cells = () if each.cells is None else map(str, each.cells)
            whole = "1" if each.cells is None else "0" if each.changed else ""
            said = (stamp(), stamp(), position, whole, MOST_STAMPS, _KEPT_S, *cells)
            self._marked_by(self._apply, [self._key(table), self._marked], *said)

    def confirm(self, seconds: float) -> bool:
        """False where the last mark is gone: with it may be the stands."""
        return self._marked_by(self._confirm, [self._seen, self._marked], max(1, int(seconds * 1000)))

    def _marked_by(self, script: Any, keys: list[str], *said: str | int) -> bool:
        mark = secrets.token_urlsafe(9)
        expected, self._mark = (
            self._mark,
            _NO_MARK,
        )  # whatever comes in between, it is not known what was done
        done = script(keys, [expected, mark, _MARK_KEPT_MS, *said])
        if expected == "" or done == 1:
            self._mark = mark
        return bool(done)

    def forget(self, tables: Collection[int]) -> None:
        if tables:
            self._client.delete(*[self._key(table) for table in tables])

    @property
    def _start(self) -> str:
        # In a cluster, all tables of a database have one slot.
        return f"{self._prefix}{_FORMAT}:{{{self._database()}}}:"

    @property
    def _seen(self) -> str:
        return f"{self._start}read"

    @property
    def _marked(self) -> str:
        return f"{self._start}reader:{self._reader}"

    def _key(self, table: int) -> str:
        return f"{self._start}{table}"


def _version(answers: Sequence[Any]) -> str | None:
    """One word for what was found. None where nobody has read the log of late, or a stand is gone or none at all."""
    seen, *found = answers
    if not isinstance(seen, bytes) or any(
        not isinstance(fields, list) or fields[0] is None for fields in found
    ):
        return None
    # A digest: whatever lies in Redis, a version is short and has no separators in it.
    said = b"\0".join([b"" if field is None else b"+" + field for fields in found for field in fields])
    return blake2b(said, digest_size=9).hexdigest()
