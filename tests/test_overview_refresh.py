"""`refresh` makes of the rows that changed what a build would make of all of them."""

from __future__ import annotations

import psycopg

from tests.overview_refreshes import assert_equals_a_build, kept

POINTS = """
CREATE TABLE public.places (id int PRIMARY KEY, name text, people int, geom geometry(Point, 4326));
INSERT INTO public.places
SELECT n, 'place ' || n, (n * 7919) % 1000, ST_SetSRID(ST_MakePoint((n * 37) % 360 - 180 + n / 1e4, (n * 17) % 170 - 85), 4326)
FROM generate_series(1, 2000) AS n;
"""


def loaded(database: str, statements: str) -> str:
    """The database, after these statements."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(statements.encode())
    return database


def test_nothing_changed_and_nothing_is_rewritten(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(6)) as made:
        build = made.editor.execute("SELECT build FROM flagstone.overview").fetchone()
        done = made.refresh()
        assert (done.rebuilt, done.dirty_blocks, done.rows) == (None, 0, 0)
        assert made.editor.execute("SELECT build FROM flagstone.overview").fetchone() == build
        assert done.blocks > 10


def test_a_row_that_moved_leaves_one_cell_and_comes_to_another(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(6)) as made:
        made.edit("UPDATE places SET geom = ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326) WHERE id = 7")
        done = made.refresh()
        assert done.rebuilt is None
        assert done.tables[0].cells == 2
        assert 0 < done.rows < 60
        assert_equals_a_build(made)


def test_insert_update_and_delete_together_equal_a_build(database: str) -> None:
    with kept(loaded(database, POINTS), "public.places", range(6)) as made:
        made.edit("DELETE FROM places WHERE id % 50 = 0")
        made.edit("UPDATE places SET name = 'renamed' WHERE id % 40 = 3")
        made.edit(
            "INSERT INTO places SELECT id + 10000, name, people, ST_Translate(geom, 0.1, 0.1) FROM places WHERE id % 30 = 1"
        )
        done = made.refresh()
        assert done.rebuilt is None
        assert_equals_a_build(made)


CROWDS = """
CREATE TABLE public.places (id int PRIMARY KEY, name text, people int, geom geometry(Point, 4326));
INSERT INTO public.places
SELECT n, 'place ' || n, 0, ST_SetSRID(ST_MakePoint(n % 40 * 8 - 160 + n / 1e5, n % 7 * 20 - 60 + n / 1e5), 4326)
FROM generate_series(1, 4000) AS n;
"""


def test_a_winner_that_stays_stands_for_as_many_as_there_are(database: str) -> None:
    with kept(loaded(database, CROWDS), "public.places", range(4)) as made:
        made.edit("DELETE FROM places WHERE id = 3990")
        made.edit("UPDATE places SET name = 'renamed' WHERE id = 3401")
        made.edit("INSERT INTO places SELECT 9000, 'new', 0, geom FROM places WHERE id = 2802")
        made.edit("UPDATE places SET geom = (SELECT geom FROM places WHERE id = 1) WHERE id = 2603")
        done = made.refresh()
        assert (done.rebuilt, set(made.counts().values())) == (None, {4000})
        # Three counts, of which the one that was renamed is not: its winner shows nothing of it.
        assert (done.tables[0].deleted, done.tables[0].inserted) == (4, 4)
        assert_equals_a_build(made)


def test_a_winner_that_goes_leaves_its_cell_to_the_next(database: str) -> None:
    with kept(loaded(database, CROWDS), "public.places", range(4)) as made:
        made.edit("DELETE FROM places WHERE id <= 3")
        made.edit("UPDATE places SET id = 8000 WHERE id = 4")
        made.refresh()
        assert set(made.counts().values()) == {3997}
        assert_equals_a_build(made)
