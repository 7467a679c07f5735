"""Two gunicorn workers on one Redis: an edit is in every answer of both, whatever becomes of Redis, the line or a worker."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import MakeApp, Serve
from tests.followed_cities import (
    AGE_S,
    TILE,
    all_show,
    count,
    is_kept,
    leader,
    made,
    names,
    rename,
    start,
    wait_until,
    workers,
)
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.gunicorn import Gunicorn
from tests.servers.redis import RedisServer
from tests.servers.site import ask


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    return made(database, make_app)


@pytest.fixture
def app(serve: Serve, cities: str, redis_server: RedisServer) -> Gunicorn:
    return start(serve, cities, redis_server.url)


def test_an_edit_is_in_the_tile_of_both_workers(app: Gunicorn, cities: str) -> None:
    for number in range(5):
        rename(cities, f"name {number}")
        took = wait_until(lambda number=number: names(app.url) == {f"name {number}"}, 2)  # type: ignore[misc]
        assert took < 1
        assert all_show(app.url, f"name {number}")
    assert is_kept(app)


def test_one_of_the_workers_follows(app: Gunicorn) -> None:
    assert leader(app) in workers(app)


def test_another_worker_follows_when_the_one_that_did_is_killed(app: Gunicorn, cities: str) -> None:
    first = leader(app)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    rename(cities, "Schaan")
    time.sleep(AGE_S)
    assert all_show(app.url, "Schaan")
    wait_until(lambda: leader(app) not in (None, first), 5)
    wait_until(lambda: is_kept(app), 5)
    rename(cities, "Triesen")
    wait_until(lambda: names(app.url) == {"Triesen"}, 1)
    assert all_show(app.url, "Triesen")


def test_a_reader_of_the_log_that_hangs_is_not_believed(app: Gunicorn, cities: str) -> None:
    """It holds its lock, so that nobody else follows: tiles are made without the cache."""
    first = leader(app)
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    try:
        rename(cities, "Schaan")
        time.sleep(AGE_S)
        until = time.monotonic() + 2
        shown: set[str] = set()
        while time.monotonic() < until:
            with suppress(TimeoutError):  # the connection went to the worker that hangs
                shown |= names(app.url, timeout=0.5)
        assert shown == {"Schaan"}
    finally:
        os.kill(first, signal.SIGCONT)
    wait_until(lambda: is_kept(app), 10)
    assert all_show(app.url, "Schaan")


@contextmanager
def restarted(server: RedisServer) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def flushed(server: RedisServer) -> Iterator[None]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    yield


@contextmanager
def read_only(server: RedisServer) -> Iterator[None]:
    with redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", "1")
        yield
        client.replicaof("NO", "ONE")


@contextmanager
def full(server: RedisServer) -> Iterator[None]:
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


@contextmanager
def hanging(server: RedisServer) -> Iterator[None]:
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server._process.pid, signal.SIGCONT)


def _purges(client: redis.Redis) -> list[bytes]:
    """The key of the purges, of which there are none."""
    return [re.sub(rb"v1[^:]*:\{(.*)\}:read$", rb"x1:\1", key) for key in client.scan_iter("*:read")]


@contextmanager
def garbage(server: RedisServer) -> Iterator[None]:
    with redis.Redis.from_url(server.url) as client:
        for key in [*client.scan_iter(), *_purges(client)]:
            client.delete(key)
            client.rpush(key, "no such thing")
    yield


@contextmanager
def texts(server: RedisServer) -> Iterator[None]:
    with redis.Redis.from_url(server.url) as client:
        for key in client.scan_iter():
            client.set(key, b"\xff\x00 what somebody else wrote")
    yield


@contextmanager
def hashes(server: RedisServer) -> Iterator[None]:
    with redis.Redis.from_url(server.url) as client:
        for key in [*client.scan_iter(), *_purges(client)]:
            client.delete(key)
            client.hset(key, mapping={"e": "x", "l": "y", "p": "no position"})
    yield


@pytest.mark.parametrize("harm", [restarted, flushed, read_only, full, hanging, garbage, texts, hashes])
def test_a_redis_in_trouble_gives_no_wrong_tile(
    app: Gunicorn, cities: str, redis_server: RedisServer, harm: Callable[[RedisServer], object]
) -> None:
    assert all_show(app.url, "Vaduz", 5)
    with harm(redis_server):  # type: ignore[attr-defined]
        rename(cities, "Schaan")
        time.sleep(AGE_S)
        assert all_show(app.url, "Schaan", 10)
        rename(cities, "Triesen")
        time.sleep(AGE_S)
        assert all_show(app.url, "Triesen", 10)
    assert all_show(app.url, "Triesen", 10)
    rename(cities, "Balzers")
    time.sleep(AGE_S)
    assert all_show(app.url, "Balzers", 10)
    wait_until(lambda: is_kept(app), 15)
    assert all_show(app.url, "Balzers", 10)


def test_a_redis_that_hangs_is_waited_for_once_a_second_and_not_by_all(
    app: Gunicorn, redis_server: RedisServer
) -> None:
    names(app.url)
    with hanging(redis_server):
        time.sleep(AGE_S)
        begun = time.monotonic()
        for _ in range(60):
            names(app.url)
        # Two workers, each may try once a second for half a second.
        assert time.monotonic() - begun < 8


@pytest.mark.parametrize("harm", ["stop", "silence", "cut"])
def test_a_line_to_the_database_that_breaks_gives_no_wrong_tile(
    serve: Serve,
    cities: str,
    redis_server: RedisServer,
    cutting_proxy: Callable[[str, int], CuttingProxy],
    harm: str,
) -> None:
    """The edit comes while nobody can read the log, and the first tile after it while its reader is still away."""
    address = conninfo_to_dict(cities)
    line = cutting_proxy(str(address["host"]), int(address.get("port") or 5432))
    app = start(serve, line.dsn(cities), redis_server.url)
    getattr(line, harm)()
    rename(cities, "Schaan")
    time.sleep(AGE_S)
    if harm == "cut":
        assert all_show(app.url, "Schaan", 10)
    if harm == "stop":
        line.start()
    line.speak()
    wait_until(lambda: _shows(app, "Schaan"), 15)
    assert all_show(app.url, "Schaan")
    wait_until(lambda: is_kept(app), 20)


def _shows(app: Gunicorn, name: str) -> bool:
    """Whether it shows this name; an error is an answer, an old name is none."""
    try:
        shown = names(app.url)
    except AssertionError:
        return False
    assert shown == {name}
    return True


def test_an_edit_made_while_all_were_down_is_in_the_first_tile(
    serve: Serve, cities: str, redis_server: RedisServer
) -> None:
    app = start(serve, cities, redis_server.url)
    app.stop()
    rename(cities, "Schaan")
    app = serve(DATABASE_URL=cities, CACHE_TYPE="RedisCache", CACHE_REDIS_URL=redis_server.url, WEB_CONCURRENCY=2,
                FLAGSTONE_CACHE_TTL_S=0)  # fmt: skip
    assert all_show(app.url, "Schaan")
    wait_until(lambda: is_kept(app))
    assert all_show(app.url, "Schaan")


def test_a_redis_that_comes_back_as_it_was_an_hour_ago_gives_no_wrong_tile(
    app: Gunicorn, cities: str, redis_server: RedisServer
) -> None:
    """Restored from a dump, or a replica that had lagged: tiles and stands of then fit each other, and are old."""
    with redis.Redis.from_url(redis_server.url) as client:
        then = {key: (client.pttl(key), client.dump(key)) for key in client.scan_iter()}
        rename(cities, "Schaan")
        wait_until(lambda: names(app.url) == {"Schaan"}, 2)
        pipe = client.pipeline()
        pipe.flushall()
        for key, (left, value) in then.items():
            pipe.restore(key, max(0, left), value)
        pipe.execute()
    begun = time.monotonic()
    while time.monotonic() < begun + AGE_S:
        names(app.url)
    assert all_show(app.url, "Schaan")


def test_two_services_on_one_redis_and_one_database_see_the_same(
    app: Gunicorn, serve: Serve, cities: str, redis_server: RedisServer
) -> None:
    other = start(serve, cities, redis_server.url)
    rename(cities, "Schaan")
    time.sleep(0.5)
    assert all_show(app.url, "Schaan", 10)
    assert all_show(other.url, "Schaan", 10)
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("TRUNCATE public.cities")
    time.sleep(0.5)
    assert names(app.url) == names(other.url) == set()


def test_a_client_that_has_the_tile_is_answered_without_query_or_body(
    app: Gunicorn, cities: str, redis_server: RedisServer
) -> None:
    tag = ask(app.url, TILE).headers["ETag"]
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_resetstat()
        queries = count(app, "flagstone_tile_query_seconds_count")
        for _ in range(10):
            answer = ask(app.url, TILE, {"If-None-Match": tag})
            assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
        assert count(app, "flagstone_tile_query_seconds_count") == queries
        asked = client.info("commandstats")
        assert asked["cmdstat_getrange"]["calls"] == 10
        # `GET` is of the versions.
        readings = asked.get("cmdstat_evalsha", {"calls": 0})["calls"]
        assert asked["cmdstat_get"]["calls"] <= 10 + readings
    rename(cities, "Schaan")
    wait_until(lambda: ask(app.url, TILE, {"If-None-Match": tag}).status == 200, 2)
    assert ask(app.url, TILE, {"If-None-Match": f'"other", {tag}'}).status == 200
