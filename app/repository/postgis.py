"""Finds PostGIS: the schema it lives in and its version, before anything else is asked of a database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from ..errors import ConfigurationError
from .statements import statement

Version = tuple[int, int, int]

PROMISED: Version = (3, 3, 0)
OLDEST: Version = (2, 5, 0)
_FEATURE_IDS: Version = (3, 0, 0)
_WHOLE_ENCODINGS = ("UTF8", "SQL_ASCII")
"""Those whose texts are UTF-8 inside a tile too: PostgreSQL keeps what clients wrote into SQL_ASCII."""


@dataclass(frozen=True, slots=True)
class PostGIS:
    """The extension's schema, its version as numbers, and as PostgreSQL writes it."""

    schema: str
    version: Version
    full: str

    @property
    def has_feature_ids(self) -> bool:
        """Whether ST_AsMVT takes a column of feature ids (since 3.0)."""
        return self.version >= _FEATURE_IDS


@dataclass(frozen=True, slots=True)
class Database:
    """What a connection leads to. `notices` are sentences for whoever runs Flagstone."""

    postgis: PostGIS
    name: str
    login: str
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    schema: str | None
    version: str | None
    database: str
    login: str
    encoding: str
    sees_all: bool
    may_use: bool | None


def find(connection: Connection[Any]) -> Database:
    """The database behind a connection; ConfigurationError where PostGIS is missing or too old."""
    with connection.cursor(row_factory=class_row(_Row)) as cursor:
        [row] = cursor.execute(statement("postgis"), prepare=False)
    return _judged(row)


def _judged(row: _Row) -> Database:
    needed = f"Flagstone needs PostGIS {_text(OLDEST)} or newer and is tested with {_text(PROMISED)}"
    if row.schema is None or row.version is None:
        raise ConfigurationError(
            f"The database {row.database!r} has no PostGIS; {needed}. A superuser adds it: CREATE EXTENSION postgis"
        )
    version = parse(row.version)
    if version < OLDEST:
        raise ConfigurationError(f"The database {row.database!r} has PostGIS {row.version}; {needed}.")
    postgis = PostGIS(row.schema, version, row.version)
    return Database(postgis, row.database, row.login, tuple(_notices(row, postgis)))


def _notices(row: _Row, postgis: PostGIS) -> list[str]:
    notices = []
    if postgis.version < PROMISED:
        lacks = "nothing is known to be missing" if postgis.has_feature_ids else "tiles carry no feature ids before 3.0"
        notices.append(f"PostGIS {postgis.full} is older than {_text(PROMISED)}, which is tested: {lacks}.")
    if row.sees_all:
        notices.append(
            f"The login {row.login!r} is a superuser or has BYPASSRLS: row security hides nothing from the map."
        )
    if not row.may_use:
        notices.append(
            f"The login {row.login!r} has no USAGE on schema {postgis.schema!r}, where PostGIS is, and can make no tile."
        )
    if row.encoding not in _WHOLE_ENCODINGS:
        notices.append(
            f"The database {row.database!r} has the encoding {row.encoding}: PostGIS writes its bytes into tiles, where texts"
            " beyond ASCII are read as UTF-8 and come out wrong."
        )
    return notices


def parse(text: str) -> Version:
    """The numbers of an extension version such as `3.3.2`, `3.4.0dev` or `2.5`; zeros where there are none."""
    match = re.match(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", text)
    if match is None:
        return (0, 0, 0)
    major, minor, patch = (int(part or 0) for part in match.groups())
    return (major, minor, patch)


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
