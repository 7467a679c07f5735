"""What may happen around a refresh: writers, other builds, tables that go, grants, and the command itself."""

from __future__ import annotations

import json

import psycopg
import pytest

from app import create_app
from app.errors import NotFound, OverviewError
from app.repository.overviews.one_at_a_time import lock_of
from app.settings import Settings
from tests.conftest import Login
from tests.overview_refreshes import assert_equals_a_build, kept
from tests.test_overview_refresh import POINTS, loaded


def test_a_row_written_during_a_refresh_comes_with_the_next_one(database: str) -> None:
    with (
        kept(loaded(database, POINTS), "public.places", range(5)) as made,
        psycopg.connect(database) as writer,
    ):
        writer.execute(
            "UPDATE places SET geom = ST_SetSRID(ST_MakePoint(1, 1), 4326), people = 5000 WHERE id < 20"
        )
        writer.execute("SAVEPOINT inner_one")
        writer.execute("DELETE FROM places WHERE id = 30")
        writer.execute("INSERT INTO places SELECT 30, name, people, geom FROM places WHERE id = 31")
        writer.execute("RELEASE inner_one")
        made.edit("UPDATE places SET name = 'other' WHERE id = 100")
        assert made.refresh().dirty_rows < 200
        writer.commit()
        assert made.refresh().rows > 0
        assert_equals_a_build(made)


def test_a_build_while_a_transaction_is_open_misses_nothing_of_it(database: str) -> None:
    with psycopg.connect(loaded(database, POINTS)) as writer:
        writer.execute("SAVEPOINT inner_one")
        writer.execute("UPDATE places SET geom = ST_Translate(geom, 0.001, 0)  WHERE id < 50")
        writer.execute("RELEASE inner_one")
        with kept(database, "public.places", range(5)) as made:
            assert made.refresh().dirty_blocks == 0
            writer.commit()
            assert made.refresh().dirty_blocks > 0
            assert_equals_a_build(made)


def test_a_partition_exchanged_for_one_of_as_many_old_rows_is_seen(database: str) -> None:
    statements = """
    CREATE TABLE public.split (id int PRIMARY KEY, name text, geom geometry(Point, 4326)) PARTITION BY RANGE (id);
    CREATE TABLE public.low PARTITION OF public.split FOR VALUES FROM (0) TO (100);
    CREATE TABLE public.low_then (LIKE public.low INCLUDING ALL);
    INSERT INTO public.split SELECT n, 'was', ST_SetSRID(ST_MakePoint(n, n / 2), 4326) FROM generate_series(1, 50) AS n;
    INSERT INTO public.low_then SELECT n, 'is', ST_SetSRID(ST_MakePoint(n, n / 2), 4326) FROM generate_series(1, 50) AS n;
    """
    with kept(loaded(database, statements), "public.split", range(3)) as made:
        made.edit("ALTER TABLE split DETACH PARTITION low")
        made.edit("ALTER TABLE split ATTACH PARTITION low_then FOR VALUES FROM (0) TO (100)")
        assert made.refresh().rows > 0
        assert_equals_a_build(made)


def test_a_band_dropped_by_hand_is_built_again(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(3)) as made:
        made.edit("DROP TABLE flagstone.overview_1_z1")
        assert made.refresh().rebuilt == "a table of it was dropped"
        assert set(made.tables()) == {"z0", "z1", "z2"}


def test_a_column_more_makes_a_build(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(3)) as made:
        made.edit("ALTER TABLE places ADD COLUMN kind text DEFAULT 'town'")
        assert "columns" in str(made.refresh().rebuilt)
        assert_equals_a_build(made)


def test_a_table_rewritten_from_end_to_end_is_built_again(database: str) -> None:
    many = POINTS.replace("2000", "30000")
    with kept(loaded(database, many), "public.places", range(3)) as made:
        made.edit("UPDATE places SET name = name || '!'")
        assert made.refresh().rebuilt == "30,000 of 30,000 rows may have changed"
        assert_equals_a_build(made)


def test_two_at_once_are_told(database: str) -> None:
    with (
        kept(loaded(database, POINTS), "public.places", range(2)) as made,
        psycopg.connect(database) as other,
    ):
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [lock_of(made.target)])
        with pytest.raises(OverviewError, match="Another build or refresh"):
            made.refresh()


def test_without_an_overview_there_is_nothing_to_refresh(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(2)) as made:
        made.edit("DELETE FROM flagstone.overview")
        with pytest.raises(NotFound, match="flask overviews build"):
            made.refresh()


def test_grants_become_those_of_the_table(database: str, login: Login) -> None:
    login(loaded(database, POINTS), "flagstone_fresh_reader")
    with kept(database, "public.places", range(2)) as made:
        made.edit("GRANT SELECT ON places TO flagstone_fresh_reader")
        made.refresh()
        asked = "SELECT has_table_privilege('flagstone_fresh_reader', 'flagstone.overview_1_z0', 'SELECT')"
        assert made.editor.execute(asked).fetchone() == (True,)
        made.edit("REVOKE SELECT ON places FROM flagstone_fresh_reader")
        made.refresh()
        assert made.editor.execute(asked).fetchone() == (False,)


def test_a_million_points_on_one_place_count_on(database: str) -> None:
    one = (
        "CREATE TABLE public.places (id int PRIMARY KEY, geom geometry(Point, 4326)); INSERT INTO public.places"
        + (" SELECT n, ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326) FROM generate_series(1, 50000) AS n")
    )
    with kept(loaded(database, one), "public.places", range(3)) as made:
        made.edit(
            "INSERT INTO places SELECT n, ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326) FROM generate_series(50001, 50010) AS n"
        )
        made.refresh()
        assert made.counts() == {"z0": 50010, "z1": 50010, "z2": 50010}


def test_the_command_says_what_it_did(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(3)):
        pass
    assert "is fresh" in _invoked(database, "refresh", "public.places")
    loaded(database, "DELETE FROM public.places WHERE id < 5")
    [done] = json.loads(_invoked(database, "refresh", "--all", "--format", "json"))
    assert (done["outcome"], done["layer"], len(done["tables"])) == ("refreshed", "public.places", 3)
    assert _invoked(database, "refresh", "--all", "--quiet") == ""
    loaded(database, "CREATE TABLE public.others (id int PRIMARY KEY, geom geometry(Point, 4326))")
    assert "flask overviews build public.others" in _invoked(
        database, "refresh", "public.others", exit_code=1
    )
    assert "--all" in _invoked(database, "refresh", exit_code=2)
    loaded(database, "DROP TABLE public.places")
    assert "public.places is gone" in _invoked(database, "refresh", "--all")


def _invoked(database: str, *arguments: str, exit_code: int = 0) -> str:
    done = (
        create_app(Settings.of(DATABASE_URL=database))
        .test_cli_runner()
        .invoke(args=["overviews", *arguments])
    )
    assert done.exit_code == exit_code, done.output
    return done.stdout if exit_code == 0 else done.output
