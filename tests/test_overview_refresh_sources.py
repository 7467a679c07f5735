"""A refresh holds what a build makes, whatever the layer's rows lie in and whatever was done to them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.errors import OverviewError
from app.layers.totals import totals
from app.repository.overviews.administering import administering
from app.repository.overviews.refresh import refresh
from tests.overview_refreshes import Kept, assert_equals_a_build, kept
from tests.test_overview_refresh import POINTS, loaded

EDITS = (
    "DELETE FROM {} WHERE id % 50 = 0",
    "UPDATE {} SET name = name || '!', people = people + 1 WHERE id % 40 = 3",
    "INSERT INTO {} SELECT id + 10000, name, people, geom FROM {} WHERE id % 30 = 1",
)


def edited(made: Kept, table: str) -> None:
    for edit in EDITS:
        made.edit(edit.replace("{}", table))


def test_sums_and_means(database: str, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.places"]\noverview = { sum = ["people"], mean = ["people"] }\n')
    crowded = POINTS.replace(
        "(n * 37) % 360 - 180 + n / 1e4, (n * 17) % 170 - 85", "n % 30 * 5 + n / 1e6, n % 7 * 9"
    )
    with kept(loaded(database, crowded), "public.places", range(4), FLAGSTONE_LAYERS_FILE=str(file)) as made:
        assert totals(made.target.layer)
        edited(made, "places")
        assert made.refresh().rows > 0
        made.edit("UPDATE places SET people = NULL WHERE id % 5 = 1")
        made.refresh()
        assert made.rebuilt == []
        assert_equals_a_build(made)


def test_a_geography_column(database: str) -> None:
    statements = (
        POINTS + "ALTER TABLE public.places ALTER geom TYPE geography(Point, 4326) USING geom::geography;"
    )
    with kept(loaded(database, statements), "public.places", range(5)) as made:
        edited(made, "places")
        made.edit(
            "UPDATE places SET geom = ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326)::geography WHERE id = 7"
        )
        assert made.refresh().rows > 0
        assert made.rebuilt == []
        assert_equals_a_build(made)


def test_a_foreign_table(database: str, tmp_path: Path) -> None:
    into = conninfo_to_dict(database)
    # A server that is its own neighbour.
    options = ", ".join(f"{name} '{into[name]}'" for name in ("host", "port", "dbname") if into.get(name))
    user = ", ".join(f"{name} '{into[name]}'" for name in ("user", "password") if into.get(name))
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.far"]\nid = "id"\n')
    statements = POINTS + (
        "CREATE EXTENSION postgres_fdw;"
        f"CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options});"
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER itself OPTIONS ({user});"
        "CREATE FOREIGN TABLE public.far (id int, name text, people int, geom geometry(Point, 4326))"
        " SERVER itself OPTIONS (schema_name 'public', table_name 'places')"
    )
    with kept(loaded(database, statements), "public.far", range(4), FLAGSTONE_LAYERS_FILE=str(file)) as made:
        assert made.refresh().dirty_blocks == 0
        edited(made, "places")
        assert made.refresh().rows > 0
        assert made.rebuilt == []
        assert_equals_a_build(made)


def test_a_materialized_view_after_it_was_filled_again(database: str) -> None:
    statements = POINTS + (
        "CREATE MATERIALIZED VIEW public.filled AS SELECT id, upper(name) AS name, people, geom FROM public.places;"
        "CREATE UNIQUE INDEX ON public.filled (id)"
    )
    with kept(loaded(database, statements), "public.filled", range(4)) as made:
        edited(made, "places")
        assert made.refresh().rows == 0
        for how in ("", "CONCURRENTLY "):
            made.edit(f"REFRESH MATERIALIZED VIEW {how}filled")
            made.refresh()
            made.edit("UPDATE places SET geom = ST_Translate(geom, 0, 1) WHERE id % 100 = 1")
        assert made.rebuilt == []
        assert_equals_a_build(made)


PARTED = (
    POINTS
    + """
ALTER TABLE public.places RENAME TO old;
CREATE TABLE public.places (id int PRIMARY KEY, name text, people int, geom geometry(Point, 4326)) PARTITION BY RANGE (id);
CREATE TABLE public.low PARTITION OF public.places FOR VALUES FROM (0) TO (1000);
CREATE TABLE public.high PARTITION OF public.places FOR VALUES FROM (1000) TO (100000);
INSERT INTO public.places SELECT * FROM public.old;
DROP TABLE public.old;
"""
)


def test_a_row_that_moves_to_another_partition(database: str) -> None:
    with kept(loaded(database, PARTED), "public.places", range(4)) as made:
        made.edit("UPDATE places SET id = id + 5000 WHERE id IN (7, 8, 9)")
        made.edit("DELETE FROM places WHERE id = 50")
        made.edit("UPDATE places SET id = 50 WHERE id = 1950")
        made.edit("UPDATE places SET geom = ST_Translate(geom, 1, 0), id = 99999 WHERE id = 10")
        assert made.refresh().rows > 0
        assert made.rebuilt == []
        assert_equals_a_build(made)


@pytest.mark.parametrize(
    "rewrite",
    ["VACUUM FULL places", "CLUSTER places USING places_pkey", "ALTER TABLE places ALTER people TYPE bigint",
     "ALTER TABLE places ALTER name TYPE varchar(40)", "ALTER TABLE places SET LOGGED"],
)  # fmt: skip
def test_a_table_that_was_rewritten(database: str, rewrite: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(4)) as made:
        edited(made, "places")
        made.edit(rewrite)
        made.edit("UPDATE places SET geom = ST_Translate(geom, 0, 1) WHERE id = 11")
        made.refresh()
        assert_equals_a_build(made)


def test_a_table_that_was_emptied_and_filled_again(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(4)) as made:
        made.edit("CREATE TABLE kept_rows AS SELECT * FROM places")
        made.edit("TRUNCATE places")
        made.refresh()
        assert set(made.counts().values()) == {0}
        made.edit("INSERT INTO places SELECT * FROM kept_rows")
        made.refresh()
        assert set(made.counts().values()) == {2000}
        assert_equals_a_build(made)


def test_an_overview_that_knows_nothing_of_its_rows_is_built_once(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(3)) as made:
        made.edit(
            "DROP TABLE flagstone.overview_1_blocks; DELETE FROM flagstone.overview_band WHERE kind = 'blocks'"
        )
        edited(made, "places")
        assert made.refresh().rebuilt == "the counts of the rows that it was made of are missing"
        assert made.refresh().rebuilt is None
        assert_equals_a_build(made)


HEAVY = """
    CREATE TABLE public.lands (id int PRIMARY KEY, name text, people int, geom geometry(Polygon, 4326));
    INSERT INTO lands SELECT n, 'land ' || n, n, ST_Buffer(ST_SetSRID(ST_MakePoint(n % 12 * 20 - 120, n / 12 * 12 - 50), 4326), 5, 1500)
    FROM generate_series(0, 59) AS n;
    INSERT INTO lands SELECT n, 'islet', n, ST_Buffer(ST_SetSRID(ST_MakePoint(n % 50, n % 40), 4326), 0.1) FROM generate_series(60, 500) AS n;
"""


def test_an_overview_of_pieces_alone(database: str) -> None:
    with kept(loaded(database, HEAVY), "public.lands", [], pieces=True) as made:
        assert len({row[0] for row in made.tables()["pieces"]}) == 60
        untouched = made.refresh()
        assert (untouched.rebuilt, untouched.rows, untouched.dirty_blocks) == (None, 0, 0)
        made.edit("UPDATE lands SET name = name || '!' WHERE id = 7")
        made.edit("UPDATE lands SET geom = ST_Translate(geom, 1, 1) WHERE id IN (8, 300)")
        made.edit("DELETE FROM lands WHERE id = 9")
        made.edit("UPDATE lands SET geom = ST_Buffer(ST_Centroid(geom), 1) WHERE id = 10")
        made.edit("INSERT INTO lands SELECT 1000, 'new', 1, ST_Translate(geom, 0, 3) FROM lands WHERE id = 11")
        changed = made.refresh()
        assert changed.rebuilt is None and changed.rows > 0
        assert len({row[0] for row in made.tables()["pieces"]}) == 59
        assert made.refresh().rows == 0
        assert made.rebuilt == []
        assert_equals_a_build(made)


def test_an_overview_of_pieces_alone_of_a_view_whose_rows_carry_no_transaction(database: str, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.seen"]\nid = "id"\n')
    view = "CREATE TABLE counted AS SELECT DISTINCT id FROM lands; CREATE VIEW public.seen AS SELECT l.* FROM lands l JOIN counted USING (id);"
    with kept(loaded(database, HEAVY + view), "public.seen", [], pieces=True, FLAGSTONE_LAYERS_FILE=str(file)) as made:
        assert (made.refresh().rebuilt, made.refresh().rows) == (None, 0)
        made.edit("UPDATE lands SET geom = ST_Translate(geom, 1, 1) WHERE id IN (8, 300)")
        made.edit("DELETE FROM lands WHERE id = 9")
        assert made.refresh().rows > 0
        assert made.refresh().rows == 0
        assert made.rebuilt == []
        assert_equals_a_build(made)


# --- what happens meanwhile ------------------------------------------------------------------------------------------


def during(made: Kept, then: Callable[[], None]) -> None:
    """A refresh; `then` is called after it has begun to look at rows."""

    def report(what: str, _done: int, _steps: int) -> None:
        if what == "rows that changed":
            then()

    refresh(made.connection, made.target, lambda _: pytest.fail("built"), report)


def test_a_table_that_grows_meanwhile(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(4)) as made:
        edited(made, "places")
        during(
            made,
            lambda: made.edit(
                "INSERT INTO places SELECT id + 50000, name, people, geom FROM places WHERE id % 20 = 2"
            ),
        )
        assert set(made.counts().values()) != {made.editor.execute("SELECT count(*) FROM places").fetchone()}
        assert made.refresh().rows > 0
        assert_equals_a_build(made)


def test_a_transaction_that_began_before_a_refresh_and_ends_after_it_is_not_lost(database: str) -> None:
    """Of each of three, one is committed before the refresh looks, one while it works, one after it; with a savepoint in each."""
    with kept(loaded(database, POINTS), "public.places", range(4)) as made:
        early, middle, late = (psycopg.connect(database) for _ in range(3))
        for number, writer in enumerate((late, middle, early), 1):
            writer.execute(
                "UPDATE places SET geom = ST_SetSRID(ST_MakePoint(%s, 10), 4326) WHERE id %% 97 = %s",
                [number, number],
            )
            writer.execute("SAVEPOINT inner_one")
            writer.execute("DELETE FROM places WHERE id %% 89 = %s AND id %% 97 > 3", [number])
            writer.execute(
                "INSERT INTO places SELECT id + %s, name, people, geom FROM places WHERE id %% 83 = 5",
                [number * 10000],
            )
            writer.execute("RELEASE inner_one")
        early.commit()
        during(made, middle.commit)
        assert made.refresh().rows > 0  # what was committed while the one before was at work
        late.commit()
        assert made.refresh().rows > 0
        assert made.refresh().dirty_blocks == 0
        assert made.rebuilt == []
        for writer in (early, middle, late):
            writer.close()
        assert_equals_a_build(made)


def test_two_at_once_do_one_after_the_other(database: str) -> None:
    with (
        kept(loaded(database, POINTS), "public.places", range(4)) as made,
        administering(made.backend.settings) as other,
    ):
        edited(made, "places")
        there, said = made.target, []

        def second() -> None:
            said.append(refresh(other, there, lambda _: pytest.fail("built"), lambda *_: None))

        thread = threading.Thread(target=second)
        during(made, thread.start)
        thread.join(30)
        assert [done.rows for done in said] == [0]
        assert_equals_a_build(made)


def test_a_refresh_that_is_cancelled_leaves_all_as_it_was(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(4)) as made:
        before = made.tables()
        edited(made, "places")

        def cancelled() -> None:
            threading.Timer(0.2, made.connection.cancel_safe).start()
            made.connection.execute("SELECT pg_sleep(20)")

        with pytest.raises(OverviewError, match="cancelled"):
            during(made, cancelled)
        assert made.tables() == before
        assert made.refresh().rows > 0
        assert_equals_a_build(made)
