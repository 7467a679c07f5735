"""The tile cache on a real Redis, as flask-caching makes its backend from our settings."""

import io
import os
import pickle
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from cachelib.serializers import RedisSerializer
from flask import Flask
from flask_caching import Cache

from app.caching.config import cache_config
from app.caching.entry import Entry
from app.caching.serializer import ByteSerializer
from app.caching.tile_cache import TileCache
from app.layers.how import How
from app.metrics import CACHE_FAILURES
from app.settings import Settings
from tests.servers.redis import RedisServer

ENTRY = Entry.of(b"a tile" * 5_000, how=How.LIMITED, made_at=1_780_000_000.5, version="")


def backend(**settings: Any) -> Any:
    """What flask-caching makes of these settings; a warning of it is an error."""
    return Cache(Flask(__name__), config=cache_config(Settings.of(**settings))).cache


def tile_cache(url: str) -> TileCache:
    return TileCache(backend(CACHE_TYPE="RedisCache", CACHE_REDIS_URL=url), max_bytes=2_000_000)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


class Malicious:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self._path,))


def test_tile_comes_back_from_redis_and_lies_there_as_a_frame(redis_url: str, client: redis.Redis) -> None:
    cache = tile_cache(redis_url)
    assert cache.get("k") is None
    cache.put("k", ENTRY, 60)
    assert cache.get("k") == ENTRY
    assert client.get("flagstone:k") == ENTRY.framed()
    assert 50 < int(str(client.ttl("flagstone:k"))) <= 60


def test_two_workers_share_the_cache(redis_url: str) -> None:
    tile_cache(redis_url).put("k", ENTRY, 60)
    assert tile_cache(redis_url).get("k") == ENTRY


def test_host_and_port_serve_as_well_as_a_url(redis_url: str) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    store = backend(
        CACHE_TYPE="RedisCache", CACHE_REDIS_HOST="127.0.0.1", CACHE_REDIS_PORT=port, CACHE_REDIS_DB=3, CACHE_KEY_PREFIX="mine:"
    )  # fmt: skip
    cache = TileCache(store, max_bytes=2_000_000)
    cache.put("k", ENTRY, 60)
    assert cache.get("k") == ENTRY
    with redis.Redis(port=port, db=3) as third:
        assert third.get("mine:k") == ENTRY.framed()


@pytest.mark.parametrize("by_url", [True, False])
def test_timeouts_are_short_and_nothing_is_tried_twice(redis_url: str, by_url: bool) -> None:
    port = int(redis_url.rpartition(":")[2].partition("/")[0])
    where = (
        {"CACHE_REDIS_URL": redis_url}
        if by_url
        else {"CACHE_REDIS_HOST": "127.0.0.1", "CACHE_REDIS_PORT": port}
    )
    store = backend(CACHE_TYPE="RedisCache", **where)
    connection = store._read_client.connection_pool.make_connection()
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (0.5, 0.5)
    assert connection.retry.get_retries() == 0


@pytest.mark.parametrize("by_url", [True, False])
def test_password_is_used(redis_server: RedisServer, by_url: bool) -> None:
    with redis.Redis.from_url(redis_server.url) as connected:
        connected.config_set("requirepass", "s3cret")
    port = int(redis_server.url.rpartition(":")[2].partition("/")[0])
    where = (
        {"CACHE_REDIS_URL": redis_server.url}
        if by_url
        else {"CACHE_REDIS_HOST": "127.0.0.1", "CACHE_REDIS_PORT": port}
    )
    store = backend(CACHE_TYPE="RedisCache", CACHE_REDIS_PASSWORD="s3cret", **where)
    store.set("k", b"1", 60)
    assert store.get("k") == b"1"


def test_planted_pickle_is_not_loaded(redis_url: str, client: redis.Redis, tmp_path: Path) -> None:
    planted = tmp_path / "executed"
    value = b"!" + pickle.dumps(Malicious(planted))  # as cachelib writes it
    client.set("flagstone:k", value)
    store = backend(CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)
    assert TileCache(store, max_bytes=2_000_000).get("k") is None
    assert store.get("k") == value
    assert store.get_many("k") == [value]
    assert not planted.exists()

    RedisSerializer().loads(value)
    assert planted.exists(), "cachelib's own serializer would have loaded it"


def test_serializer_of_files_is_no_pickle_either() -> None:
    serializer, file = ByteSerializer(), io.BytesIO()
    serializer.dump(b"frame", file)
    file.seek(0)
    assert file.getvalue() == serializer.load(file) == b"frame"
    with pytest.raises(TypeError, match="holds bytes"):
        serializer.dump(1, file)


def test_only_bytes_go_to_redis(redis_url: str) -> None:
    store = backend(CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)
    with pytest.raises(TypeError, match="holds bytes"):
        store.set("k", {"a": 1}, 60)


@pytest.mark.parametrize("value", [b"", b"12", b"!", b"FsTl", bytes(100)])
def test_value_of_somebody_else_is_a_miss(redis_url: str, client: redis.Redis, value: bytes) -> None:
    client.set("flagstone:k", value)
    assert tile_cache(redis_url).get("k") is None


def test_key_of_another_type_is_a_miss(redis_url: str, client: redis.Redis) -> None:
    client.lpush("flagstone:k", "a list")
    assert tile_cache(redis_url).get("k") is None


def test_redis_that_goes_and_comes_back(redis_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    cache = tile_cache(redis_server.url)
    cache.put("k", ENTRY, 60)
    assert cache.get("k") == ENTRY
    redis_server.stop()
    failures = CACHE_FAILURES._value.get()
    begun = time.monotonic()
    for _ in range(1_000):
        assert cache.get("k") is None
        cache.put("k", ENTRY, 60)
    assert time.monotonic() - begun < 1.0
    assert CACHE_FAILURES._value.get() > failures
    assert len(caplog.records) == 1

    redis_server.start()
    until = time.monotonic() + 5
    while cache.get("k") is None:
        assert time.monotonic() < until
        cache.put("k", ENTRY, 60)
        time.sleep(0.05)
    assert cache.get("k") == ENTRY
    assert len(caplog.records) == 1


def test_redis_that_hangs_costs_one_timeout_and_no_more(redis_server: RedisServer) -> None:
    cache = tile_cache(redis_server.url)
    cache.put("k", ENTRY, 60)
    os.kill(redis_server._process.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        for _ in range(1_000):
            assert cache.get("k") is None
        assert 0.4 < time.monotonic() - begun < 1.0
    finally:
        os.kill(redis_server._process.pid, signal.SIGCONT)
    time.sleep(1.1)
    assert cache.get("k") == ENTRY, (
        "used again by itself, on a connection without the late answer of another key"
    )


def test_full_redis_still_answers(redis_server: RedisServer) -> None:
    cache = tile_cache(redis_server.url)
    cache.put("k", ENTRY, 60)
    with redis.Redis.from_url(redis_server.url) as connected:
        connected.config_set("maxmemory", 1)
        cache.put("other", ENTRY, 60)
        assert cache.get("other") is None
        assert cache.get("k") == ENTRY
        connected.config_set("maxmemory", 0)
    time.sleep(1.1)
    cache.put("other", ENTRY, 60)
    assert cache.get("other") == ENTRY


def test_read_only_replica_still_answers(redis_server: RedisServer) -> None:
    cache = tile_cache(redis_server.url)
    cache.put("k", ENTRY, 60)
    with redis.Redis.from_url(redis_server.url) as connected:
        connected.replicaof("127.0.0.1", "1")
    cache.put("other", ENTRY, 60)
    assert cache.get("other") is None
    assert cache.get("k") == ENTRY


def test_no_cache_is_made_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache = TileCache(backend(CACHE_TYPE="NullCache"), max_bytes=2_000_000)
    cache.put("k", ENTRY, 60)
    assert cache.get("k") is None


@pytest.mark.parametrize("size", [0, 60, 400, 5_000, 15_000, 100_000])
def test_a_tile_takes_no_more_memory_than_the_docs_say(
    redis_url: str, client: redis.Redis, size: int
) -> None:
    entry = Entry.of(os.urandom(size), how=How.FULL, made_at=1.0, version="x" * 12)
    key = f"t4:127.0.0.1/maps:public.buildings:{'0' * 64}:14/8000/5000"
    tile_cache(redis_url).put(key, entry, 60)
    taken = client.memory_usage(f"flagstone:{key}")
    assert taken is not None
    assert taken <= len(entry.body) * 5 / 4 + 320
    assert taken >= len(entry.body)


def test_a_tile_above_the_bound_is_not_kept(redis_url: str, client: redis.Redis) -> None:
    store = backend(CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_url)
    TileCache(store, max_bytes=100).put(
        "k", Entry.of(os.urandom(200), how=How.FULL, made_at=1.0, version=""), 60
    )
    assert client.dbsize() == 0
