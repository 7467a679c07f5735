"""Layers whose changes are followed, behind nginx: hits stay in nginx, and are as old as it may keep them and no older."""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from scripts.lib import child
from tests.conftest import MakeApp, Serve
from tests.followed_cities import TILE, count, made, names, rename, start, wait_until
from tests.servers.gunicorn import Gunicorn
from tests.servers.redis import RedisServer
from tests.servers.site import Proxy, ask

GZIP = {"Accept-Encoding": "gzip"}
AGE_S = 1
"""FLAGSTONE_HTTP_FOLLOWED_S_MAXAGE_S by default."""


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    return made(database, make_app)


@pytest.fixture
def app(serve: Serve, cities: str, redis_server: RedisServer) -> Gunicorn:
    return start(serve, cities, redis_server.url)


def test_an_edit_is_seen_through_nginx_within_its_age(app: Gunicorn, cities: str, proxy: Proxy) -> None:
    site = proxy(app).url
    for number in range(3):
        assert ask(site, TILE).status == 200
        rename(cities, f"name {number}")
        wait_until(lambda number=number: names(site) == {f"name {number}"}, AGE_S + 1.5)  # type: ignore[misc]
        for _ in range(20):
            assert names(site) == {f"name {number}"}


def test_a_followed_tile_is_kept_and_then_asked_for_with_its_tag(app: Gunicorn, proxy: Proxy) -> None:
    site = proxy(app).url
    first = ask(site, TILE, GZIP)
    assert first.headers["Cache-Control"] == "public, max-age=0, s-maxage=1, must-revalidate"
    assert first.kept == "MISS"
    queries = count(app, "flagstone_tile_query_seconds_count")
    assert ask(site, TILE, GZIP).kept == "HIT"
    time.sleep(AGE_S + 1.1)
    again = ask(site, TILE, GZIP)
    assert (again.kept, again.body, again.headers["ETag"]) == (
        "REVALIDATED",
        first.body,
        first.headers["ETag"],
    )
    assert ask(site, TILE, {**GZIP, "If-None-Match": first.headers["ETag"]}).status == 304
    assert count(app, "flagstone_tile_query_seconds_count") == queries


def test_the_first_answer_after_a_quiet_night_is_a_new_one(app: Gunicorn, cities: str, proxy: Proxy) -> None:
    """An update in the background would give whatever lies there, however old."""
    site = proxy(app).url
    names(site)
    rename(cities, "Schaan")
    time.sleep(AGE_S + 1.5)
    assert names(site) == {"Schaan"}


def test_an_empty_tile_is_asked_for_again_without_a_query(app: Gunicorn, proxy: Proxy) -> None:
    """nginx does not ask with a tag where its copy is a 204."""
    site = proxy(app).url
    empty = TILE.replace("4/8/5", "4/1/1")
    assert ask(site, empty).status == 204
    wait_until(lambda: _asks_nothing(app, empty))
    queries = count(app, "flagstone_tile_query_seconds_count")
    for _ in range(2):
        time.sleep(AGE_S + 1.1)
        assert ask(site, empty).status == 204
    assert count(app, "flagstone_tile_query_seconds_count") == queries


def _asks_nothing(app: Gunicorn, path: str) -> bool:
    before = count(app, "flagstone_tile_query_seconds_count")
    ask(app.url, path)
    return count(app, "flagstone_tile_query_seconds_count") == before


def test_the_tag_is_the_same_from_both_workers_after_a_restart_and_with_an_empty_redis(
    serve: Serve, cities: str, redis_server: RedisServer
) -> None:
    tags: set[str] = set()
    for _ in range(2):
        app = start(serve, cities, redis_server.url)
        tags |= {ask(app.url, TILE, GZIP).headers["ETag"] for _ in range(10)}
        redis_server.stop()
        redis_server.start()
        tags |= {ask(app.url, TILE, GZIP).headers["ETag"] for _ in range(10)}
        app.stop()
    assert len(tags) == 1


def test_an_old_tile_of_a_followed_layer_is_not_shown_while_the_application_is_down(
    app: Gunicorn, proxy: Proxy
) -> None:
    site = proxy(app).url
    assert ask(site, TILE).status == 200
    child.end(app.process, signal.SIGQUIT)
    time.sleep(AGE_S + 1.1)
    assert ask(site, TILE).status == 503


@pytest.mark.parametrize("follows", [True, False])
def test_an_old_tile_is_shown_while_the_application_is_down_where_that_is_allowed(
    serve: Serve, cities: str, redis_server: RedisServer, proxy: Proxy, follows: bool
) -> None:
    if not follows:
        _uninstall(cities)
    app = start(serve, cities, redis_server.url, FLAGSTONE_CACHE_STALE_S=8, FLAGSTONE_CACHE_TTL_S=1 if not follows else 0) if follows else serve(
        DATABASE_URL=cities, FLAGSTONE_CACHE_TTL_S=1, FLAGSTONE_CACHE_STALE_S=8, FLAGSTONE_TRUSTED_PROXIES=1)  # fmt: skip
    site = proxy(app).url
    first = ask(site, TILE)
    assert "stale-if-error=8" in first.headers["Cache-Control"]
    assert ("stale-while-revalidate=8" in first.headers["Cache-Control"]) is not follows
    child.end(app.process, signal.SIGQUIT)
    time.sleep(AGE_S + 1.1)
    kept = ask(site, TILE)
    assert (kept.status, kept.kept, kept.body) == (200, "STALE", first.body)
    time.sleep(9)
    assert ask(site, TILE).status == 503, "eight seconds were allowed"


def _uninstall(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.other AS TABLE public.cities")
        connection.execute("DROP TABLE public.cities")
        connection.execute("ALTER TABLE public.other RENAME TO cities")


def test_where_old_tiles_are_allowed_nginx_renews_them_in_the_background(
    serve: Serve, cities: str, proxy: Proxy
) -> None:
    _uninstall(cities)
    app = serve(
        DATABASE_URL=cities, FLAGSTONE_CACHE_TTL_S=1, FLAGSTONE_CACHE_STALE_S=30, FLAGSTONE_TRUSTED_PROXIES=1
    )
    site = proxy(app).url
    assert names(site) == {"Vaduz"}
    rename(cities, "Schaan")
    time.sleep(2.2)
    assert ask(site, TILE).kept == "STALE"
    wait_until(lambda: names(site) == {"Schaan"}, 5)
