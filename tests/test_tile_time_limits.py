"""How long a tile may take: a database that says nothing, several layers in one tile, a connection that breaks midway."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from flask import Flask
from psycopg.conninfo import conninfo_to_dict

from app.repository.connection import Attempts
from app.repository.conninfo import conninfo
from app.settings import SILENCE_S, Settings
from tests.conftest import MakeApp
from tests.servers.cutting_proxy import CuttingProxy
from tests.tile_decoding import decoded, features, get

TILE = "8/134/89"
MARGIN_S = 1.0
"""What a busy machine adds to a time limit."""


@pytest.fixture
def places(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")
        connection.execute("CREATE TABLE towns AS TABLE places")
        connection.execute(
            "CREATE FUNCTION slow() RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT 1 FROM pg_sleep(0.8) $$"
        )
        for name in ("one", "two", "three"):
            connection.execute(f"CREATE VIEW {name} AS SELECT id, slow() AS done, geom FROM places".encode())
    return database


@pytest.fixture
def proxy(server_dsn: str, cutting_proxy: Callable[[str, int], CuttingProxy]) -> CuttingProxy:
    info = conninfo_to_dict(server_dsn)
    return cutting_proxy(str(info.get("host", "127.0.0.1")), int(info.get("port") or 5432))


def timed(app: Flask, path: str) -> tuple[int, float]:
    """Status and seconds."""
    began = time.monotonic()
    status = get(app, path).status_code
    return status, time.monotonic() - began


class TestSilence:
    """A line that nobody closes and on which nothing comes, as behind a firewall that forgot the connection."""

    @pytest.fixture
    def app(self, places: str, proxy: CuttingProxy, make_app: MakeApp) -> Flask:
        app = make_app(
            proxy.dsn(places), CACHE_TYPE="NullCache", FLAGSTONE_STATEMENT_TIMEOUT_MS="400", FLAGSTONE_POOL_TIMEOUT_MS="500",
            FLAGSTONE_POOL_MIN_SIZE="4", FLAGSTONE_POOL_SIZE="4", FLAGSTONE_CATALOG_INTERVAL_S="0",
        )  # fmt: skip
        # Before the catalog, which waits for a connection no longer than a tile does.
        app.extensions["flagstone"].pool.open().wait(10)
        app.extensions["flagstone"].catalog.catalog()
        assert len(features(app, f"/tiles/places/{TILE}")) == 1
        return app

    def test_tiles_fail_in_time_and_are_right_again_later(self, app: Flask, proxy: CuttingProxy) -> None:
        limit = app.extensions["flagstone"].settings.longest_tile_s + MARGIN_S
        proxy.silence()
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda x: timed(app, f"/tiles/places/8/{x}/89"), range(8)))
        assert {status for status, _ in answers} == {503}
        assert max(seconds for _, seconds in answers) < limit
        status, seconds = timed(app, f"/tiles/places/{TILE}")
        assert (status, seconds < 0.5 + MARGIN_S) == (503, True), "the mute connections are not tried one after another"
        proxy.speak()
        until = time.monotonic() + 15
        while get(app, f"/tiles/places/{TILE}").status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        for _ in range(20):
            assert len(features(app, f"/tiles/places/{TILE}")) == 1

    def test_readyz_says_so_within_seconds(self, app: Flask, proxy: CuttingProxy) -> None:
        proxy.silence()
        status, seconds = timed(app, "/readyz")
        proxy.speak()
        assert status == 503
        assert seconds < 0.5 + SILENCE_S + MARGIN_S

    def test_database_that_is_mute_from_the_start_is_no_crowd(
        self, places: str, proxy: CuttingProxy, make_app: MakeApp
    ) -> None:
        proxy.silence()
        app = make_app(proxy.dsn(places), FLAGSTONE_POOL_TIMEOUT_MS="300")
        answer = get(app, f"/tiles/places/{TILE}")
        proxy.speak()
        assert answer.status_code == 503
        assert "does not answer" in answer.get_json(force=True)["detail"]


class TestSeveralLayers:
    @pytest.fixture
    def app(self, places: str, make_app: MakeApp) -> Flask:
        """Of six threads none is left to help: the layers are made one after the other."""
        app = make_app(
            places, CACHE_TYPE="NullCache", FLAGSTONE_STATEMENT_TIMEOUT_MS="1000", FLAGSTONE_POOL_TIMEOUT_MS="200",
            FLAGSTONE_CATALOG_INTERVAL_S="0", FLAGSTONE_THREADS="6",
        )  # fmt: skip
        app.extensions["flagstone"].catalog.catalog()
        return app

    def test_all_have_the_time_of_one_and_who_waits_gets_the_same(self, app: Flask) -> None:
        limit = app.extensions["flagstone"].settings.tile_limit_s
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda _: timed(app, f"/tiles/one,two,three/{TILE}"), range(2)))
        assert [status for status, _ in answers] == [504, 504]
        assert max(seconds for _, seconds in answers) < limit + MARGIN_S

    def test_part_that_ends_early_ends_for_nobody_else(self, app: Flask) -> None:
        with ThreadPoolExecutor(1) as threads:
            several = threads.submit(timed, app, f"/tiles/one,two/{TILE}")
            time.sleep(0.95)  # the second part is being made, and has less than its 0.8 s
            assert timed(app, f"/tiles/two/{TILE}")[0] == 200
            assert several.result()[0] == 504

    def test_quick_ones_are_prepared_statements_and_no_transactions(self, places: str, make_app: MakeApp) -> None:
        app = make_app(places, CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="1")
        for _ in range(3):
            assert set(decoded(get(app, f"/tiles/places,towns/{TILE}"))) == {"public.places", "public.towns"}
        with app.extensions["flagstone"].pool.borrowed("test") as connection:
            names = connection.execute("SELECT name FROM pg_prepared_statements").fetchall()
        assert len(names) == 2, "a transaction's ROLLBACK would have made psycopg forget them"


def test_second_try_has_the_time_that_is_left(places: str, proxy: CuttingProxy, make_app: MakeApp) -> None:
    app = make_app(
        proxy.dsn(places), CACHE_TYPE="NullCache", FLAGSTONE_STATEMENT_TIMEOUT_MS="1000", FLAGSTONE_POOL_TIMEOUT_MS="200",
        FLAGSTONE_CATALOG_INTERVAL_S="0",
    )  # fmt: skip
    app.extensions["flagstone"].catalog.catalog()
    with ThreadPoolExecutor(1) as threads:
        tile = threads.submit(timed, app, f"/tiles/one/{TILE}")
        time.sleep(0.7)
        proxy.cut()
        status, seconds = tile.result()
    assert status in (503, 504)
    assert seconds < 1.2 + MARGIN_S
    assert len(features(app, f"/tiles/places/{TILE}")) == 1


class TestConnecting:
    def test_attempt_that_just_began_is_not_in_vain(self) -> None:
        attempts = Attempts()
        assert not attempts.are_in_vain(0.05)
        with attempts.attempt():
            assert not attempts.are_in_vain(0.05)
            time.sleep(0.06)
            assert attempts.are_in_vain(0.05)
        assert not attempts.are_in_vain(0.05)

    def test_attempt_that_failed_is_in_vain_until_one_succeeds(self) -> None:
        attempts = Attempts()
        with pytest.raises(OSError, match="refused"), attempts.attempt():
            raise OSError("refused")
        assert attempts.are_in_vain(60)
        with attempts.attempt():
            assert attempts.are_in_vain(60)
        assert not attempts.are_in_vain(60)

    def test_host_that_is_gone_is_noticed_within_seconds(self) -> None:
        given = conninfo_to_dict(conninfo(Settings.of(DATABASE_URL="postgresql://u@h/d")))
        idle, interval, count = (int(given[f"keepalives_{name}"] or 0) for name in ("idle", "interval", "count"))
        assert 0 < idle + interval * count <= 15
        assert given["tcp_user_timeout"] == "15000"

    def test_what_the_address_says_wins(self) -> None:
        given = conninfo_to_dict(conninfo(Settings.of(DATABASE_URL="postgresql://u@h/d?keepalives_idle=60&tcp_user_timeout=0")))
        assert (given["keepalives_idle"], given["tcp_user_timeout"]) == ("60", "0")
