"""Statements with numbered parameters, as PostgreSQL itself has them.

psycopg reads a statement with named ones anew each time it is run, if it is longer than 4096 bytes. For a tile's statement
that took as long as all else that is done for it on this side.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from psycopg import Connection, RawCursor
from psycopg.rows import TupleRow

_NAMED = re.compile(rb"%(?:%|\(([^)]+)\)s)")
_MOST_KEPT = 256
"""Statements of some kB."""


@lru_cache(maxsize=_MOST_KEPT)
def numbered(text: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The statement with `$1` in place of `%(name)s` and % in place of %%, and the names by number."""
    numbers: dict[bytes, int] = {}

    def number(match: re.Match[bytes]) -> bytes:
        name = match[1]
        return b"%" if name is None else b"$%d" % numbers.setdefault(name, len(numbers) + 1)

    return _NAMED.sub(number, text), tuple(name.decode() for name in numbers)


def execute(
    connection: Connection[TupleRow], text: bytes, values: Mapping[str, Any], *, prepare: bool | None
) -> RawCursor[TupleRow]:
    """As `connection.execute`, with binary results; KeyError where a value is missing."""
    statement, names = numbered(text)
    raw = RawCursor(connection)
    return raw.execute(statement, [values[name] for name in names], prepare=prepare, binary=True)
