"""Two applications on one Redis, and a Redis that goes away and comes back."""

from __future__ import annotations

import logging
import time

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.servers.redis import RedisServer
from tests.tile_decoding import attributes, features, get

TILE = "8/134/89"


def _rename(dsn: str, name: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE places SET name = %s", [name])


@pytest.fixture
def places(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, name text, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'one', 'SRID=4326;POINT(9.5 47.1)')")
    return database


def test_a_tile_made_by_one_is_served_by_the_other(places: str, make_app: MakeApp, redis_url: str) -> None:
    one, other = (make_app(places, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url) for _ in range(2))
    made = get(one, f"/tiles/places/{TILE}")
    _rename(places, "two")
    assert get(other, f"/tiles/places/{TILE}").headers["ETag"] == made.headers["ETag"]
    assert attributes(other, f"/tiles/places/{TILE}") == [{"id": 1, "name": "one"}]
    assert attributes(other, f"/tiles/places/{TILE}?columns=name") == [{"name": "two"}]


def test_two_databases_on_one_redis_do_not_meet(
    places: str, sample_database: str, make_app: MakeApp, redis_url: str
) -> None:
    one = make_app(places, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)
    other = make_app(sample_database, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)
    assert len(features(one, f"/tiles/places/{TILE}")) == 1
    assert get(other, f"/tiles/places/{TILE}").status_code == 404


def test_an_altered_table_leaves_its_old_tiles_behind(places: str, make_app: MakeApp, redis_url: str) -> None:
    settings = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url}
    assert attributes(make_app(places, **settings), f"/tiles/places/{TILE}") == [{"id": 1, "name": "one"}]
    with psycopg.connect(places, autocommit=True) as connection:
        connection.execute("ALTER TABLE places ADD COLUMN height int DEFAULT 5")
    assert attributes(make_app(places, **settings), f"/tiles/places/{TILE}") == [{"id": 1, "name": "one", "height": 5}]


def _failures(app: Flask) -> float:
    text = get(app, "/metrics").get_data(as_text=True)
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith("flagstone_cache_failures_total ")))


def test_redis_gone_and_back(
    places: str, make_app: MakeApp, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(places, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_server.url)
    assert attributes(app, f"/tiles/places/{TILE}") == [{"id": 1, "name": "one"}]
    before = _failures(app)
    redis_server.stop()
    _rename(places, "two")
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            assert attributes(app, f"/tiles/places/{TILE}") == [{"id": 1, "name": "two"}]
    assert len([record for record in caplog.records if "tile cache" in record.getMessage()]) == 1
    assert _failures(app) > before
    redis_server.start()
    until = time.monotonic() + 10
    while True:  # used again by itself: the tile is kept once more, and no longer changes with the row
        kept = get(app, f"/tiles/places/{TILE}").headers["ETag"]
        _rename(places, f"at {time.monotonic()}")
        if get(app, f"/tiles/places/{TILE}").headers["ETag"] == kept:
            break
        assert time.monotonic() < until
        time.sleep(0.1)
