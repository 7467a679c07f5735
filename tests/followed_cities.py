"""A table of cities whose changes are followed, and gunicorn over it: what every answer shows, and who reads the log."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
from mapbox_vector_tile import decode

from tests.conftest import MakeApp, Serve
from tests.servers.gunicorn import Gunicorn
from tests.servers.site import ask

TILE = "/tiles/public.cities/4/8/5"
AGE_S = 1.2
"""How old an answer may be whatever breaks: what FLAGSTONE_CHANGES_MAX_AGE_MS allows by default, and the time of a question."""

_LATE_S = 2.0
"""As that, where processes wait for a processor as well."""


def made(database: str, make_app: MakeApp) -> str:
    """The same database with the table in it, and its triggers."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.cities (id int PRIMARY KEY, name text, geom geometry(Point, 4326))"
        )
        connection.execute("INSERT INTO public.cities VALUES (1, 'Vaduz', 'SRID=4326;POINT(9.5 47.1)')")
    app = make_app(database, FLAGSTONE_CATALOG_INTERVAL_S=0)
    done = app.test_cli_runner().invoke(args=["changes", "install", "public.cities"])
    assert done.exit_code == 0, done.output
    return database


def rename(database: str, name: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE public.cities SET name = %s", [name])


def start(serve: Serve, database: str, redis_url: str | None, **settings: object) -> Gunicorn:
    """Two workers that share a Redis, once the first tile came out of it."""
    redis = {} if redis_url is None else {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url}
    given = {
        "DATABASE_URL": database, **redis, "WEB_CONCURRENCY": 2,
        "FLAGSTONE_CACHE_TTL_S": 0, "FLAGSTONE_TRUSTED_PROXIES": 1, "FLAGSTONE_CATALOG_INTERVAL_S": 0,
    }  # fmt: skip
    app = serve(**(given | settings))
    wait_until(lambda: is_kept(app))
    return app


def names(url: str, path: str = TILE, timeout: float = 20.0) -> set[str]:
    """What one answer shows. It is one of 200 or 204, whatever goes wrong behind."""
    answer = ask(url, path, timeout=timeout)
    assert answer.status in (200, 204), (answer.status, answer.body)
    layers = decode(answer.body) if answer.body else {}
    return {feature["properties"]["name"] for layer in layers.values() for feature in layer["features"]}


def all_show(url: str, expected: str, times: int = 30) -> bool:
    """Whether each of many answers, from whichever worker, shows this name."""
    return all(names(url) == {expected} for _ in range(times))


def count(app: Gunicorn, series: str) -> float:
    """A number of /metrics, the sum of all workers."""
    lines = ask(app.url, "/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(series))


def is_kept(app: Gunicorn) -> bool:
    names(app.url)
    before = count(app, "flagstone_tile_query_seconds_count")
    for _ in range(10):
        names(app.url)
    return count(app, "flagstone_tile_query_seconds_count") == before


def wait_until(what: Callable[[], bool], seconds: float = 20.0) -> float:
    """Seconds until it was so."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() < begun + seconds, "it did not come"
        time.sleep(0.02)
    return time.monotonic() - begun


def workers(app: Gunicorn) -> list[int]:
    children = Path(f"/proc/{app.process.pid}/task/{app.process.pid}/children").read_text().split()
    return [int(child) for child in children]


def leader(app: Gunicorn) -> int | None:
    """The worker that reads the log: it holds a lock of the system."""
    holders = {
        int(line.split()[4]) for line in Path("/proc/locks").read_text().splitlines() if " FLOCK " in line
    }
    found = holders & set(workers(app))
    return found.pop() if len(found) == 1 else None


@contextmanager
def never_old(url: str, database: str) -> Iterator[None]:
    """While the block runs the name changes all the time, and each answer shows what was committed some time before it was asked
    for, or something newer. It runs until enough was asked."""
    commits: list[tuple[float, int]] = [(float("-inf"), 0)]
    answers: list[int] = []
    over = threading.Event()

    def edit() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            for number in itertools.count(1):
                connection.execute("UPDATE public.cities SET name = %s", [str(number)])
                commits.append((time.monotonic(), number))
                # Between two of them a tile is kept, and given from there.
                if over.wait(0.2):
                    return

    def read() -> None:
        while not over.is_set():
            asked = time.monotonic()
            [shown] = names(url)
            due = max(number for when, number in list(commits) if when < asked - _LATE_S)
            assert int(shown) >= due, f"{shown} where {due} was committed long before"
            answers.append(int(shown))

    rename(database, "0")
    time.sleep(AGE_S)
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(edit), *[pool.submit(read) for _ in range(3)]]
        try:
            yield
            begun, enough = len(answers), len(commits) + 5
            wait_until(
                lambda: (len(answers) > begun + 50 and len(commits) > enough) or any(each.done() for each in work), 60
            )
        finally:
            over.set()
    for each in work:
        each.result()
