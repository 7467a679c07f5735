"""Changes that another server made: a real subscription, and a real replica that serves tiles."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from app.layers.regions import Cell
from app.repository.changes import log
from scripts.lib import packages, postgres
from tests.change_logs import Written, following, install, oid, watching

POINT = "'SRID=4326;POINT(9.5 47.1)'"
VADUZ = (9.5, 47.1, 9.5, 47.1, 4326.0)
FAR = Cell(16, 0, 0)
_PATIENCE_S = 30.0


def skip_or_fail(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def directory() -> Iterator[Path]:
    """Not pytest's own: PostgreSQL's account, where pytest is root, may not enter that."""
    with tempfile.TemporaryDirectory(prefix="flagstone-test-", dir="/var/tmp") as made:
        Path(made).chmod(0o777)
        yield Path(made)


@pytest.fixture
def publisher(directory: Path) -> Iterator[postgres.Cluster]:
    """A PostgreSQL that others may follow."""
    if postgres.programs() is None:
        skip_or_fail(packages.sentence([packages.postgis()]))
    cluster = postgres.Cluster(directory / "first", durable=False, settings={"wal_level": "logical"})
    cluster.start()
    try:
        for database in ("source", "target"):
            cluster.sql(f"CREATE DATABASE {database}")
            cluster.sql(
                "CREATE EXTENSION postgis; CREATE TABLE town (id int PRIMARY KEY, name text, geom geometry(Point, 4326))",
                database,
            )
        yield cluster
    finally:
        cluster.stop()


def wait_for(written: Written) -> list[tuple[str, list[tuple[float, ...]] | None]]:
    """The next changes that are written down."""
    until = time.monotonic() + _PATIENCE_S
    while not (news := written.news()):
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.02)
    return news


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE_S
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_what_a_subscription_brings_is_written_down(publisher: postgres.Cluster) -> None:
    source, target = publisher.dsn("source"), publisher.dsn("target")
    with psycopg.connect(source, autocommit=True) as there, psycopg.connect(target, autocommit=True) as here:
        there.execute(f"INSERT INTO town VALUES (1, 'first', {POINT})".encode())
        there.execute("CREATE PUBLICATION towns FOR TABLE town")
        # Within one cluster the subscription cannot make its slot itself.
        there.execute("SELECT pg_create_logical_replication_slot('towns', 'pgoutput')")
        here.execute(
            f"CREATE SUBSCRIPTION towns CONNECTION '{_keywords(publisher, 'source')}' PUBLICATION towns"
            " WITH (create_slot = false, slot_name = 'towns', copy_data = false)".encode()
        )
        [done] = install(target, "town")
        assert done.tables == 1
        with watching(target) as written:
            for statement, expected in (
                (f"INSERT INTO town VALUES (2, 'second', {POINT})", {VADUZ}),
                (
                    "UPDATE town SET geom = 'SRID=4326;POINT(0 0)' WHERE id = 2",
                    {VADUZ, (0.0, 0.0, 0.0, 0.0, 4326.0)},
                ),
                ("DELETE FROM town WHERE id = 2", {(0.0, 0.0, 0.0, 0.0, 4326.0)}),
            ):
                there.execute(statement.encode())
                boxes = {box for _, found in wait_for(written) for box in found or ()}
                # The old row's place is known by its key alone, but the trigger reads the row itself.
                assert boxes == expected, statement
            there.execute("TRUNCATE town")
            assert ("town", None) in wait_for(written)
        here.execute("ALTER SUBSCRIPTION towns DISABLE")
        here.execute("ALTER SUBSCRIPTION towns SET (slot_name = NONE)")
        here.execute("DROP SUBSCRIPTION towns")
        there.execute("SELECT pg_drop_replication_slot('towns')")


def test_a_replica_sees_changes_when_it_has_them(
    publisher: postgres.Cluster, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(publisher.dsn("source"), "town")
    replica = _replica(publisher, directory / "second")
    try:
        with (
            psycopg.connect(publisher.dsn("source"), autocommit=True) as there,
            psycopg.connect(publisher.dsn("source")) as long,
            following(replica.dsn("source")) as reader,
        ):
            town = oid(there, "town")
            long.execute(f"INSERT INTO town VALUES (1, 'late', {POINT})".encode())
            first, far = reader.version(town), reader.version(town, FAR)
            assert first is not None
            there.execute(f"INSERT INTO town VALUES (2, 'early', {POINT})".encode())
            until(lambda: reader.version(town) != first)
            second = reader.version(town)
            # The long transaction holds back what the replica calls the beginning of its snapshot.
            assert [reader.version(town) for _ in range(5)] == [second] * 5
            long.commit()
            until(lambda: reader.version(town) != second)
            assert reader.version(town, FAR) == far
            monkeypatch.setattr(log, "MOST_NEWS", 10)
            long.execute(f"INSERT INTO town VALUES (3, 'late', {POINT})".encode())
            for number in range(12):
                there.execute(f"INSERT INTO town VALUES ({number + 4}, 'many', {POINT})".encode())
            until(lambda: _rows(replica) == 14)
            third = reader.version(town)
            assert third is not None
            # More than are read, again and again, and yet nothing new.
            assert [reader.version(town) for _ in range(5)] == [third] * 5
            long.commit()
            until(lambda: reader.version(town) != third)
    finally:
        replica.stop()


def _rows(cluster: postgres.Cluster) -> int:
    with psycopg.connect(cluster.dsn("source")) as connection:
        row = connection.execute("SELECT count(*) FROM town").fetchone()
    return int(row[0]) if row else 0


def _keywords(cluster: postgres.Cluster, database: str) -> str:
    return f"host={cluster.socket} user={cluster.superuser} dbname={database}"


def _replica(cluster: postgres.Cluster, home: Path) -> postgres.Cluster:
    """A second cluster that follows the first one, running."""
    made = postgres.Cluster(home, durable=False, settings={"hot_standby": "on"})
    programs = postgres.programs()
    assert programs is not None
    command = [str(programs / "pg_basebackup"), "-D", str(home / "data"), "-R", "-X", "stream", "-c", "fast", "--no-sync",
               "-d", _keywords(cluster, "postgres")]  # fmt: skip
    user = cluster.user if os.geteuid() == 0 else None
    subprocess.run(command, check=True, capture_output=True, cwd="/", user=user, timeout=120)
    made.start()
    return made
