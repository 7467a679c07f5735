"""Two applications on one Redis, and a Redis that goes away and comes back."""

from __future__ import annotations

import logging
import time
from typing import cast

import psycopg
import pytest
import redis
from flask import Flask

from app.caching.entry import Entry
from app.layers.identity import ANONYMOUS
from tests.conftest import MakeApp
from tests.servers.postgres import DatabaseServer
from tests.servers.redis import RedisServer
from tests.tile_decoding import attributes, decoded, get

TILE = "8/134/89"


def _rename(dsn: str, name: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE places SET name = %s", [name])


@pytest.fixture
def places(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, name text, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'one', 'SRID=4326;POINT(9.5 47.1)')")
        connection.execute("CREATE TABLE towns AS TABLE places")
    return database


def test_a_tile_made_by_one_is_served_by_the_other(places: str, make_app: MakeApp, redis_url: str) -> None:
    one, other = (make_app(places, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url) for _ in range(2))
    made = get(one, f"/tiles/places/{TILE}")
    _rename(places, "two")
    assert get(other, f"/tiles/places/{TILE}").headers["ETag"] == made.headers["ETag"]
    assert attributes(other, f"/tiles/places/{TILE}") == [{"id": 1, "name": "one"}]
    assert attributes(other, f"/tiles/places/{TILE}?columns=name") == [{"name": "two"}]


def test_two_databases_on_one_redis_do_not_meet(
    places: str, server: DatabaseServer, make_app: MakeApp, redis_url: str
) -> None:
    copy = server.create(places)  # the same tables to the last oid, as staging is of production
    _rename(copy, "copy")
    settings = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url}
    one, other = make_app(places, **settings), make_app(copy, **settings)
    digests = {app.extensions["flagstone"].catalog.layer("places", ANONYMOUS).digest for app in (one, other)}
    assert len(digests) == 1
    for _ in range(2):
        assert attributes(one, f"/tiles/places/{TILE}") == [{"id": 1, "name": "one"}]
        assert attributes(other, f"/tiles/places/{TILE}") == [{"id": 1, "name": "copy"}]


class TestTimeToLive:
    """The tiles of another, or of an earlier start, were kept for a time that need not be ours."""

    def test_one_that_was_lowered_holds_for_what_is_kept_already(
        self, places: str, make_app: MakeApp, redis_url: str
    ) -> None:
        settings = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url}
        before = make_app(places, **settings)
        for address in (f"/tiles/places/{TILE}", f"/tiles/places,towns/{TILE}"):
            assert _names(before, address) == {"one"}
        _rename(places, "two")
        time.sleep(1.1)
        for rule in ("*=0", "*.places=1"):
            after = make_app(places, FLAGSTONE_CACHE_RULES=rule, **settings)
            assert _names(after, f"/tiles/places/{TILE}") == {"two"}
            assert "two" in _names(after, f"/tiles/places,towns/{TILE}")
        assert _names(before, f"/tiles/places/{TILE}") == {"two"}, "and the new one is kept"

    def test_tile_of_a_clock_that_is_ahead_is_not_kept_for_longer(
        self, places: str, make_app: MakeApp, redis_url: str
    ) -> None:
        app = make_app(places, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)
        for layer in ("places", "towns"):
            get(app, f"/tiles/{layer}/{TILE}")
        with redis.Redis.from_url(redis_url) as client:
            keys = set(cast("list[bytes]", client.keys()))
            for key in keys:
                entry = Entry.parse(cast("bytes", client.get(key)))
                assert entry is not None
                client.set(key, entry._replace(made_at=entry.made_at + 5000).framed())
            for layers in ("places", "places,towns"):
                assert get(app, f"/tiles/{layers}/{TILE}").headers["Cache-Control"] == "public, max-age=300"
            [joined] = set(cast("list[bytes]", client.keys())) - keys
            assert cast("int", client.ttl(joined)) <= 300


def _names(app: Flask, address: str) -> set[str]:
    layers = decoded(get(app, address))
    return {feature["properties"]["name"] for layer in layers.values() for feature in layer["features"]}


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
