"""Behind a real PgBouncer in transaction mode: settings and roles belong to a transaction, nothing is prepared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from scripts.lib import packages
from tests.conftest import MakeApp, _program
from tests.servers.pgbouncer import PgBouncer
from tests.tile_decoding import features, get


@pytest.fixture
def pgbouncer(server_dsn: str) -> Iterator[PgBouncer]:
    program = _program(packages.PGBOUNCER)
    # Not pytest's directory: where pytest is root, PgBouncer's account may not enter it.
    with tempfile.TemporaryDirectory(prefix="flagstone-pgbouncer-", dir="/var/tmp") as directory:
        running = PgBouncer(program, server_dsn, Path(directory))
        yield running
        running.stop()


def test_tiles_through_transaction_pooling(pgbouncer: PgBouncer, sample_database: str, make_app: MakeApp) -> None:
    direct = make_app(sample_database)
    pooled = make_app(pgbouncer.dsn(sample_database), FLAGSTONE_TRANSACTION_POOLING="true", CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="6")
    tiles = [f"/tiles/sample.countries/4/{x}/{y}" for x in range(6, 12) for y in range(4, 8)]
    expected = [get(direct, tile).get_data() for tile in tiles]
    with ThreadPoolExecutor(6) as threads:
        for _ in range(3):
            assert list(threads.map(lambda tile: get(pooled, tile).get_data(), tiles)) == expected


def test_settings_are_made_in_each_transaction_and_leave_nothing(pgbouncer: PgBouncer, database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE FUNCTION told(name text) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT current_setting(name) $$")
        connection.execute(
            "CREATE VIEW telling AS SELECT 1 AS id, told('statement_timeout') AS timeout, told('transaction_read_only') AS read_only, "
            "told('TimeZone') AS zone, ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326)::geometry(Point, 4326) AS geom"
        )
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET TimeZone = \'Asia/Tokyo\''.encode())
    app = make_app(pgbouncer.dsn(database), FLAGSTONE_TRANSACTION_POOLING="true", FLAGSTONE_STATEMENT_TIMEOUT_MS="4321", CACHE_TYPE="NullCache")
    for _ in range(4):
        (found,) = features(app, "/tiles/telling/8/134/89")
        assert found["properties"] == {"id": 1, "timeout": "4321ms", "read_only": "on", "zone": "UTC"}
    with psycopg.connect(pgbouncer.dsn(database), autocommit=True, prepare_threshold=None) as connection:
        for _ in range(4):
            row = connection.execute("SELECT current_setting('statement_timeout'), current_setting('default_transaction_read_only'), current_setting('TimeZone')").fetchone()
            assert row == ("0", "off", "Asia/Tokyo")
