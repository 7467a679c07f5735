"""The same tile has the same bytes, whatever plan, worker or order the database chooses."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import MakeApp
from tests.tile_decoding import features, get

PARALLEL = """
ALTER DATABASE {0} SET max_parallel_workers_per_gather = 4;
ALTER DATABASE {0} SET parallel_setup_cost = 0;
ALTER DATABASE {0} SET parallel_tuple_cost = 0;
ALTER DATABASE {0} SET min_parallel_table_scan_size = 0;
ALTER DATABASE {0} SET min_parallel_index_scan_size = 0;
"""


@pytest.fixture
def scattered(database: str) -> str:
    """30,000 points: with a key, without one, as a view without one; the rows lie in no order."""
    with psycopg.connect(database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute("SELECT setseed(0.5)")
        connection.execute(
            """CREATE TABLE keyed AS SELECT i AS id, i % 7 AS kind, ST_SetSRID(ST_MakePoint(random() * 300 - 150, random() * 140 - 70), 4326)::geometry(Point, 4326) AS geom
            FROM generate_series(1, 30000) i ORDER BY md5(i::text)"""
        )
        connection.execute("CREATE TABLE keyless AS SELECT kind, geom FROM keyed")
        connection.execute("ALTER TABLE keyed ADD PRIMARY KEY (id)")
        connection.execute("CREATE VIEW seen AS SELECT kind, geom FROM keyless UNION ALL SELECT kind, geom FROM keyless WHERE kind = 1")
        connection.execute("CREATE INDEX ON keyed USING gist (geom)")
        connection.execute("ANALYZE")
        connection.execute(PARALLEL.format(f'"{name}"').encode())
    return database


@pytest.mark.parametrize("layer", ["keyed", "keyless", "seen"])
def test_same_tile_same_bytes_with_parallel_plans(scattered: str, make_app: MakeApp, layer: str) -> None:
    app = make_app(scattered, CACHE_TYPE="NullCache")
    for tile in ("0/0/0", "1/0/0", "2/1/1"):
        bodies = {get(app, f"/tiles/{layer}/{tile}").get_data() for _ in range(6)}
        assert len(bodies) == 1
    with psycopg.connect(scattered, autocommit=True) as connection:
        plan = "\n".join(row[0] for row in connection.execute("EXPLAIN SELECT sum(kind) FROM keyless"))
    assert "Parallel" in plan, "this database does plan in parallel"


def test_a_materialized_view_whose_key_is_null_in_most_rows_has_one_order_all_the_same(scattered: str, make_app: MakeApp) -> None:
    with psycopg.connect(scattered, autocommit=True) as connection:
        connection.execute(
            "CREATE MATERIALIZED VIEW stored AS SELECT CASE WHEN id <= 2 THEN id END AS id, kind, geom FROM keyed"
            " WHERE id <= 3000 ORDER BY md5(id::text)"
        )
        connection.execute("CREATE UNIQUE INDEX ON stored (id)")
        connection.execute("ANALYZE stored")
        bodies = set()
        for allowed in ("on", "off"):
            connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET enable_indexscan = {allowed}'.encode())
            app = make_app(scattered, CACHE_TYPE="NullCache")
            bodies.add(get(app, "/tiles/stored/0/0/0?limit=100").get_data())
            found = features(app, "/tiles/stored/0/0/0?limit=100")
            assert [feature["id"] for feature in found][:2] == [1, 2]
    assert len(bodies) == 1


def test_limit_is_the_first_of_the_key_s_order_in_parallel(scattered: str, make_app: MakeApp) -> None:
    app = make_app(scattered, CACHE_TYPE="NullCache")
    with psycopg.connect(scattered) as connection:
        first = connection.execute("SELECT id FROM keyed WHERE ST_X(geom) < 0 AND ST_Y(geom) > 0 ORDER BY id LIMIT 50").fetchall()
    found = [feature["id"] for feature in features(app, "/tiles/keyed/1/0/0?limit=50&buffer=0&columns=")]
    assert found == [row[0] for row in first]


def test_features_are_drawn_in_the_key_s_order(scattered: str, make_app: MakeApp) -> None:
    app = make_app(scattered)
    found = [feature["id"] for feature in features(app, "/tiles/keyed/3/2/3")]
    assert found == sorted(found)
    assert len(found) > 100
