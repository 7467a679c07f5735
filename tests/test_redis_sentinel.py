"""A Redis that sentinels watch: its primary dies, a replica takes its place, and no old tile is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis
from flask import Flask
from flask_caching import Cache

from app.caching.config import cache_config
from app.caching.redis_client import redis_client
from app.settings import Settings
from tests.conftest import MakeApp, Serve
from tests.followed_cities import (
    AGE_S,
    TILE,
    all_show,
    is_kept,
    made,
    names,
    never_old,
    rename,
    start,
    wait_until,
)
from tests.servers.redis import RedisServer
from tests.servers.redis_several import WatchedRedis
from tests.tile_decoding import attributes

Watched = Callable[[int], WatchedRedis]


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    return made(database, make_app)


def tiles(server: RedisServer) -> int:
    with redis.Redis.from_url(server.url) as client:
        return sum(1 for _ in client.scan_iter("flagstone:t4*"))


def is_reached(settings: dict[str, object]) -> bool:
    """Whether these settings reach the primary, by the backend and by our own client."""
    known = Settings.of(**settings)
    store = Cache(Flask(__name__), config=cache_config(known)).cache
    store.set("known", b"1", 60)
    return bool(store.get("known") == redis_client(known).get("flagstone:known") == b"1")


def reads(server: RedisServer) -> int:
    """How often it was asked for a key."""
    with redis.Redis.from_url(server.url) as client:
        counted = cast("dict[str, Any]", client.info("commandstats"))
    return sum(counted.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("get", "hmget", "getrange", "strlen"))


def test_no_old_tile_is_shown_while_a_replica_becomes_primary(serve: Serve, cities: str, watched_redis: Watched) -> None:
    watched = watched_redis(3)
    app = start(serve, cities, None, **watched.settings)
    assert reads(watched.replica) == 0
    with never_old(app.url, cities):
        watched.primary.kill()
        wait_until(lambda: watched.primary_port() == watched.replica.port)
    wait_until(lambda: is_kept(app))
    assert tiles(watched.replica) > 0
    # It comes back with nothing, believes that it is the primary, and is told otherwise.
    watched.primary.start()
    for name in ("Schaan", "Triesen"):
        rename(cities, name)
        time.sleep(AGE_S)
        assert all_show(app.url, name)
    wait_until(lambda: is_kept(app))


def test_a_replica_that_lacks_the_last_changes_shows_no_old_tile(serve: Serve, cities: str, watched_redis: Watched) -> None:
    """On it the old tile and the versions of then fit each other."""
    watched = watched_redis(1)
    app = start(serve, cities, None, **watched.settings)
    wait_until(lambda: tiles(watched.replica) > 0)
    with redis.Redis.from_url(watched.primary.url) as primary:
        # Who is connected stays so; the replica is not let in again.
        primary.config_set("requirepass", "closed")
        primary.client_kill_filter(_type="replica")
        wait_until(lambda: watched.replication(watched.replica)["master_link_status"] == "down")
        assert is_reached(watched.settings | {"CACHE_REDIS_PASSWORD": "closed"})
        rename(cities, "Schaan")
        wait_until(lambda: names(app.url) == {"Schaan"})
        with redis.Redis.from_url(watched.replica.url) as replica:
            [stands] = [key for key in primary.scan_iter("*") if primary.type(key) == b"hash"]
            assert primary.hget(stands, "l") != replica.hget(stands, "l")
        watched.primary.kill()
    until = time.monotonic() + 30
    while watched.primary_port() != watched.replica.port:
        assert all_show(app.url, "Schaan", 1)
        assert time.monotonic() < until
    assert all_show(app.url, "Schaan", 50)
    wait_until(lambda: is_kept(app))
    assert all_show(app.url, "Schaan", 50)
    rename(cities, "Triesen")
    time.sleep(AGE_S)
    assert all_show(app.url, "Triesen")


def test_sentinels_that_are_away_do_not_stop_the_start(cities: str, make_app: MakeApp) -> None:
    app = make_app(cities, CACHE_TYPE="RedisSentinelCache", CACHE_REDIS_SENTINELS="127.0.0.1:1,127.0.0.1:2")
    for name in ("Vaduz", "Schaan"):
        rename(cities, name)
        assert [each["name"] for each in attributes(app, TILE)] == [name]
