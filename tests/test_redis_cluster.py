"""Tiles, versions, leases and purges in a Redis Cluster of three nodes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
import redis
from click.testing import Result
from flask import Flask
from flask_caching import Cache

from app.caching.config import cache_config
from app.caching.leases import Leases
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
from tests.servers.redis_several import RedisNodes
from tests.tile_decoding import attributes


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    return made(database, make_app)


@pytest.fixture
def run(cities: str, redis_nodes: RedisNodes, make_app: MakeApp) -> Callable[..., Result]:
    app = make_app(cities, **redis_nodes.settings)
    return lambda *arguments: app.test_cli_runner().invoke(args=["cache", *arguments])


def slot(nodes: RedisNodes, key: str) -> int:
    with redis.Redis.from_url(nodes.nodes[0].url) as client:
        found: Any = client.execute_command("CLUSTER", "KEYSLOT", key)
    return int(found)


def home(nodes: RedisNodes, key: str) -> RedisServer:
    """The node where this key lies."""
    [node] = [node for node, keys in zip(nodes.nodes, nodes.keys(), strict=True) if key in keys]
    return node


def move(nodes: RedisNodes, key: str, target: RedisServer) -> None:
    """Give the slot of a key to another node, some keys at a time, as resharding does."""
    number, source = slot(nodes, key), home(nodes, key)

    def say(node: RedisServer, *command: object) -> Any:
        with redis.Redis.from_url(node.url) as client:
            return client.execute_command(*command)

    names_of = {node.port: say(node, "CLUSTER", "MYID") for node in (source, target)}
    say(target, "CLUSTER", "SETSLOT", number, "IMPORTING", names_of[source.port])
    say(source, "CLUSTER", "SETSLOT", number, "MIGRATING", names_of[target.port])
    while keys := say(source, "CLUSTER", "GETKEYSINSLOT", number, 1):
        say(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 1000, "KEYS", *keys)
        time.sleep(0.1)
    for node in (target, source, *nodes.nodes):
        say(node, "CLUSTER", "SETSLOT", number, "NODE", names_of[target.port])


def test_an_edit_is_in_each_tile_and_no_old_one_is_shown_while_slots_move(
    serve: Serve, cities: str, redis_nodes: RedisNodes
) -> None:
    app = start(serve, cities, None, **redis_nodes.settings)
    rename(cities, "Schaan")
    wait_until(lambda: names(app.url) == {"Schaan"})
    assert all_show(app.url, "Schaan")
    assert is_kept(app)
    keys = set.union(*redis_nodes.keys())
    moved = [next(key for key in keys if key.endswith("}:stand")), next(key for key in keys if key.endswith(":4/8/5"))]
    with never_old(app.url, cities):
        for key in moved:
            first = home(redis_nodes, key)
            [second, _] = [node for node in redis_nodes.nodes if node is not first]
            move(redis_nodes, key, second)
            time.sleep(0.3)
            move(redis_nodes, key, first)
    wait_until(lambda: is_kept(app))


def test_no_old_tile_is_shown_while_a_node_is_away_and_when_it_comes_back(
    serve: Serve, cities: str, redis_nodes: RedisNodes
) -> None:
    app = start(serve, cities, None, **redis_nodes.settings)
    [stand] = [key for key in set.union(*redis_nodes.keys()) if key.endswith("}:stand")]
    node = home(redis_nodes, stand)
    with never_old(app.url, cities):
        node.kill()
        time.sleep(2)
        node.start()
        wait_until(redis_nodes.is_whole)
    wait_until(lambda: is_kept(app))
    rename(cities, "Schaan")
    time.sleep(AGE_S)
    assert all_show(app.url, "Schaan")


def test_all_of_a_table_lies_in_one_slot_and_its_tiles_in_many(
    run: Callable[..., Result], cities: str, redis_nodes: RedisNodes, make_app: MakeApp
) -> None:
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.lakes (id int PRIMARY KEY, geom geometry(Point, 4326))")
    done = make_app(cities).test_cli_runner().invoke(args=["changes", "install", "public.lakes"])
    assert done.exit_code == 0, done.output
    assert run("warm", "public.cities", "--zoom", "0-5", "--bbox", "-180,-80,180,80").exit_code == 0
    per_node = redis_nodes.keys()
    keys = set.union(*per_node)
    tables: dict[str, set[int]] = {}
    for key in keys:
        if key.startswith("flagstone:v1"):
            tables.setdefault(key[key.index("{") : key.index("}")], set()).add(slot(redis_nodes, key))
            assert key.rpartition("}:")[2].partition(":")[0] in ("stand", "read", "reader")
    assert [len(slots) for slots in tables.values()] == [1, 1]
    assert len(set.union(*tables.values())) == 2
    tiles = [{key for key in some if key.startswith("flagstone:t4")} for some in per_node]
    assert sum(map(len, tiles)) > 1000
    assert min(map(len, tiles)) > sum(map(len, tiles)) / 4


def test_every_key_has_the_prefix_and_a_time_to_live(run: Callable[..., Result], cities: str, redis_nodes: RedisNodes) -> None:
    assert run("warm", "public.cities", "--zoom", "0-3").exit_code == 0
    assert run("purge", "public.cities", "--zoom", "2").exit_code == 0
    kinds = set()
    for node, keys in zip(redis_nodes.nodes, redis_nodes.keys(), strict=True):
        with redis.Redis.from_url(node.url) as client:
            for key in keys:
                assert key.startswith("flagstone:")
                # What ended between the two questions has -2.
                assert client.ttl(key) not in (-1, None), key
                kinds.add(key.split(":")[1][:2])
    assert {"v1", "t4", "x1"} <= kinds


def test_equal_misses_are_made_once_and_leases_of_a_layer_have_one_slot(redis_nodes: RedisNodes) -> None:
    settings = Settings.of(**redis_nodes.settings)
    tiles: dict[str, str] = {}
    made_ones: list[str] = []
    leased: set[str] = set()
    lock = threading.Lock()

    def make(place: str) -> str:
        with lock:
            made_ones.append(place)
            leased.update(key for key in set.union(*redis_nodes.keys()) if key.startswith("flagstone:l1:"))
        time.sleep(0.3)
        return tiles.setdefault(place, f"tile {place}")

    def ask(number: int) -> str:
        place = f"{number % 4}/1/1"
        leases = Leases(redis_client(settings), "flagstone:", wait_s=20)
        return leases.do(f"t4:maps:public.cities:digest:{place} version", lambda: make(place), lambda: tiles.get(place))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert answers == [f"tile {number % 4}/1/1" for number in range(16)]
    assert sorted(made_ones) == [f"{number}/1/1" for number in range(4)]
    assert len(leased) >= 2
    assert len({slot(redis_nodes, key) for key in leased}) == 1


def test_stats_and_purge_reach_all_nodes(
    run: Callable[..., Result], cities: str, redis_nodes: RedisNodes, make_app: MakeApp
) -> None:
    app = make_app(cities, CACHE_KEY_PREFIX="flagstone:", FLAGSTONE_CHANGES_POLL_MS=0, **redis_nodes.settings)
    assert run("warm", "public.cities", "--zoom", "0-3", "--bbox", "-180,-80,180,80").exit_code == 0
    told = run("stats", "--format", "json")
    assert told.exit_code == 0, told.output
    assert '"tiles": 85' in told.output
    assert [each["name"] for each in attributes(app, TILE)] == ["Vaduz"]
    rename(cities, "Schaan")
    assert [each["name"] for each in attributes(app, TILE)] == ["Vaduz"], "it does not follow the changes"
    assert run("purge", "public.cities").exit_code == 0
    wait_until(lambda: [each["name"] for each in attributes(app, TILE)] == ["Schaan"], 5)


def test_a_cluster_that_is_away_does_not_stop_the_start(cities: str, make_app: MakeApp) -> None:
    app = make_app(cities, CACHE_TYPE="RedisClusterCache", CACHE_REDIS_CLUSTER="127.0.0.1:1,127.0.0.1:2")
    for name in ("Vaduz", "Schaan"):
        rename(cities, name)
        assert [each["name"] for each in attributes(app, TILE)] == [name]


def test_the_password_is_used(redis_nodes: RedisNodes) -> None:
    with ExitStack() as restored:
        for node in redis_nodes.nodes:
            client = restored.enter_context(redis.Redis.from_url(node.url))
            client.config_set("requirepass", "s3cret")
            restored.callback(client.config_set, "requirepass", "")
        settings = Settings.of(CACHE_REDIS_PASSWORD="s3cret", **redis_nodes.settings)
        store = Cache(Flask(__name__), config=cache_config(settings)).cache
        for number in range(10):
            store.set(f"k{number}", b"1", 60)
            assert store.get(f"k{number}") == redis_client(settings).get(f"flagstone:k{number}") == b"1"


def test_one_node_is_enough_to_find_the_others(redis_nodes: RedisNodes) -> None:
    for settings in ({"CACHE_REDIS_URL": redis_nodes.nodes[1].url}, {"CACHE_REDIS_CLUSTER": f"127.0.0.1:{redis_nodes.nodes[2].port}"}):
        client = redis_client(Settings.of(CACHE_TYPE="RedisClusterCache", **settings))
        for number in range(30):
            client.set(f"key {number}", number, px=60_000)
    assert all(redis_nodes.keys())
