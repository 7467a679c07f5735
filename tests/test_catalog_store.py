"""The snapshot: loaded, renewed, kept when the database is gone."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app.errors import ConfigurationError, NotFound, Unavailable
from app.layers.identity import ANONYMOUS
from app.repository.catalog_store import CatalogStore
from tests.catalogs import catalog_store
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.postgres import DatabaseServer

Proxy = Callable[[str, int], CuttingProxy]


def execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def table(database: str) -> str:
    execute(database, "CREATE TABLE first (id int PRIMARY KEY, geom geometry(Point, 4326))")
    return database


@pytest.fixture
def proxy(database: str, cutting_proxy: Proxy) -> CuttingProxy:
    parts = conninfo_to_dict(database)
    return cutting_proxy(str(parts.get("host") or "127.0.0.1"), int(parts.get("port") or 5432))


def has(store: CatalogStore, name: str) -> bool:
    try:
        return bool(store.layer(name, ANONYMOUS))
    except NotFound:
        return False


def test_a_named_layer_is_looked_up_alone_before_the_first_load(table: str) -> None:
    execute(table, "CREATE SCHEMA other", "CREATE TABLE other.second (geom geometry(Point, 4326))",
            "CREATE TABLE rows (id int, geom geometry(Point, 4326)) PARTITION BY RANGE (id)",
            "CREATE TABLE rows_1 PARTITION OF rows FOR VALUES FROM (0) TO (9)")  # fmt: skip
    with catalog_store(table) as store:
        alone = [store.layer(name, ANONYMOUS) for name in ("first", "public.first", "other.second")]
        assert not store.loaded
        assert store.postgis.schema == "public"
        assert alone[0] is store.layer("first", ANONYMOUS)
        catalog = store.catalog()
        assert [layer.digest for layer in alone] == [catalog.layer(layer.id, ANONYMOUS).digest for layer in alone]
        assert not store.failure


@pytest.mark.parametrize("name", ["second", "public.rows_1", "nothing", "no.such.thing.at.all", "a\0b.c", "\ud800.x", "tiles", "~XX"])
def test_what_cannot_be_told_alone_waits_for_the_catalog(table: str, name: str) -> None:
    execute(table, "CREATE SCHEMA other", "CREATE TABLE other.second (geom geometry(Point, 4326))",
            "CREATE TABLE rows (id int, geom geometry(Point, 4326)) PARTITION BY RANGE (id)",
            "CREATE TABLE rows_1 PARTITION OF rows FOR VALUES FROM (0) TO (9)")  # fmt: skip
    with catalog_store(table) as store:
        assert has(store, name) is (name == "second")
        assert store.loaded


def test_a_bare_name_alone_is_the_one_of_the_first_configured_schema(table: str) -> None:
    execute(table, "CREATE SCHEMA zoo", "CREATE TABLE zoo.first (geom geometry(Point, 4326))")
    with catalog_store(table, FLAGSTONE_SCHEMA_ORDER="zoo,public") as store:
        assert store.layer("first", ANONYMOUS).schema == "zoo"
        assert not store.loaded


def test_an_excluded_table_is_not_found_alone_either(table: str) -> None:
    with catalog_store(table, FLAGSTONE_EXCLUDE_TABLES="first") as store, pytest.raises(NotFound):
        store.layer("first", ANONYMOUS)


def test_an_unknown_name_reloads_so_that_a_new_table_is_found(table: str) -> None:
    with catalog_store(table, FLAGSTONE_CATALOG_MISS_INTERVAL_S="0") as store:
        store.catalog()
        assert not has(store, "late")
        execute(table, "CREATE TABLE late (geom geometry(Point, 4326))")
        assert has(store, "late")


def test_unknown_names_reload_at_most_once_in_the_interval(table: str) -> None:
    with catalog_store(table, FLAGSTONE_CATALOG_MISS_INTERVAL_S="60") as store:
        before = store.catalog()
        execute(table, "CREATE TABLE late (geom geometry(Point, 4326))")
        assert not has(store, "late")
        assert store.catalog() is before
        store.reload()
        assert has(store, "late")


def test_a_hundred_unknown_names_at_once_cause_one_reload(table: str) -> None:
    with catalog_store(table, FLAGSTONE_CATALOG_MISS_INTERVAL_S="2") as store:
        before = store.catalog()
        time.sleep(2.1)
        start = threading.Barrier(100)

        def ask(number: int) -> object:
            start.wait()
            assert not has(store, f"nothing_{number}")
            return store.catalog()

        with ThreadPoolExecutor(100) as threads:
            seen = set(map(id, threads.map(ask, range(100))))
        until(lambda: store.catalog() is not before)
        assert seen <= {id(before), id(store.catalog())}


def test_a_reload_notices_changed_and_dropped_tables_and_swaps_the_snapshot_whole(table: str) -> None:
    execute(table, "CREATE TABLE second (geom geometry(Point, 4326))")
    with catalog_store(table) as store:
        before = store.catalog()
        execute(table, "ALTER TABLE first ADD name text", "DROP TABLE second")
        after = store.reload()
        assert [layer.name for layer in before.relations] == ["first", "second"]
        assert [layer.name for layer in after.relations] == ["first"]
        assert [column.name for column in after.relations[0].columns] == ["id", "name"]
        assert after.relations[0].digest != before.relations[0].digest
        assert store.catalog() is after


def test_the_background_loads_at_intervals_and_ends_with_close(table: str) -> None:
    with catalog_store(table, FLAGSTONE_CATALOG_INTERVAL_S="0.1") as store:
        assert not store.loaded
        store.open()
        store.open()
        until(lambda: store.loaded)
        assert [thread.name for thread in threading.enumerate()].count("flagstone-catalog") == 1
        execute(table, "CREATE TABLE late (geom geometry(Point, 4326))")
        until(lambda: store.catalog().find("late", ANONYMOUS))
        began = time.monotonic()
        store.close()
        assert time.monotonic() - began < 1
        until(lambda: "flagstone-catalog" not in [thread.name for thread in threading.enumerate()])
        store.open()
        until(lambda: "flagstone-catalog" in [thread.name for thread in threading.enumerate()])


def test_interval_zero_loads_once(table: str) -> None:
    with catalog_store(table, FLAGSTONE_CATALOG_INTERVAL_S="0") as store:
        for _ in range(20):  # as each request does
            store.open()
            first = store.catalog()
            time.sleep(0.02)
        execute(table, "CREATE TABLE late (geom geometry(Point, 4326))")
        store.open()
        time.sleep(0.3)
        assert store.catalog() is first
        assert store.reload() is not first


def test_a_failed_reload_keeps_the_snapshot_says_so_once_and_recovers(
    table: str, proxy: CuttingProxy, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"FLAGSTONE_POOL_TIMEOUT_MS": 300, "FLAGSTONE_CATALOG_MISS_INTERVAL_S": "0"}
    with catalog_store(proxy.dsn(table), **settings) as store:
        before = store.catalog()
        proxy.stop()
        for _ in range(3):
            with pytest.raises(Unavailable):
                store.reload()
        assert store.failure
        assert store.catalog() is before
        assert store.layer("first", ANONYMOUS) is before.relations[0]
        assert not has(store, "unknown")
        kept = [record for record in caplog.records if "stays in use" in record.message]
        assert 1 <= len(kept) <= 2  # a cut line and then no connection are two reasons
        proxy.start()
        until(lambda: _reloads(store))
        assert not store.failure
        assert store.catalog() is not before


def _reloads(store: CatalogStore) -> bool:
    try:
        store.reload()
    except Unavailable:
        return False
    return True


def test_a_database_that_is_down_at_first_is_used_when_it_comes(table: str, proxy: CuttingProxy) -> None:
    proxy.stop()
    with catalog_store(proxy.dsn(table), FLAGSTONE_POOL_TIMEOUT_MS=300) as store:
        store.open()
        with pytest.raises(Unavailable):
            store.layer("first", ANONYMOUS)
        with pytest.raises(Unavailable):
            store.catalog()
        assert store.failure
        proxy.start()
        until(lambda: store.loaded)
        assert has(store, "first")
        assert not store.failure


def test_a_database_without_postgis_is_refused(server: DatabaseServer) -> None:
    empty = server.create()
    try:
        execute(empty, "DROP EXTENSION IF EXISTS postgis CASCADE")
        with catalog_store(empty) as store:
            with pytest.raises(ConfigurationError, match=r"has no PostGIS; Flagstone needs PostGIS 2\.5 .* 3\.3"):
                store.catalog()
            assert store.failure
    finally:
        server.drop(empty)


def test_too_old_a_postgis_is_refused_with_both_versions(table: str) -> None:
    execute(table, "UPDATE pg_extension SET extversion = '2.4.9' WHERE extname = 'postgis'")
    with catalog_store(table) as store, pytest.raises(ConfigurationError, match=r"PostGIS 2\.4\.9; .* PostGIS 2\.5"):
        store.layer("first", ANONYMOUS)


@pytest.mark.parametrize(("version", "lack"), [("2.5.5", "no feature ids"), ("3.2.0dev", "nothing is known"), ("3.3.0", None)])
def test_an_older_postgis_starts_with_one_warning_of_what_is_missing(
    table: str, caplog: pytest.LogCaptureFixture, version: str, lack: str | None
) -> None:
    execute(table, f"UPDATE pg_extension SET extversion = '{version}' WHERE extname = 'postgis'")
    with catalog_store(table) as store:
        store.reload()
        store.reload()
        assert store.postgis.full == version
        assert store.postgis.has_feature_ids is (version != "2.5.5")
    warnings = [r.message for r in caplog.records if r.levelno == logging.WARNING and "PostGIS" in r.message]
    assert len(warnings) == (0 if lack is None else 1)
    assert all(lack and lack in warning and version in warning for warning in warnings)
