"""Tile addresses with a version: kept for good by browsers, and another one after each change."""

from __future__ import annotations

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.test_fresh_tiles import cities, followed_app, is_kept, names, wait_until
from tests.tile_decoding import get

__all__ = ["cities", "followed_app"]

LAYER = "public.cities"
PATH = f"/tiles/{LAYER}/4/8/5"
FOR_GOOD = "public, max-age=31536000, immutable"
ASK_EACH_TIME = "public, max-age=0, s-maxage=1, must-revalidate"


@pytest.fixture
def app(cities: str, followed_app: Flask, make_app: MakeApp) -> Flask:
    app = make_app(cities, FLAGSTONE_CACHE_TTL_S=0, FLAGSTONE_VERSIONED_TILES="true")
    app.extensions["flagstone"].open()
    wait_until(lambda: is_kept(app, PATH))
    return app


def query(app: Flask, document: str = f"/{LAYER}/tilejson.json") -> str:
    """What of the tile address in TileJSON follows its question mark."""
    answer = app.test_client().get(document)
    assert answer.status_code == 200
    return str(answer.get_json()["tiles"][0].partition("?")[2])


def freshness(app: Flask, path: str) -> str:
    return get(app, path).headers["Cache-Control"]


def test_a_tile_lasts_under_the_version_of_now(app: Flask) -> None:
    asked = query(app)
    assert asked.startswith("v=")
    assert freshness(app, f"{PATH}?{asked}") == FOR_GOOD
    assert freshness(app, PATH) == ASK_EACH_TIME
    assert freshness(app, f"{PATH}?v=another") == ASK_EACH_TIME
    assert freshness(app, f"{PATH}?{asked}&v=another") == ASK_EACH_TIME
    assert names(app, f"{PATH}?{asked}") == {"Vaduz"}


def test_a_change_makes_another_version(app: Flask, cities: str) -> None:
    before = query(app)
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("UPDATE public.cities SET name = 'Schaan'")
    wait_until(lambda: query(app) != before)
    after = query(app)
    # Under the address of before nothing is said to last, and yet nothing old is shown.
    assert freshness(app, f"{PATH}?{before}") == ASK_EACH_TIME
    assert names(app, f"{PATH}?{before}") == names(app, f"{PATH}?{after}") == {"Schaan"}
    assert freshness(app, f"{PATH}?{after}") == FOR_GOOD


def test_an_empty_tile_and_a_304_last_too(app: Flask, cities: str) -> None:
    asked = query(app)
    empty = get(app, f"/tiles/{LAYER}/4/1/1?{asked}")
    assert (empty.status_code, empty.headers["Cache-Control"]) == (204, FOR_GOOD)
    tag = get(app, f"{PATH}?{asked}").headers["ETag"]
    known = app.test_client().get(f"{PATH}?{asked}", headers={"If-None-Match": tag})
    assert (known.status_code, known.headers["Cache-Control"]) == (304, FOR_GOOD)


def test_parameters_keep_their_own_version(app: Flask) -> None:
    asked = query(app, f"/{LAYER}/tilejson.json?columns=name&v=old")
    assert asked.startswith("columns=name&v=") and "old" not in asked
    assert freshness(app, f"{PATH}?{asked}") == FOR_GOOD


def test_nothing_lasts_beside_a_layer_that_tells_of_no_changes(cities: str, followed_app: Flask, make_app: MakeApp) -> None:
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.untold (id int PRIMARY KEY, geom geometry(Point, 4326))")
    app = make_app(cities, FLAGSTONE_VERSIONED_TILES="true")
    app.extensions["flagstone"].open()
    wait_until(lambda: is_kept(app, PATH) and "v=" in query(app))
    assert query(app, f"/{LAYER},public.untold/tilejson.json") == ""
    assert "immutable" not in freshness(app, f"/tiles/{LAYER},public.untold/4/8/5?{query(app)}")


def test_who_keeps_tiles_for_a_time_of_their_own_gets_none_that_last(cities: str, followed_app: Flask, make_app: MakeApp) -> None:
    app = make_app(cities, FLAGSTONE_VERSIONED_TILES="true", FLAGSTONE_CACHE_RULES=f"{LAYER}=60")
    app.extensions["flagstone"].open()
    wait_until(lambda: is_kept(app, PATH) and "v=" in query(app))
    assert freshness(app, f"{PATH}?{query(app)}") == ASK_EACH_TIME


def test_without_the_setting_there_is_no_version(followed_app: Flask) -> None:
    assert query(followed_app) == ""


def test_documents_with_a_version_are_asked_for_each_time(app: Flask, followed_app: Flask) -> None:
    document = f"/{LAYER}/tilejson.json"
    assert app.test_client().get(document).headers["Cache-Control"] == "no-cache"
    assert followed_app.test_client().get(document).headers["Cache-Control"] == "private, max-age=60"
