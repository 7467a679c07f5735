"""Old tiles, where a setting allows them: shown until a new one is made, or can be, and never longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from flask import Flask
from psycopg.conninfo import conninfo_to_dict

from app.caching.entry import Entry
from app.errors import AccessDenied, DatabaseDown, LayerChanged
from app.layers.how import How
from app.stale import StaleTiles
from tests.conftest import MakeApp
from tests.followed_cities import TILE, made, rename, wait_until
from tests.servers.cutting_proxy import CuttingProxy
from tests.tile_decoding import attributes, get

OLD = Entry.of(b"old", How.FULL, 1.0, "")
NEW = Entry.of(b"new", How.FULL, 2.0, "")


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.cities (id int PRIMARY KEY, name text, geom geometry(Point, 4326))"
        )
        connection.execute("INSERT INTO public.cities VALUES (1, 'Vaduz', 'SRID=4326;POINT(9.5 47.1)')")
    return database


def names(app: Flask) -> list[object]:
    return [each["name"] for each in attributes(app, TILE)]


def test_without_the_setting_an_old_tile_is_never_shown(cities: str, make_app: MakeApp) -> None:
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=1)
    assert names(app) == ["Vaduz"]
    rename(cities, "Schaan")
    time.sleep(1.1)
    assert names(app) == ["Schaan"]


def test_an_old_tile_is_shown_once_and_renewed_behind(cities: str, make_app: MakeApp) -> None:
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=1, FLAGSTONE_CACHE_STALE_S=60)
    assert names(app) == ["Vaduz"]
    rename(cities, "Schaan")
    time.sleep(1.1)
    old = get(app, TILE)
    assert old.headers["Cache-Control"] == "public, max-age=0, must-revalidate"
    wait_until(lambda: names(app) == ["Schaan"], 5)
    assert "stale-while-revalidate=60" in get(app, TILE).headers["Cache-Control"]


def test_an_old_tile_is_shown_no_longer_than_allowed(cities: str, make_app: MakeApp) -> None:
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=1, FLAGSTONE_CACHE_STALE_S=1)
    assert names(app) == ["Vaduz"]
    rename(cities, "Schaan")
    time.sleep(2.2)
    assert names(app) == ["Schaan"]


def test_a_database_that_is_away_leaves_old_tiles_as_long_as_allowed(
    cities: str, make_app: MakeApp, cutting_proxy: Callable[[str, int], CuttingProxy]
) -> None:
    address = conninfo_to_dict(cities)
    line = cutting_proxy(str(address["host"]), int(address.get("port") or 5432))
    app = make_app(line.dsn(cities), FLAGSTONE_CACHE_TTL_S=1, FLAGSTONE_CACHE_STALE_S=6)
    tag = get(app, TILE).headers["ETag"]
    line.stop()
    begun = time.monotonic()
    while time.monotonic() < begun + 4:
        answer = get(app, TILE)
        assert (answer.status_code, answer.headers["ETag"]) == (200, tag)
        time.sleep(0.1)
    wait_until(lambda: get(app, TILE).status_code == 503, 10)
    assert time.monotonic() > begun + 6


def test_of_a_followed_layer_only_a_young_tile_is_shown_after_a_change(
    database: str, make_app: MakeApp
) -> None:
    """When it changed is not known: a tile made long ago may have been wrong for as long."""
    made(database, make_app)
    app = make_app(database, FLAGSTONE_CACHE_TTL_S=0, FLAGSTONE_CACHE_STALE_S=2)
    app.extensions["flagstone"].open()
    wait_until(lambda: _has_stand(app))
    assert names(app) == ["Vaduz"]
    time.sleep(2.5)
    rename(database, "Schaan")
    time.sleep(0.5)
    assert names(app) == ["Schaan"]
    rename(database, "Triesen")
    wait_until(lambda: names(app) == ["Triesen"], 3)


def _has_stand(app: Flask) -> bool:
    get(app, TILE)
    tag = get(app, TILE).headers["Cache-Control"]
    return "s-maxage" in tag and "stale-if-error=2" in tag


def test_a_layer_that_is_not_kept_has_no_old_tiles(cities: str, make_app: MakeApp) -> None:
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=0, FLAGSTONE_CACHE_STALE_S=60)
    assert names(app) == ["Vaduz"]
    rename(cities, "Schaan")
    assert names(app) == ["Schaan"]


def test_a_purged_tile_is_not_shown(cities: str, make_app: MakeApp, redis_url: str) -> None:
    app = make_app(
        cities,
        FLAGSTONE_CACHE_TTL_S=300,
        FLAGSTONE_CACHE_STALE_S=60,
        CACHE_TYPE="RedisCache",
        CACHE_REDIS_URL=redis_url,
    )
    assert names(app) == ["Vaduz"]
    rename(cities, "Schaan")
    app.extensions["flagstone"].beside.purges.add("public.cities", None, 0, 22)
    time.sleep(1.1)
    assert names(app) == ["Schaan"]


def test_one_thread_renews_what_many_ask_for() -> None:
    stale = StaleTiles(10, lambda: None)
    runs, let_go = [], threading.Event()

    def make() -> Entry:
        runs.append(1)
        assert let_go.wait(10)
        return NEW

    for _ in range(20):
        assert stale.instead("a", lambda: OLD, make).is_stale
    let_go.set()
    stale.close()
    assert len(runs) == 1


def test_what_cannot_be_renewed_is_not_tried_by_each_request() -> None:
    stale, runs = StaleTiles(10, lambda: None), []

    def make() -> Entry:
        runs.append(1)
        raise DatabaseDown("away")

    begun = time.monotonic()
    while time.monotonic() < begun + 0.5:
        assert stale.instead("a", lambda: OLD, make).is_stale
    stale.close()
    assert len(runs) == 1


def test_a_table_that_changed_its_columns_is_told_to_the_catalog() -> None:
    told = threading.Event()
    stale = StaleTiles(10, told.set)

    def make() -> Entry:
        raise LayerChanged("gone")

    assert stale.instead("a", lambda: OLD, make).is_stale
    assert told.wait(5)
    stale.close()


def test_without_an_old_tile_errors_are_those_of_making_one() -> None:
    stale = StaleTiles(10, lambda: None)

    def refused() -> Entry:
        raise AccessDenied("no")

    with pytest.raises(AccessDenied):
        stale.instead("a", lambda: None, refused)
    assert stale.instead("b", lambda: None, lambda: NEW) is NEW
