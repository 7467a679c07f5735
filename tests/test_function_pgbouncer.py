"""Functions behind a real PgBouncer in transaction mode: whose connection one runs on changes from tile to tile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from tests.conftest import MakeApp
from tests.servers.pgbouncer import PgBouncer
from tests.test_function_tiles import TILE, assert_refused
from tests.test_pgbouncer import pgbouncer  # noqa: F401  # a fixture
from tests.tile_decoding import decoded, get


def test_functions_work_and_leave_nothing_behind(
    pgbouncer: PgBouncer, oddity: Callable[[str], str], make_app: MakeApp  # noqa: F811
) -> None:
    dsn = oddity("functions")
    direct = make_app(dsn, CACHE_TYPE="NullCache")
    pooled = make_app(pgbouncer.dsn(dsn), FLAGSTONE_TRANSACTION_POOLING="true", CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="4")
    tiles = [
        f"/tiles/{address}" for address in (
            f"plain/{TILE}", f"by_name/{TILE}?word=w", f"by_query/{TILE}?a=1", "EuropeanETRS89_LAEAQuad/by_box/2/1/1", f"needy/{TILE}?smallest=15",
        )
    ]  # fmt: skip
    expected = [get(direct, tile).get_data() for tile in tiles]
    with ThreadPoolExecutor(4) as threads:
        for how in ("settings", "lock", "deallocate"):
            assert get(pooled, f"/tiles/fails/{TILE}?how={how}").status_code == (204 if how == "settings" else 200)
            assert list(threads.map(lambda tile: get(pooled, tile).get_data(), tiles)) == expected
    assert_refused(pooled, f"/tiles/fails/{TILE}?how=write", 403, "a tile only reads")
    assert_refused(pooled, f"/tiles/typed/{TILE}?e=green", 400, "e", parameter="e")
    assert len(decoded(get(pooled, f"/tiles/public.places/{TILE}"))["public.places"]["features"]) == 2
    with psycopg.connect(pgbouncer.dsn(dsn), autocommit=True, prepare_threshold=None) as connection:
        for _ in range(6):
            row = connection.execute(
                "SELECT current_setting('statement_timeout'), current_setting('search_path'), "
                "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
            ).fetchone()
            assert row == ("0", '"$user", public', 0)
