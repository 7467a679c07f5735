"""What changes were written down, for tests: tables with triggers, and the log that they fill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

import psycopg

from app.caching.memory_versions import MemoryVersions
from app.caching.versions import Asked
from app.following.follower import Follower
from app.layers.regions import Cell
from app.repository.changes import install as triggers
from app.repository.changes.install import Installed
from app.repository.changes.log import ChangeLog
from app.repository.overviews.administering import administering
from app.repository.pool import Pool
from app.settings import Settings

Box = tuple[float, ...]


def install(
    dsn: str, *tables: str, login: str = "", postgis: str = "public", callers: tuple[str, ...] = ()
) -> list[Installed]:
    """Follow these tables, as the login of `dsn`; `login` is the one that serves, by default the same."""
    with administering(Settings.of(DATABASE_URL=dsn)) as connection:
        row = connection.execute("SELECT current_user::text").fetchone()
        serving = login or str(row and row[0])
        return [
            triggers.install(connection, oid(connection, table), serving, postgis, callers)
            for table in tables
        ]


def uninstall(dsn: str, table: str) -> None:
    with administering(Settings.of(DATABASE_URL=dsn)) as connection:
        triggers.uninstall(connection, oid(connection, table))


def oid(connection: psycopg.Connection, table: str) -> int:
    with connection.transaction():
        connection.execute("SET LOCAL search_path = public")
        row = connection.execute("SELECT %s::regclass::oid::int8", [table]).fetchone()
    return int(row[0]) if row else 0


class Written:
    """The log since the last look at it."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._last = 0
        self.news()

    def news(self) -> list[tuple[str, list[Box] | None]]:
        """Each change that was written since: the table, and its boxes or None."""
        rows = self._connection.execute(
            "SELECT id, relation::regclass::text, boxes FROM flagstone.change WHERE id > %s ORDER BY id",
            [self._last],
        ).fetchall()
        self._last = rows[-1][0] if rows else self._last
        return [(table, None if boxes is None else [tuple(box) for box in boxes]) for _, table, boxes in rows]

    def after(self, statement: str) -> list[tuple[str, list[Box] | None]]:
        """What this statement of the superuser writes down."""
        self._connection.execute(statement.encode())
        return self.news()


@contextmanager
def watching(dsn: str) -> Iterator[Written]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        # A login named as the schema would have it on its path.
        connection.execute("SET search_path = public")
        yield Written(connection)


class Following(NamedTuple):
    """A follower that reads when it is told to, and the versions that it raises."""

    follower: Follower
    versions: MemoryVersions
    told: list[None]

    def version(self, table: int, *cells: Cell) -> str | None:
        """Of all of the table, or of some cells, after another reading and another look at what is covered."""
        self.follower.coverage.doubt()
        self.follower.step()
        return self.versions.current([Asked(table, cells or (Cell(0, 0, 0),))])


@contextmanager
def following(
    dsn: str, log: Callable[[Pool], ChangeLog] = ChangeLog, versions: MemoryVersions | None = None
) -> Iterator[Following]:
    pool = Pool(Settings.of(DATABASE_URL=dsn))
    versions = versions or MemoryVersions()
    told: list[None] = []
    follower = Follower(
        log(pool), versions, lambda: "public", buffer=0.125, poll_s=0.05, age_s=60.0, alone=lambda: nullcontext(True),
        coverage_changed=lambda: told.append(None),
    )  # fmt: skip
    try:
        yield Following(follower, versions, told)
    finally:
        pool.close()
