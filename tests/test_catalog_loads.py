"""A catalog that takes seconds to load, because views are slow, costs nobody else a thread."""

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app.errors import ConfigurationError, FlagstoneError, NotFound, Unavailable
from app.layers.identity import ANONYMOUS
from app.repository.catalog import Catalog
from app.repository.catalog_loads import CatalogLoads
from app.repository.catalog_store import CatalogStore
from tests.catalogs import catalog_store
from tests.conftest import Serve

SLOW_VIEWS = 4
"""Each takes the half second that a look at its rows may take."""
LOAD_S = SLOW_VIEWS * 0.5


@pytest.fixture
def slow(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE quick (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO quick VALUES (1, 'SRID=4326;POINT(1 2)')")
        for number in range(SLOW_VIEWS):
            connection.execute(f"CREATE VIEW slow_{number} AS SELECT ST_MakePoint(1, 2) AS geom FROM pg_sleep(60)".encode())
    return database


def asked(store: CatalogStore, name: str) -> tuple[float, FlagstoneError | None]:
    """How long the answer took, and the error if it was one."""
    began = time.monotonic()
    try:
        store.layer(name, ANONYMOUS)
    except FlagstoneError as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None


def together(threads: int, ask: Callable[[int], tuple[float, FlagstoneError | None]]) -> list[tuple[float, FlagstoneError | None]]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(ask, range(threads)))


def test_few_wait_for_a_reload_and_all_others_hear_at_once_what_is_known(slow: str) -> None:
    with catalog_store(slow, FLAGSTONE_THREADS=8, FLAGSTONE_CATALOG_MISS_INTERVAL_S="0.5") as store:
        store.catalog()
        time.sleep(0.6)
        answers = together(16, lambda number: asked(store, f"nothing_{number}"))
        assert all(isinstance(error, NotFound) for _, error in answers)
        took = sorted(seconds for seconds, _ in answers)
        assert took[-3] < 0.5
        assert took[-1] < 2.5


def test_the_interval_counts_from_the_end_of_a_load(slow: str) -> None:
    with catalog_store(slow, FLAGSTONE_CATALOG_MISS_INTERVAL_S="1") as store:
        before = store.catalog()
        asked(store, "nothing")
        assert store.catalog() is before
        assert "flagstone-reload" not in [thread.name for thread in threading.enumerate()]
        time.sleep(1.1)
        asked(store, "nothing")
        asked(store, "nothing")
        assert store.catalog() is not before or "flagstone-reload" in [thread.name for thread in threading.enumerate()]


def test_before_the_first_load_a_known_layer_waits_for_nobody_and_the_rest_not_for_long(slow: str) -> None:
    with psycopg.connect(slow, autocommit=True) as connection:
        for number in range(SLOW_VIEWS, 16):
            connection.execute(f"CREATE VIEW slow_{number} AS SELECT ST_MakePoint(1, 2) AS geom FROM pg_sleep(60)".encode())
    with catalog_store(slow, FLAGSTONE_THREADS=4, FLAGSTONE_POOL_SIZE="12") as store:
        store.open()
        with ThreadPoolExecutor(8) as pool:
            unknown = [pool.submit(asked, store, f"nothing_{number}") for number in range(8)]
            took, error = asked(store, "quick")
            answers = [each.result() for each in unknown]
        assert took < 0.5 and error is None
        assert not store.loaded
        assert all(isinstance(error, Unavailable) for _, error in answers)
        seconds = sorted(seconds for seconds, _ in answers)
        assert seconds[-2] < 1.5
        assert seconds[-1] < 5.5


def test_a_new_table_is_found_by_who_waits_for_it(slow: str) -> None:
    with catalog_store(slow, FLAGSTONE_CATALOG_MISS_INTERVAL_S="0") as store, psycopg.connect(slow, autocommit=True) as connection:
        store.catalog()
        connection.execute(f"DROP VIEW {', '.join(f'slow_{number}' for number in range(1, SLOW_VIEWS))}".encode())
        connection.execute("CREATE TABLE late (geom geometry(Point, 4326))")
        assert asked(store, "late")[1] is None


def test_who_shares_a_failure_gets_an_error_of_its_own() -> None:
    start = threading.Event()

    def refuse() -> Catalog:
        start.wait()
        raise ConfigurationError("no PostGIS")

    loads = CatalogLoads(refuse, seats=1)
    seen: list[ConfigurationError] = []

    def ask(_: int) -> None:
        with pytest.raises(ConfigurationError, match="no PostGIS") as caught:
            loads.whole()
        seen.append(caught.value)

    with ThreadPoolExecutor(3) as threads:
        asking = threads.map(ask, range(3))
        time.sleep(0.2)
        start.set()
        list(asking)
    assert len({id(error) for error in seen}) == 3


def test_a_flood_of_unknown_names_leaves_cached_tiles_as_quick_as_they_were(slow: str, serve: Serve) -> None:
    server = serve(
        DATABASE_URL=slow, FLAGSTONE_THREADS=4, WEB_CONCURRENCY=1, FLAGSTONE_CATALOG_MISS_INTERVAL_S="0.2"
    )
    over = threading.Event()

    def get(path: str) -> int:
        try:
            with urllib.request.urlopen(server.url + path, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def flood() -> set[int]:
        seen = set()
        while not over.wait(0.5):
            seen.add(get("/tiles/dropped/0/0/0"))
        return seen

    end = time.monotonic() + 20
    while get("/readyz") != 200:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert get("/tiles/quick/0/0/0") == 200
    took = []
    with ThreadPoolExecutor(6) as threads:
        floods = [threads.submit(flood) for _ in range(6)]
        end = time.monotonic() + 3 * LOAD_S
        while time.monotonic() < end:
            began = time.monotonic()
            assert get("/tiles/quick/0/0/0") == 200
            took.append(time.monotonic() - began)
            time.sleep(0.05)
        over.set()
        assert set.union(*(each.result() for each in floods)) == {404}
    assert max(took) < 0.5
