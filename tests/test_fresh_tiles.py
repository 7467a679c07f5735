"""An edit in the database, and the tile that shows it: the memory cache on, and nobody waits for a time to live."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest
from flask import Flask

from tests.change_logs import install
from tests.conftest import MakeApp
from tests.overview_builds import overview
from tests.tile_decoding import attributes, get

TILE = "/tiles/public.cities/4/8/5"
_UNTIL_FOLLOWED_S = 10.0
_POLLS_S = 2.0


@pytest.fixture
def cities(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.cities (id int PRIMARY KEY, name text, geom geometry(Point, 4326))"
        )
        connection.execute("INSERT INTO public.cities VALUES (1, 'Vaduz', 'SRID=4326;POINT(9.5 47.1)')")
    return database


@pytest.fixture
def followed_app(cities: str, make_app: MakeApp) -> Flask:
    app = make_app(cities, FLAGSTONE_CATALOG_INTERVAL_S=0)
    done = app.test_cli_runner().invoke(args=["changes", "install", "public.cities"])
    assert done.exit_code == 0, done.output
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=0)
    app.extensions["flagstone"].open()
    wait_until(lambda: is_kept(app, TILE))
    return app


def wait_until(what: Callable[[], bool], seconds: float = _UNTIL_FOLLOWED_S) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def is_kept(app: Flask, path: str) -> bool:
    """Whether the tile comes from the cache."""
    from app.metrics import CACHE_HITS

    get(app, path)
    before = CACHE_HITS._value.get()
    get(app, path)
    return bool(CACHE_HITS._value.get() > before)


def names(app: Flask, path: str = TILE) -> set[str]:
    return {each["name"] for each in attributes(app, path)}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO public.cities VALUES (2, 'Chur', 'SRID=4326;POINT(9.53 46.85)')", {"Vaduz", "Chur"}),
        ("UPDATE public.cities SET name = 'Schaan'", {"Schaan"}),
        ("UPDATE public.cities SET geom = 'SRID=4326;POINT(170 -45)'", set()),
        ("UPDATE public.cities SET geom = NULL", set()),
        ("DELETE FROM public.cities", set()),
        ("TRUNCATE public.cities", set()),
    ],
)
def test_an_edit_is_in_the_tile_within_a_few_readings(
    followed_app: Flask, cities: str, statement: str, expected: set[str]
) -> None:
    assert names(followed_app) == {"Vaduz"}
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute(statement.encode())
    wait_until(lambda: names(followed_app) == expected, _POLLS_S)
    assert is_kept(followed_app, TILE)


def test_a_tile_far_from_the_edit_stays_in_the_cache(followed_app: Flask, cities: str) -> None:
    far = "/tiles/public.cities/12/1000/2000"
    wait_until(lambda: is_kept(followed_app, far))
    tag = get(followed_app, TILE).headers["ETag"]
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("UPDATE public.cities SET name = 'Schaan'")
    wait_until(lambda: get(followed_app, TILE).headers["ETag"] != tag, _POLLS_S)
    from app.metrics import CACHE_HITS

    before = CACHE_HITS._value.get()
    get(followed_app, far)
    assert CACHE_HITS._value.get() == before + 1


def test_a_refresh_of_the_overview_is_in_the_tile_within_seconds(cities: str, make_app: MakeApp) -> None:
    overview(cities, "public.cities", [4])
    quick = {"FLAGSTONE_CATALOG_INTERVAL_S": 3600, "FLAGSTONE_CATALOG_MISS_INTERVAL_S": 0.2}
    command = make_app(cities, **quick).test_cli_runner()
    assert command.invoke(args=["changes", "install", "public.cities"]).exit_code == 0
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=0, **quick)
    app.extensions["flagstone"].open()
    wait_until(lambda: is_kept(app, TILE))
    assert get(app, TILE).headers["Flagstone-Tile"] == "overview"
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("UPDATE public.cities SET name = 'Schaan'")
    time.sleep(0.3)
    wait_until(lambda: is_kept(app, TILE))
    assert names(app) == {"Vaduz"}, "kept as the overview had it"
    refreshed = command.invoke(args=["overviews", "refresh", "public.cities"])
    assert refreshed.exit_code == 0, refreshed.output
    wait_until(lambda: names(app) == {"Schaan"})
    assert get(app, TILE).headers["Flagstone-Tile"] == "overview"
    wait_until(lambda: is_kept(app, TILE))


def test_without_triggers_the_time_to_live_holds(cities: str, make_app: MakeApp) -> None:
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=300)
    assert names(app) == {"Vaduz"}
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("UPDATE public.cities SET name = 'Schaan'")
    time.sleep(0.3)
    assert names(app) == {"Vaduz"}


def open_app(make_app: MakeApp, dsn: str) -> Flask:
    app = make_app(dsn, FLAGSTONE_CACHE_TTL_S=0, FLAGSTONE_CATALOG_MISS_INTERVAL_S=0.2)
    app.extensions["flagstone"].open()
    return app


def test_a_partition_that_came_later_shows_at_once_and_is_followed_after_install(
    database: str, make_app: MakeApp
) -> None:
    path = "/tiles/public.whole/4/8/5"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        connection.execute(
            "CREATE TABLE whole (id int, name text, geom geometry(Point, 4326)) PARTITION BY RANGE (id)"
        )
        connection.execute("CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (10)")
        connection.execute("INSERT INTO whole VALUES (1, 'Vaduz', 'SRID=4326;POINT(9.5 47.1)')")
        install(database, "whole")
        app = open_app(make_app, database)
        wait_until(lambda: is_kept(app, path))
        connection.execute("INSERT INTO low VALUES (2, 'Chur', 'SRID=4326;POINT(9.53 46.85)')")
        wait_until(lambda: names(app, path) == {"Vaduz", "Chur"}, _POLLS_S)
        connection.execute("CREATE TABLE high PARTITION OF whole FOR VALUES FROM (10) TO (20)")
        wait_until(lambda: not is_kept(app, path), _POLLS_S)
        connection.execute("INSERT INTO high VALUES (12, 'Buchs', 'SRID=4326;POINT(9.47 47.16)')")
        assert names(app, path) == {"Vaduz", "Chur", "Buchs"}
        connection.execute("UPDATE high SET name = 'Sargans'")
        assert names(app, path) == {"Vaduz", "Chur", "Sargans"}
        install(database, "whole")
        wait_until(lambda: is_kept(app, path))
        connection.execute("UPDATE high SET name = 'Mels'")
        wait_until(lambda: names(app, path) == {"Vaduz", "Chur", "Mels"}, _POLLS_S)
        connection.execute("ALTER TABLE whole DETACH PARTITION high")
        wait_until(lambda: names(app, path) == {"Vaduz", "Chur"}, _POLLS_S)


def test_a_view_shows_what_changed_in_a_table_beside_it(cities: str, make_app: MakeApp) -> None:
    path = "/tiles/public.named/4/8/5"
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        connection.execute("CREATE TABLE title (id int PRIMARY KEY, name text)")
        connection.execute("INSERT INTO title VALUES (1, 'capital')")
        connection.execute(
            "CREATE VIEW named AS SELECT c.id, t.name, c.geom FROM cities c JOIN title t USING (id)"
        )
        install(cities, "cities", "title")
        app = open_app(make_app, cities)
        wait_until(lambda: is_kept(app, path))
        assert names(app, path) == {"capital"}
        connection.execute("UPDATE title SET name = 'town'")
        wait_until(lambda: names(app, path) == {"town"}, _POLLS_S)
        connection.execute("DELETE FROM cities")
        wait_until(lambda: names(app, path) == set(), _POLLS_S)


def test_a_table_that_is_rewritten_or_made_again_shows_its_new_rows(followed_app: Flask, cities: str) -> None:
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        connection.execute("ALTER TABLE cities ALTER COLUMN name TYPE text USING 're' || name")
        wait_until(lambda: names(followed_app) == {"reVaduz"}, _POLLS_S)
        connection.execute(
            "BEGIN; DROP TABLE cities; CREATE TABLE cities (id int PRIMARY KEY, name text, geom geometry(Point, 4326)); COMMIT"
        )
        connection.execute("INSERT INTO cities VALUES (1, 'anew', 'SRID=4326;POINT(9.5 47.1)')")
        wait_until(lambda: names(followed_app) == {"anew"})
        connection.execute("UPDATE cities SET name = 'unfollowed'")
        # Its time to live is 0 now: nobody tells of its changes.
        wait_until(lambda: names(followed_app) == {"unfollowed"})


def test_the_first_row_beyond_the_edge_of_the_world_is_drawn_at_once(followed_app: Flask, cities: str) -> None:
    far = "/tiles/public.cities/6/1/22"
    wait_until(lambda: is_kept(followed_app, far))
    assert get(followed_app, far).status_code == 204
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("INSERT INTO public.cities VALUES (2, 'Beyond', 'SRID=4326;POINT(190.5 47.1)')")
    wait_until(lambda: get(followed_app, far).status_code == 200, _POLLS_S)
    assert names(followed_app, far) == {"Beyond"}
