"""Many clients on one new tile of four workers: one query."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.conftest import Serve
from tests.servers.gunicorn import Gunicorn
from tests.servers.nginx import Nginx
from tests.servers.redis import RedisServer
from tests.servers.site import Answer, Proxy, ask

FUNCTION = """
CREATE FUNCTION public.slow(z integer, x integer, y integer) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE tile bytea;
BEGIN
    PERFORM pg_sleep({seconds});
    SELECT ST_AsMVT(rows, 'slow') INTO tile FROM (SELECT ST_AsMVTGeom(ST_Point(2048, 2048), ST_MakeEnvelope(0, 0, 4096, 4096)) AS geom) AS rows;
    RETURN tile;
END $$;
"""


def served(
    serve: Serve, database: str, redis_server: RedisServer, seconds: float, **settings: object
) -> Gunicorn:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(FUNCTION.replace("{seconds}", str(seconds)).encode())
    given = {
        "DATABASE_URL": database, "CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_server.url,
        "WEB_CONCURRENCY": 4, "FLAGSTONE_CATALOG_INTERVAL_S": 0,
    }  # fmt: skip
    app = serve(**(given | settings))
    with ThreadPoolExecutor(32) as pool:  # each worker has opened its connections and read its catalog
        list(pool.map(lambda _: ask(app.url, "/readyz"), range(64)))
    return app


def crowd(app: Gunicorn | Nginx, path: str, clients: int = 64) -> list[Answer]:
    with ThreadPoolExecutor(clients) as pool:
        return list(pool.map(lambda _: ask(app.url, path), range(clients)))


def queries(app: Gunicorn) -> int:
    text = ask(app.url, "/metrics").body.decode()
    [line] = [line for line in text.splitlines() if line.startswith("flagstone_tile_query_seconds_count")]
    return int(float(line.rpartition(" ")[2]))


def test_a_new_tile_of_one_second_is_one_query_for_64_clients(
    serve: Serve, database: str, redis_server: RedisServer
) -> None:
    app = served(serve, database, redis_server, 1)
    before = queries(app)
    answers = crowd(app, "/tiles/public.slow/3/1/2")
    assert queries(app) == before + 1
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {200, 503}
    # Which worker a connection comes to is the system's to say; each worker lets 14 of its 16 threads wait.
    assert statuses[200] >= 14, statuses
    assert len({answer.body for answer in answers if answer.status == 200}) == 1
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status == 503)


def test_behind_nginx_all_64_get_the_tile(
    serve: Serve, database: str, redis_server: RedisServer, nginx: Callable[[str, int], Nginx]
) -> None:
    app = served(serve, database, redis_server, 1, FLAGSTONE_TRUSTED_PROXIES=1)
    site = Proxy(nginx)(app)
    before = queries(app)
    answers = crowd(site, "/tiles/public.slow/3/1/2")
    assert {answer.status for answer in answers} == {200}
    assert queries(app) == before + 1


@pytest.mark.parametrize("cache", ["RedisCache", "memory"])
def test_a_tile_that_took_too_long_is_not_asked_for_by_everybody_at_once(
    serve: Serve, database: str, redis_server: RedisServer, cache: str
) -> None:
    app = served(serve, database, redis_server, 5, FLAGSTONE_STATEMENT_TIMEOUT_MS=500, CACHE_TYPE=cache,
                 WEB_CONCURRENCY=4 if cache == "RedisCache" else 1)  # fmt: skip
    before = queries(app)
    begun = time.monotonic()
    for _ in range(3):
        answers = crowd(app, "/tiles/public.slow/3/1/2", 24)
        assert {answer.status for answer in answers} <= {503, 504}
    # One, and another one for each two seconds after the end of the last.
    assert queries(app) - before <= 1 + (time.monotonic() - begun) / 2
