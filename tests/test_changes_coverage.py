"""Partitions and inheriting tables; and what takes a table's changes out of sight, which the readers have to notice."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection

from app.errors import ConfigurationError
from app.repository.changes.log import Followed, coverage
from tests.change_logs import following, install, oid, uninstall, watching

POINT = "'SRID=4326;POINT(9.5 47.1)'"
VADUZ = (9.5, 47.1, 9.5, 47.1, 4326.0)


@pytest.fixture
def there(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        connection.execute("CREATE TABLE flat (id int PRIMARY KEY, geom geometry)")
        connection.execute("CREATE TABLE whole (id int, geom geometry) PARTITION BY RANGE (id)")
        connection.execute("CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (10)")
        connection.execute(
            "CREATE TABLE high PARTITION OF whole FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id)"
        )
        connection.execute("CREATE TABLE twelve PARTITION OF high FOR VALUES IN (12)")
        connection.execute("CREATE TABLE parent (id int, geom geometry)")
        connection.execute("CREATE TABLE child (more text, extra geometry) INHERITS (parent)")
        yield connection


def covered(connection: Connection) -> dict[str, Followed]:
    return {each.table_name: each for each in coverage(connection)}


def fault(connection: Connection, table: str) -> str | None:
    return covered(connection)[table].fault


def test_writes_that_name_the_whole_or_a_partition_are_all_seen(there: Connection, database: str) -> None:
    assert install(database, "whole")[0].tables == 4
    with watching(database) as written:
        for statement in (
            f"INSERT INTO whole VALUES (1, {POINT})", f"INSERT INTO low VALUES (2, {POINT})", f"INSERT INTO twelve VALUES (12, {POINT})",
            "UPDATE twelve SET geom = geom", "DELETE FROM low WHERE id = 2", "UPDATE high SET geom = geom",
        ):  # fmt: skip
            news = written.after(statement)
            assert {box for _, found in news for box in found or ()} == {VADUZ}, statement
        moved = written.after("UPDATE whole SET id = 12, geom = 'SRID=4326;POINT(0 0)' WHERE id = 1")
        assert {box for _, found in moved for box in found or ()} == {VADUZ, (0.0, 0.0, 0.0, 0.0, 4326.0)}
        assert ("whole", None) in written.after("TRUNCATE whole")
        assert written.after("TRUNCATE twelve") == [("twelve", None)]


def test_writes_that_name_a_parent_or_a_child_are_all_seen(there: Connection, database: str) -> None:
    install(database, "parent")
    with watching(database) as written:
        assert written.after(f"INSERT INTO child VALUES (1, {POINT})") == [("child", [VADUZ])]
        assert {box for _, found in written.after("UPDATE parent SET id = 2") for box in found or ()} == {
            VADUZ
        }
        assert {box for _, found in written.after("DELETE FROM parent") for box in found or ()} == {VADUZ}
        assert ("child", None) in written.after("TRUNCATE parent")


def test_partitions_that_come_and_go_raise_the_version_of_the_whole(there: Connection, database: str) -> None:
    install(database, "whole")
    table = oid(there, "whole")
    with following(database) as reader:
        first = reader.version(table)
        assert first is not None and reader.version(table) == first
        there.execute("ALTER TABLE whole DETACH PARTITION low")
        second = reader.version(table)
        assert second not in (None, first)
        there.execute(f"INSERT INTO low VALUES (5, {POINT})".encode())
        assert reader.version(table) == second
        there.execute("ALTER TABLE whole ATTACH PARTITION low FOR VALUES FROM (0) TO (10)")
        # Its triggers are still the old ones: they call the function of the whole.
        third = reader.version(table)
        assert third not in (None, first, second)


def test_a_partition_without_triggers_ends_that_the_whole_is_followed(
    there: Connection, database: str
) -> None:
    install(database, "whole")
    table = oid(there, "whole")
    with following(database) as reader:
        first = reader.version(table)
        told = len(reader.told)
        there.execute("CREATE TABLE late PARTITION OF whole FOR VALUES FROM (20) TO (30)")
        assert reader.version(table) is None
        assert len(reader.told) > told
        assert fault(there, "whole") == "public.late lacks triggers, or they are disabled"
        install(database, "whole")
        again = reader.version(table)
        assert again not in (None, first)
        assert fault(there, "whole") is None


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE flat DISABLE TRIGGER ALL", "ALTER TABLE flat DISABLE TRIGGER flagstone_change_truncate",
        "DROP TRIGGER flagstone_change_delete ON flat", "ALTER TABLE flat ENABLE REPLICA TRIGGER flagstone_change_insert",
        "DROP TABLE flat", "DROP SCHEMA flagstone CASCADE",
    ],
)  # fmt: skip
def test_triggers_that_somebody_took_away_are_missed(
    there: Connection, database: str, statement: str
) -> None:
    install(database, "flat")
    table = oid(there, "flat")
    with following(database) as reader:
        assert reader.version(table) is not None
        there.execute(statement.encode())
        assert reader.version(table) is None


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE flat ALTER COLUMN geom TYPE geometry USING ST_Translate(geom, 1, 1)", "VACUUM FULL flat", "CLUSTER flat USING flat_pkey",
        "ALTER TABLE flat ADD COLUMN made text DEFAULT clock_timestamp()::text",
    ],
)  # fmt: skip
def test_a_table_that_is_rewritten_is_new(there: Connection, database: str, statement: str) -> None:
    there.execute(f"INSERT INTO flat VALUES (1, {POINT})".encode())
    install(database, "flat")
    table = oid(there, "flat")
    with following(database) as reader:
        first = reader.version(table)
        there.execute(statement.encode())
        assert reader.version(table) not in (None, first)


def test_triggers_that_were_away_for_a_moment_make_everything_new(there: Connection, database: str) -> None:
    install(database, "flat")
    table = oid(there, "flat")
    with following(database) as reader:
        first = reader.version(table)
        there.execute("ALTER TABLE flat DISABLE TRIGGER ALL")
        there.execute("INSERT INTO flat VALUES (1, NULL)")
        there.execute("ALTER TABLE flat ENABLE TRIGGER ALL")
        assert reader.version(table) not in (None, first)


def test_a_partition_that_is_followed_for_itself_has_a_version_of_both(
    there: Connection, database: str
) -> None:
    install(database, "whole", "low")
    whole, low = oid(there, "whole"), oid(there, "low")
    with following(database) as reader:
        before = reader.version(whole), reader.version(low)
        there.execute(f"INSERT INTO low VALUES (1, {POINT})".encode())
        after = reader.version(whole), reader.version(low)
        assert None not in after and before[0] != after[0] and before[1] != after[1]
    uninstall(database, "low")
    assert {name: each.fault for name, each in covered(there).items()} == {"whole": None}
    install(database, "low")
    uninstall(database, "whole")
    assert {name: each.fault for name, each in covered(there).items()} == {"low": None}


def test_a_child_s_own_geometry_column_is_looked_at_where_the_child_is_followed(
    there: Connection, database: str
) -> None:
    install(database, "child", "parent")
    with watching(database) as written:
        [(_, found)] = written.after(f"INSERT INTO child (extra) VALUES ({POINT})")
        assert found == [VADUZ]


def test_a_foreign_table_below_is_refused_since_its_writers_would_fail(
    there: Connection, database: str
) -> None:
    there.execute("CREATE EXTENSION postgres_fdw")
    there.execute("CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1')")
    there.execute("CREATE FOREIGN TABLE far PARTITION OF whole FOR VALUES FROM (20) TO (30) SERVER elsewhere")
    with pytest.raises(ConfigurationError, match=r"public\.far, which is below it, is a foreign table"):
        install(database, "whole")
    there.execute("ALTER TABLE whole DETACH PARTITION far")
    install(database, "whole")
    there.execute("ALTER TABLE whole ATTACH PARTITION far FOR VALUES FROM (20) TO (30)")
    assert (fault(there, "whole") or "").startswith("public.far is a foreign table: others may write it, and INSERTs")


def test_views_can_have_no_triggers(there: Connection, database: str) -> None:
    there.execute("CREATE VIEW seen AS SELECT * FROM flat")
    with pytest.raises(ConfigurationError, match="is a view: it can have no triggers"):
        install(database, "seen")


def test_triggers_of_another_database_s_numbers_do_not_count(there: Connection, database: str) -> None:
    """After a dump was restored, what is followed has numbers of the cluster where it was made."""
    install(database, "flat")
    there.execute("UPDATE flagstone.change_followed SET relation = %s", [oid(there, "low")])
    assert [each.fault for each in coverage(there)] == ["public.low lacks triggers, or they are disabled"]
    install(database, "flat")
    assert fault(there, "flat") is None


def test_row_triggers_stand_by_for_what_replication_brings(there: Connection, database: str) -> None:
    """An apply worker fires none for statements; what it does is done here by the session's role and by hand."""
    # A subscription cannot be made here without another server; what it leaves in the catalog can.
    there.execute("SET allow_system_table_mods = on")
    there.execute("INSERT INTO pg_subscription_rel VALUES (1, 'flat'::regclass, 'r', NULL)")
    install(database, "flat")
    assert fault(there, "flat") is None
    enabled: dict[str, str] = dict(
        there.execute(
            "SELECT tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = 'flat'::regclass"
        ).fetchall()
    )
    assert enabled.pop("flagstone_change_row") == "R" and set(enabled.values()) == {"A"}
    with watching(database) as written:
        assert written.after(f"INSERT INTO flat VALUES (1, {POINT})") == [("flat", [VADUZ])]
        written.after("SET session_replication_role = replica")
        # Only the trigger for rows, as in an apply worker.
        for name in enabled:
            there.execute(f"ALTER TABLE flat ENABLE TRIGGER {name}".encode())
        assert written.after(f"INSERT INTO flat VALUES (2, {POINT}), (3, NULL)") == [
            ("flat", [VADUZ]),
            ("flat", []),
        ]
        assert written.after("UPDATE flat SET geom = 'SRID=4326;POINT(0 0)' WHERE id = 2")[0][1] == [
            VADUZ,
            (0.0, 0.0, 0.0, 0.0, 4326.0),
        ]
        assert written.after("DELETE FROM flat WHERE id = 2") == [("flat", [(0.0, 0.0, 0.0, 0.0, 4326.0)])]
    assert fault(there, "flat") == "public.flat lacks triggers, or they are disabled"
    there.execute("DELETE FROM pg_subscription_rel")


def test_rows_of_other_shape_in_a_partition_are_read_by_name(there: Connection, database: str) -> None:
    there.execute("CREATE TABLE turned (geom geometry, gone text, id int)")
    there.execute("ALTER TABLE turned DROP COLUMN gone")
    there.execute("ALTER TABLE whole ATTACH PARTITION turned FOR VALUES FROM (20) TO (30)")
    install(database, "whole")
    with watching(database) as written:
        assert written.after(f"INSERT INTO turned (id, geom) VALUES (20, {POINT})") == [("turned", [VADUZ])]
        assert written.after(f"INSERT INTO whole (id, geom) VALUES (21, {POINT})") == [("whole", [VADUZ])]
