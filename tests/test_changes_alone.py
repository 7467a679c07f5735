"""Who reads the log of a host: somebody who can, and no more often than is good for a database that is away."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from app.caching.host_lock import HostLock
from app.caching.memory_versions import MemoryVersions
from app.caching.versions import Asked
from app.errors import ConfigurationError
from app.following.follower import Follower
from app.repository.changes import notifying
from app.repository.changes.listening import Listener
from app.repository.changes.log import ChangeLog, Followed
from app.repository.changes.objects import WRITER
from app.repository.pool import Pool
from app.settings import Settings
from tests.change_logs import install, oid
from tests.conftest import Login
from tests.followed_cities import wait_until
from tests.servers.postgres import url


@pytest.fixture
def town(database: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE town (id int PRIMARY KEY, geom geometry(Point, 4326))")
        install(database, "town")
        return oid(connection, "town")


class Counting(ChangeLog):
    asked = 0

    def coverage(self) -> list[Followed]:
        self.asked += 1
        return super().coverage()


Follow = Callable[..., tuple[Counting, MemoryVersions, Callable[[], None]]]


@pytest.fixture
def follow() -> Iterator[Follow]:
    """`follow(dsn)` begins to follow, as one process of this host among others."""
    name = secrets.token_hex(8)
    with ExitStack() as made:

        def begin(dsn: str, poll_s: float = 0.02, *, listens: bool = False) -> tuple[Counting, MemoryVersions, Callable[[], None]]:
            settings = Settings.of(DATABASE_URL=dsn)
            pool = Pool(settings)
            made.callback(pool.close)
            log, versions = Counting(pool), MemoryVersions()
            follower = Follower(
                log, versions, lambda: "public", buffer=0.125, poll_s=poll_s, age_s=60, alone=HostLock(name).held,
                listening=Listener(settings).telling if listens else None,
            )
            made.callback(follower.close)
            follower.open()
            return log, versions, follower.close

        yield begin


def test_who_may_not_read_the_log_leaves_it_to_who_may(town: int, database: str, login: Login, follow: Follow) -> None:
    blind, _, _ = follow(login(database, "flagstone_blind"))
    wait_until(lambda: blind.asked > 0, 10)
    _, versions, _ = follow(database)
    wait_until(lambda: versions.current([Asked(town, None)]) is not None, 10)


def test_another_goes_on_where_the_one_that_read_has_ended(town: int, database: str, follow: Follow) -> None:
    _, first, close = follow(database)
    wait_until(lambda: first.current([Asked(town, None)]) is not None, 10)
    _, second, _ = follow(database)
    time.sleep(0.5)
    assert second.current([Asked(town, None)]) is None, "one reads for all"
    close()
    wait_until(lambda: second.current([Asked(town, None)]) is not None, 10)


def test_a_database_that_is_away_is_asked_less_and_less_often(town: int, database: str, follow: Follow) -> None:
    gone = url(database, host="127.0.0.1", port=1)
    logs = [follow(gone)[0] for _ in range(2)]
    time.sleep(4)
    # 0.1, 0.2, 0.4, 0.8, 1.6 s and what an attempt itself takes; both had their turn.
    assert all(1 <= each.asked <= 8 for each in logs), [each.asked for each in logs]


def test_who_listens_reads_at_once_and_when_the_line_broke_at_the_next_interval(
    town: int, database: str, follow: Follow
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        notifying.switch(connection, WRITER, on=True)
        _, versions, _ = follow(database, 2.0, listens=True)
        whole = [Asked(town, None)]
        wait_until(lambda: _listens(connection) and versions.current(whole) is not None, 10)
        delays = []
        for number in range(8):
            before = versions.current(whole)
            connection.execute("INSERT INTO town VALUES (%s, 'SRID=4326;POINT(9 47)')", [number])
            begun = time.monotonic()
            wait_until(lambda last=before: versions.current(whole) not in {None, last}, 10)  # type: ignore[misc]
            delays.append(time.monotonic() - begun)
        # Of eight readings at an interval of two seconds hardly one would come so soon.
        assert sorted(delays)[4] < 0.3, delays
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
        before = versions.current(whole)
        connection.execute("INSERT INTO town VALUES (100, 'SRID=4326;POINT(9 47)')")
        wait_until(lambda: versions.current(whole) not in {None, before}, 10)
        wait_until(lambda: _listens(connection), 10)


def _listens(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' AND datname = current_database()"
    ).fetchone()
    return row == (1,)


def test_nobody_can_listen_behind_a_pool_of_transactions() -> None:
    with pytest.raises(ConfigurationError, match="FLAGSTONE_CHANGES_LISTEN"):
        Settings.of(
            DATABASE_URL="postgresql:///maps", FLAGSTONE_CHANGES_LISTEN=True, FLAGSTONE_TRANSACTION_POOLING=True
        )
