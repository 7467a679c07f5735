"""Many tables: a catalog in a moment, and one layer without waiting for it."""

import gc
import time
import tracemalloc

import psycopg

from app.layers.identity import ANONYMOUS
from tests.catalogs import catalog_store

TABLES = 1000
MANY = f"""
DO $$ BEGIN
    FOR n IN 1..{TABLES} LOOP
        EXECUTE format('CREATE TABLE many_%s (id int PRIMARY KEY, name text, kind varchar(20), geom geometry(Point, 4326))', n);
    END LOOP;
END $$
"""


def test_a_thousand_tables_are_a_small_catalog_in_a_moment_and_one_layer_is_there_at_once(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET max_parallel_maintenance_workers = 0")
        for part in range(1, TABLES, 200):  # one transaction may not lock more than some thousand tables
            connection.execute(MANY.replace(f"1..{TABLES}", f"{part}..{part + 199}").encode())
    with catalog_store(database) as store:
        store._pool.ping()
        began = time.monotonic()
        assert store.table("many_777", ANONYMOUS).key == ("id",)
        alone = time.monotonic() - began
        assert not store.loaded
        began = time.monotonic()
        assert len(store.catalog().relations) == TABLES
        whole = time.monotonic() - began
        # Generous, for a busy machine: measured are 0.02 and 0.1 s.
        assert alone < 0.3
        assert whole < 2.0

        gc.collect()
        tracemalloc.start()
        try:
            store.reload()
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 1500 * TABLES
        finally:
            tracemalloc.stop()
