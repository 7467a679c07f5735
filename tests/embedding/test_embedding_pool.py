"""Tiles through a pool of the host's, with its own ideas about connections."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from app import Flagstone
from tests.embedding.conftest import TILE
from tests.tile_decoding import attributes, get


class OddConnection(psycopg.Connection[Any]):
    """A host's connection class, with rows as dictionaries and statements of its own."""


@pytest.fixture
def pool(databases: tuple[str, str]) -> Iterator[ConnectionPool[Any]]:
    def configure(connection: psycopg.Connection[Any]) -> None:
        connection.adapters.register_loader("int4", _Shouting)

    with ConnectionPool(
        databases[1], connection_class=OddConnection, kwargs={"row_factory": dict_row, "prepare_threshold": 0},
        min_size=1, max_size=1, configure=configure, open=True,
    ) as made:  # fmt: skip
        yield made


class _Shouting(psycopg.adapt.Loader):
    def load(self, data: Any) -> str:
        return f"INT {bytes(data).decode()}"


def test_tiles_come_through_the_hosts_pool_and_leave_no_trace(
    pool: ConnectionPool[Any], mounted: Callable[..., Flagstone]
) -> None:
    app = Flask("host")
    flagstone = mounted(app, "/city", pool=pool, name="city")
    with pool.connection() as connection:
        connection.execute("SET statement_timeout = '77s'")
        connection.execute("PREPARE mine AS SELECT 1 AS one")
        before = _session(connection)
    for zoom in range(8):  # often enough for a statement to be prepared
        assert get(app, f"/city/tiles/places/{zoom}/{(1 << zoom) // 2}/0").status_code in (200, 204)
    assert {each["name"] for each in attributes(app, f"/city/{TILE}")} == {"city", "large city"}
    assert get(app, "/city/tables.json").get_json()[0]["id"] == "public.places"
    assert get(app, "/city/readyz").status_code == 200
    with pool.connection() as connection:
        assert _session(connection) == before
        assert connection.execute("SELECT id FROM places ORDER BY id").fetchone() == {"id": "INT 1"}
        connection.execute("CREATE TEMP TABLE written (a int)")
    flagstone.close()
    assert not pool.closed, "the pool is the host's to close"
    assert get(app, f"/city/{TILE}").status_code == 200


def _session(connection: psycopg.Connection[Any]) -> list[Any]:
    settings = connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name IN ('statement_timeout', 'TimeZone', 'jit', 'lock_timeout',"
        " 'default_transaction_read_only', 'role', 'enable_memoize', 'DateStyle') ORDER BY name"
    ).fetchall()
    return [*settings, *connection.execute("SELECT name FROM pg_prepared_statements WHERE name = 'mine'").fetchall()]


def test_connection_of_the_hosts_pool_that_was_cut_is_replaced(
    pool: ConnectionPool[Any], databases: tuple[str, str], mounted: Callable[..., Flagstone]
) -> None:
    app = Flask("host")
    mounted(app, "/city", pool=pool, name="city", CACHE_TYPE="NullCache")
    assert get(app, f"/city/{TILE}").status_code == 200
    with pool.connection() as connection:
        pid = connection.info.backend_pid
    with psycopg.connect(databases[1], autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert get(app, f"/city/{TILE}").status_code == 200


def test_busy_pool_of_the_host_is_503_soon(pool: ConnectionPool[Any], mounted: Callable[..., Flagstone]) -> None:
    app = Flask("host")
    mounted(app, "/city", pool=pool, name="city", FLAGSTONE_POOL_TIMEOUT_MS=1000, CACHE_TYPE="NullCache")
    assert get(app, f"/city/{TILE}").status_code == 200
    with pool.connection():
        answer = get(app, f"/city/{TILE}")
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    assert get(app, f"/city/{TILE}").status_code == 200
