"""What is done to a followed table behind its triggers' backs: new names, new columns, other people's types, lost rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege, ObjectNotInPrerequisiteState

from app.repository.changes import log
from app.repository.changes.log import ChangeLog, coverage
from app.repository.changes.objects import WRITER
from app.repository.pool import Pool
from app.settings import Settings
from tests.change_logs import Following, following, install, oid, watching
from tests.conftest import Login

POINT = "'SRID=4326;POINT(9.5 47.1)'"


@pytest.fixture
def there(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        connection.execute("CREATE TABLE town (id int PRIMARY KEY, name text, geom geometry(Point, 4326))")
        connection.execute(f"INSERT INTO town VALUES (1, 'Vaduz', {POINT})".encode())
        yield connection


def fault(connection: psycopg.Connection) -> str | None:
    return next(each.fault for each in coverage(connection) if each.name == "public.town")


_RUN_BY_THE_CAST = "CREATE FUNCTION sneak(s sneaky) RETURNS geometry LANGUAGE plpgsql AS $$ BEGIN PERFORM public.note(1); RETURN NULL; END $$"
# A function of SQL is put in place of its call while the statement is planned, and what is constant in it is run then.
_RUN_BY_THE_PLANNER = (
    "CREATE FUNCTION sneak(s sneaky) RETURNS geometry LANGUAGE sql IMMUTABLE AS"
    " $$ SELECT CASE WHEN (s).x > 0 AND public.note(1) THEN NULL::public.geometry END $$"
)


@pytest.mark.parametrize("cast", [_RUN_BY_THE_CAST, _RUN_BY_THE_PLANNER])
def test_a_type_of_the_owner_s_own_runs_nothing_as_the_log_s_role(
    there: psycopg.Connection, database: str, login: Login, cast: str
) -> None:
    bob = login(database, "flagstone_bob", "GRANT CREATE ON SCHEMA public TO flagstone_bob")
    there.execute("ALTER TABLE town OWNER TO flagstone_bob")
    install(database, "town")
    with psycopg.connect(bob, autocommit=True) as owner:
        owner.execute("SET search_path = public")
        owner.execute("CREATE TABLE ran (as_whom text); GRANT INSERT ON ran TO PUBLIC")
        owner.execute("CREATE TYPE sneaky AS (x float8)")
        owner.execute(
            "CREATE FUNCTION noted() RETURNS boolean LANGUAGE plpgsql AS $$"
            " BEGIN INSERT INTO public.ran VALUES (current_user); RETURN true; END $$"
        )
        owner.execute(
            "CREATE FUNCTION note(x int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN public.noted(); END $$"
        )
        owner.execute(cast.encode())
        owner.execute("CREATE CAST (sneaky AS geometry) WITH FUNCTION sneak(sneaky) AS IMPLICIT")
        owner.execute("ALTER TABLE town DROP COLUMN geom, ADD COLUMN geom sneaky")
        with watching(database) as written:
            owner.execute("INSERT INTO town VALUES (2, 'Chur', ROW(1)::sneaky)")
            assert written.news() == [("town", None)]
        assert owner.execute("SELECT as_whom FROM ran").fetchall() == []


@contextmanager
def followed(dsn: str) -> Iterator[tuple[Following, int]]:
    with psycopg.connect(dsn, autocommit=True) as connection, following(dsn) as each:
        yield each, oid(connection, "town")


@pytest.mark.parametrize(
    "statements",
    [
        ("ALTER TABLE town DROP COLUMN name", "ALTER TABLE town ADD COLUMN name text DEFAULT 'Schaan'"),
        ("ALTER TABLE town RENAME TO village",),
    ],
)
def test_what_tiles_show_changes_without_a_row_that_does(
    there: psycopg.Connection, database: str, statements: tuple[str, ...]
) -> None:
    install(database, "town")
    with followed(database) as (each, table):
        before = each.version(table)
        assert before is not None
        assert before == each.version(table)
        for statement in statements:
            there.execute(statement.encode())
        assert each.version(table) not in (None, before)


def test_a_table_that_takes_another_s_name_is_told_to_the_catalog(there: psycopg.Connection, database: str) -> None:
    there.execute("CREATE TABLE next (LIKE town INCLUDING ALL)")
    install(database, "town", "next")
    with followed(database) as (each, table):
        each.version(table)
        told = len(each.told)
        there.execute("ALTER TABLE town RENAME TO last")
        there.execute("ALTER TABLE next RENAME TO town")
        each.version(table)
        assert len(each.told) > told


def test_a_copy_of_a_database_is_not_taken_for_it(there: psycopg.Connection, database: str) -> None:
    install(database, "town")
    name = there.info.dbname
    there.close()
    with psycopg.connect(database, dbname="postgres", autocommit=True) as connection:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(copy.format(sql.Identifier(f"{name}_copy"), sql.Identifier(name)))
        try:
            servers = set()
            for each in (name, f"{name}_copy"):
                pool = Pool(Settings.of(DATABASE_URL=make_conninfo(database, dbname=each)))
                servers.add(ChangeLog(pool).read("1:1:", "public").server)
                pool.close()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(f"{name}_copy")))
    assert len(servers) == 2


def test_to_install_again_makes_nothing_stale(there: psycopg.Connection, database: str) -> None:
    install(database, "town")
    with followed(database) as (each, table):
        before = each.version(table)
        install(database, "town")
        assert each.version(table) == before is not None
        there.execute("DROP TRIGGER flagstone_change_update ON town")
        install(database, "town")
        assert each.version(table) not in (None, before)


def test_a_role_without_its_rights_is_a_fault_that_install_mends(there: psycopg.Connection, database: str) -> None:
    install(database, "town")
    assert fault(there) is None
    there.execute(f"REVOKE ALL ON flagstone.change FROM {WRITER}".encode())
    assert "may not write the log" in (fault(there) or "")
    with pytest.raises(InsufficientPrivilege):
        there.execute(f"INSERT INTO town VALUES (2, 'Chur', {POINT})".encode())
    install(database, "town")
    assert fault(there) is None
    there.execute(f"INSERT INTO town VALUES (2, 'Chur', {POINT})".encode())


def test_what_a_session_says_of_itself_hides_no_change(there: psycopg.Connection, database: str) -> None:
    install(database, "town")
    with watching(database) as written:
        there.execute(f"SET flagstone.changes_{oid(there, 'town')} = '5000'".encode())
        there.execute("UPDATE town SET name = 'Schaan'")
        assert len(written.news()) == 1


def test_to_tell_of_what_nobody_follows_is_refused(there: psycopg.Connection, database: str) -> None:
    there.execute("CREATE VIEW seen AS SELECT * FROM town")
    there.execute("CREATE TABLE elsewhere (id int)")
    install(database, "town")
    there.execute("SELECT flagstone.changed('town')")
    for name in ("seen", "elsewhere"):
        with pytest.raises(ObjectNotInPrerequisiteState, match="is not followed"):
            there.execute("SELECT flagstone.changed(%s::regclass)", [name])


def boxes(dsn: str, default_srid: int | None = None) -> list[object]:
    """Of each change in the log."""
    pool = Pool(Settings.of(DATABASE_URL=dsn))
    try:
        read = ChangeLog(pool, default_srid).read("1:1:", "public")
        return [each.boxes for each in read.changes or ()]
    finally:
        pool.close()


def test_rows_of_srid_0_are_where_the_setting_says(there: psycopg.Connection, database: str) -> None:
    there.execute("CREATE TABLE parcel (id int PRIMARY KEY, geom geometry)")
    install(database, "parcel")
    there.execute("TRUNCATE flagstone.change")
    there.execute("INSERT INTO parcel VALUES (1, 'POINT(2600000 1200000)')")
    [found] = boxes(database, 2056)
    assert isinstance(found, tuple)
    assert (found[0].xmin, found[0].ymin) == pytest.approx((7.4386, 46.9511), abs=0.01)


def test_a_box_that_begins_east_of_its_end_may_be_anywhere(there: psycopg.Connection, database: str) -> None:
    install(database, "town")
    there.execute("TRUNCATE flagstone.change")
    there.execute("SELECT flagstone.changed('town', 175, -20, -175, -10)")
    there.execute("SELECT flagstone.changed('town', 9, 47, 10, 48)")
    first, second = boxes(database)
    assert first is None
    assert second is not None


def test_the_table_with_most_boxes_gives_way(
    there: psycopg.Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.execute("CREATE TABLE other (LIKE town INCLUDING ALL)")
    install(database, "town", "other")
    monkeypatch.setattr(log, "MOST_BOXES", 3)
    there.execute("TRUNCATE flagstone.change")
    there.execute(f"INSERT INTO other SELECT n, '', {POINT} FROM generate_series(1, 3) AS n".encode())
    there.execute(f"INSERT INTO town SELECT n, '', {POINT} FROM generate_series(2, 6) AS n".encode())
    three, five = boxes(database)
    assert isinstance(three, tuple)
    assert len(three) == 3
    assert five is None


def test_who_does_not_read_the_log_hears_of_what_is_followed(there: psycopg.Connection, database: str) -> None:
    with following(database) as each:
        each.follower.coverage.look()
        install(database, "town")
        each.follower.coverage.look()
        assert each.told == [None]
