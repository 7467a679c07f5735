"""The log of changes as its readers see it: late commits, what was pruned, and positions of another time."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection

from app.caching.memory_versions import MemoryVersions
from app.layers.bounds import Bounds
from app.layers.regions import Cell
from app.repository.changes import log
from app.repository.changes.boxes import lonlat_boxes
from app.repository.changes.log import ChangeLog
from app.repository.changes.position import Position
from tests.change_logs import following, install, oid

POINT = "'SRID=4326;POINT(9.5 47.1)'"
INSERT = f"INSERT INTO public.town (geom) VALUES ({POINT})".encode()
FAR = Cell(16, 0, 0)
_PATIENCE_S = 60.0


@pytest.fixture
def there(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        for name in ("town", "river"):
            connection.execute(f"CREATE TABLE {name} (id serial PRIMARY KEY, geom geometry)".encode())
        install(database, "town", "river")
        yield connection


def test_a_transaction_that_commits_late_is_not_lost(there: Connection, database: str) -> None:
    town, river = oid(there, "town"), oid(there, "river")
    with following(database) as reader, psycopg.connect(database) as early, psycopg.connect(database) as late:
        first = reader.version(town)
        early.execute(INSERT)  # its number is lower, and so is its row's
        late.execute(INSERT)
        late.commit()
        second = reader.version(town)
        assert second not in (None, first)
        quiet = reader.version(river)
        for _ in range(3):
            there.execute(INSERT)
            reader.version(town)
        third = reader.version(town)
        early.commit()
        assert reader.version(town) not in (None, first, second, third)
        assert reader.version(river) == quiet


def test_a_transaction_of_savepoints_commits_late_and_is_not_lost(there: Connection, database: str) -> None:
    town = oid(there, "town")
    with following(database) as reader, psycopg.connect(database) as writer:
        with writer.transaction():
            with writer.transaction():
                writer.execute(INSERT)
            with writer.transaction(force_rollback=True):
                writer.execute(INSERT)
            there.execute("INSERT INTO river (geom) VALUES (NULL)")
            before = reader.version(town)
        assert reader.version(town) not in (None, before)


def test_rolled_back_changes_make_nothing_stale(there: Connection, database: str) -> None:
    town = oid(there, "town")
    with following(database) as reader, psycopg.connect(database) as writer:
        first = reader.version(town)
        writer.execute(INSERT)
        writer.rollback()
        assert reader.version(town) == first


def test_a_change_somewhere_leaves_the_rest_as_it_was(there: Connection, database: str) -> None:
    town = oid(there, "town")
    with following(database) as reader:
        far, world = reader.version(town, FAR), reader.version(town)
        there.execute(INSERT)
        assert reader.version(town, FAR) == far
        assert reader.version(town) != world


def test_readers_that_were_away_catch_up(there: Connection, database: str) -> None:
    """Versions outlive their readers, as in Redis; what happened in between is applied before anything is believed."""
    town, versions = oid(there, "town"), MemoryVersions()
    with following(database, versions=versions) as reader:
        far, world = reader.version(town, FAR), reader.version(town)
    there.execute(INSERT)
    with following(database, versions=versions) as reader:
        assert reader.version(town) not in (None, world)
        assert reader.version(town, FAR) == far


def test_tables_with_positions_of_different_times_are_read_each_from_its_own(
    there: Connection, database: str
) -> None:
    town, river, versions = oid(there, "town"), oid(there, "river"), MemoryVersions()
    with following(database, versions=versions) as reader, psycopg.connect(database) as writer:
        far = reader.version(town, FAR), reader.version(river, FAR)
        writer.execute("INSERT INTO public.river (geom) VALUES ('SRID=4326;POINT(-180 85.06)')")
        there.execute(INSERT)
        reader.version(town)
        writer.commit()
    with following(database, versions=versions) as reader:
        assert reader.version(town, FAR) == far[0]
        assert reader.version(river, FAR) not in (None, far[1])


def test_too_many_changes_at_once_are_a_change_of_everything(
    there: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MOST_NEWS", 10)
    town = oid(there, "town")
    with following(database) as reader:
        far = reader.version(town, FAR)
        for _ in range(10):
            there.execute(INSERT)
        assert reader.version(town, FAR) == far
        for _ in range(11):
            there.execute(INSERT)
        assert reader.version(town, FAR) not in (None, far)


def aged(connection: Connection) -> None:
    connection.execute("UPDATE flagstone.change SET made = made - interval '2 hours'")


def pruned(connection: Connection) -> None:
    """Prune, once nobody else of the cluster is under way who began before the last change: its rows stay for so long."""
    row = connection.execute(
        "SELECT max(tx::text::bigint) FROM flagstone.change WHERE tx < pg_snapshot_xmax(pg_current_snapshot())"
    ).fetchone()
    until = time.monotonic() + _PATIENCE_S
    while connection.execute(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s", [(row and row[0]) or 0]
    ).fetchone() != (True,):
        assert time.monotonic() < until, "somebody else's transaction goes on"
        time.sleep(0.05)
    connection.execute("SELECT flagstone.change_prune()")


def test_old_changes_are_pruned_and_young_ones_stay(there: Connection) -> None:
    there.execute(INSERT)
    aged(there)
    there.execute(INSERT)
    pruned(there)
    assert there.execute("SELECT count(*) FROM flagstone.change").fetchone() == (1,)
    assert there.execute("SELECT tx > '0' FROM flagstone.change_horizon").fetchone() == (True,)


def test_the_log_is_pruned_by_who_writes(there: Connection) -> None:
    aged(there)
    until = time.monotonic() + _PATIENCE_S
    while there.execute(
        "SELECT count(*) FROM flagstone.change WHERE made < clock_timestamp() - interval '1 hour'"
    ).fetchone() != (0,):
        assert time.monotonic() < until
        there.execute(
            "DO $$ BEGIN FOR i IN 1..900 LOOP INSERT INTO public.town (geom) VALUES (NULL); COMMIT; END LOOP; END $$"
        )


def test_a_reader_behind_what_was_pruned_takes_everything_for_new(there: Connection, database: str) -> None:
    town, versions = oid(there, "town"), MemoryVersions()
    with following(database, versions=versions) as reader:
        far = reader.version(town, FAR)
    there.execute(INSERT)
    aged(there)
    pruned(there)
    with following(database, versions=versions) as reader:
        behind = reader.version(town, FAR)
        assert behind not in (None, far)
        assert reader.version(town, FAR) == behind


def test_a_long_transaction_keeps_the_log_and_does_not_make_everything_new_again_and_again(
    there: Connection, database: str
) -> None:
    town = oid(there, "town")
    with following(database) as reader, psycopg.connect(database) as long:
        long.execute(
            "CREATE TABLE other ()"
        )  # it has a number, and holds back what every snapshot calls its beginning
        there.execute(INSERT)
        reader.version(town)
        aged(there)
        there.execute("SELECT flagstone.change_prune()")
        far = reader.version(town, FAR)
        assert [reader.version(town, FAR) for _ in range(3)] == [far] * 3
        long.rollback()
        pruned(there)
        assert there.execute("SELECT count(*) FROM flagstone.change").fetchone() == (0,)


def test_rows_that_came_with_a_dump_are_no_news_and_go_away(there: Connection, database: str) -> None:
    town = oid(there, "town")
    there.execute(
        "INSERT INTO flagstone.change (tx, made, relation) VALUES ('999999999', now() - interval '2 hours', %s)",
        [town],
    )
    there.execute("UPDATE flagstone.change_horizon SET tx = '999999999'")
    with following(database) as reader:
        far = reader.version(town, FAR)
        assert far is not None and reader.version(town, FAR) == far
        pruned(there)
        there.execute(INSERT)
        assert reader.version(town, FAR) == far
    assert there.execute("SELECT count(*) FROM flagstone.change WHERE tx = '999999999'").fetchone() == (0,)


def test_a_database_restored_from_an_earlier_time_or_another_server_is_new(
    there: Connection, database: str
) -> None:
    town, versions = oid(there, "town"), MemoryVersions()
    with following(database, versions=versions) as reader:
        first = reader.version(town)
        position = Position.parse(versions.positions([town])[town])
        assert position is not None
        reader.follower._positions = {
            town: Position(position.shape, position.xmin + 10**6, position.xmax + 10**6, frozenset())
        }
        second = reader.version(town)
        assert second not in (None, first)
        shape, _, server = position.shape.partition(".")
        reader.follower._positions = {
            town: Position(f"{shape}.1{server}", position.xmin, position.xmax, frozenset())
        }
        assert reader.version(town) not in (None, first, second)


class OfReplica(ChangeLog):
    """What a replica's snapshot tells: where it begins, and not which of the later transactions are still under way."""

    def read(self, snapshot: str, postgis: str, applied: object = ()) -> log.News:
        news = super().read(snapshot, postgis, applied)  # type: ignore[arg-type]
        seen = frozenset(each.tx for each in news.changes or ())
        return news._replace(snapshot=f"{news.snapshot.partition(':')[0]}:" * 2, replicated=seen)


def test_on_a_replica_what_lies_between_the_ends_of_its_snapshot_is_applied_once(
    there: Connection, database: str
) -> None:
    town = oid(there, "town")
    with following(database, OfReplica) as reader, psycopg.connect(database) as long:
        long.execute(INSERT)
        first = reader.version(town)
        there.execute(INSERT)
        second = reader.version(town)
        assert second != first
        assert [reader.version(town) for _ in range(3)] == [second] * 3
        long.commit()
        third = reader.version(town)
        assert third != second
        assert reader.version(town) == third


def test_anything_that_is_told_is_survived(there: Connection, database: str) -> None:
    town = oid(there, "town")
    with following(database) as reader:
        for told in (
            "'town', 'NaN', 0, 1, 1", "'town', '-Infinity', 0, 'Infinity', 1", "'town', NULL, 0, 1, 1", "'town', 0, 0, 1, 1, NULL",
            "'town', 0, 0, 1, 1, 123456", "'town', 1e300, 0, 1, 1, 3857", "'town', 5, 5, 1, 1, 2056", "'town', 0, 0, 1, 1, -1",
        ):  # fmt: skip
            before = reader.version(town)
            there.execute(f"SELECT flagstone.changed({told})".encode())
            after = reader.version(town)
            assert after is not None
            assert after != before, told
        there.execute(
            "INSERT INTO flagstone.change (relation, boxes) VALUES (%s, '{1,2,3}'), (%s, '{{1,2}}')",
            [town, town],
        )
        assert reader.version(town) not in (None, after)


def test_a_log_without_its_horizon_is_doubt(there: Connection, database: str) -> None:
    there.execute("DELETE FROM flagstone.change_horizon")
    with following(database) as reader, pytest.raises(Exception, match="no horizon"):
        reader.version(oid(there, "town"))


def test_boxes_come_out_in_longitude_and_latitude(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        found = lonlat_boxes(
            connection,
            [
                [[1.0, 2.0, 3.0, 4.0, 4326.0], [1.0, 2.0, 3.0, 4.0, 0.0]],
                [[20_037_508.34, 0.0, 21_000_000.0, 1.0, 3857.0]],
                [[757_000.0, 223_000.0, 757_000.0, 223_000.0, 21781.0]],
                [[-1e6, -1e6, 1e6, 1e6, 3995.0]],
                [[1.0, 2.0, 3.0, 4.0, 424242.0]],
                None,
            ],
            "public",
        )
    assert found[0] == (Bounds(1, 2, 3, 4),) * 2
    [beyond] = found[1] or ()
    assert beyond.xmin == pytest.approx(180, abs=1e-6) and beyond.xmax > 188
    [sargans] = found[2] or ()
    assert (sargans.xmin, sargans.ymin) == pytest.approx((9.48, 47.13), abs=0.1)
    assert found[3:] == [None, None, None]


def test_statements_run_under_any_search_path(there: Connection, database: str) -> None:
    there.execute("CREATE SCHEMA evil")
    there.execute("CREATE VIEW evil.pg_trigger AS SELECT 1 AS nothing")
    there.execute("CREATE VIEW evil.pg_class AS SELECT 1 AS nothing")
    name = there.info.dbname
    there.execute(f'ALTER DATABASE "{name}" SET search_path = evil, pg_catalog'.encode())
    with following(database) as reader:
        assert reader.version(oid(there, "town")) is not None


def test_positions_survive_being_written_down() -> None:
    position = Position("abc.123", 10, 20, frozenset({10, 15}))
    assert Position.parse(str(position)) == position
    assert Position.parse("nonsense") is None and Position.parse("a@1:b:") is None
    assert [position.has_read(tx) for tx in (9, 10, 11, 15, 19, 20)] == [
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    other = Position("", 12, 14, frozenset({12}))
    both = Position.before([position, other])
    for tx in range(25):
        assert both.has_read(tx) or not (position.has_read(tx) and other.has_read(tx))
        assert not both.has_read(tx) or (position.has_read(tx) and other.has_read(tx))
