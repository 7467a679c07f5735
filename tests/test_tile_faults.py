"""What goes wrong below a tile: a table that changed, a login without rights, a slow query, a database that is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from scripts.lib import postgres
from tests.conftest import Login, MakeApp
from tests.servers.cutting_proxy import CuttingProxy
from tests.tile_decoding import attributes, decoded, features, get

TILE = "8/134/89"


@pytest.fixture
def places(database: str) -> str:
    run(
        database,
        "CREATE TABLE places (id int PRIMARY KEY, name text, kind text, geom geometry(Point, 4326))",
        "INSERT INTO places VALUES (1, 'one', '7', 'SRID=4326;POINT(9.5 47.1)')",
    )
    return database


def run(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def assert_problem(response: TestResponse, status: int, *secrets: str) -> None:
    text = response.get_data(as_text=True)
    assert response.status_code == status, text
    assert response.mimetype == "application/problem+json"
    for secret in (*secrets, "SELECT", "ST_AsMVT", "psycopg", "Traceback", "LINE 1"):
        assert secret not in text


class TestChanges:
    """A change between the catalog and the tile. The catalog is read again at once, so the map is right again."""

    @pytest.fixture
    def app(self, places: str, make_app: MakeApp) -> Flask:
        app = make_app(places, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")
        assert attributes(app, f"/tiles/places/{TILE}") == [{"id": 1, "name": "one", "kind": "7"}]
        return app

    def test_dropped_table_is_404(self, app: Flask, places: str) -> None:
        run(places, "DROP TABLE places")
        assert_problem(get(app, f"/tiles/places/{TILE}"), 404)

    def test_dropped_column_is_gone_from_the_tile(self, app: Flask, places: str) -> None:
        run(places, "ALTER TABLE places DROP COLUMN name")
        assert attributes(app, f"/tiles/places/{TILE}") == [{"id": 1, "kind": "7"}]

    def test_column_asked_for_that_was_dropped_is_400(self, app: Flask, places: str) -> None:
        run(places, "ALTER TABLE places DROP COLUMN name")
        assert_problem(get(app, f"/tiles/places/{TILE}?columns=name"), 400)

    def test_column_of_another_type_is_served_as_it_is_now(self, app: Flask, places: str) -> None:
        run(places, "ALTER TABLE places ALTER kind TYPE int USING kind::int")
        get(app, "/tiles/nope/0/0/0")  # an unknown name reads the catalog again
        assert attributes(app, f"/tiles/places/{TILE}") == [{"id": 1, "name": "one", "kind": 7}]

    def test_number_that_became_text_is_no_error(self, app: Flask, places: str) -> None:
        run(places, "ALTER TABLE places DROP CONSTRAINT places_pkey, ALTER id TYPE text USING 'no ' || id")
        assert attributes(app, f"/tiles/places/{TILE}") == [{"id": "no 1", "name": "one", "kind": "7"}]

    def test_table_made_anew_is_found(self, app: Flask, places: str) -> None:
        run(places, "DROP TABLE places", "CREATE TABLE places (fid int, spot geometry(Point, 3857))",
            "INSERT INTO places VALUES (5, ST_Transform('SRID=4326;POINT(9.5 47.1)'::geometry, 3857))")  # fmt: skip
        assert attributes(app, f"/tiles/places/{TILE}") == [{"fid": 5}]

    def test_within_the_interval_the_answer_is_503(self, places: str, make_app: MakeApp) -> None:
        app = make_app(places, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="3600")
        app.extensions["flagstone"].catalog.catalog()
        run(places, "DROP TABLE places")
        response = get(app, f"/tiles/places/{TILE}")
        assert_problem(response, 503)
        assert int(response.headers["Retry-After"]) >= 1


class TestRights:
    def test_right_that_was_taken_back_is_403(self, places: str, login: Login, make_app: MakeApp) -> None:
        dsn = login(places, "reader", "GRANT SELECT ON places TO reader")
        app = make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="3600")
        assert len(features(app, f"/tiles/places/{TILE}")) == 1
        run(places, "REVOKE SELECT ON places FROM reader")
        assert_problem(get(app, f"/tiles/places/{TILE}"), 403, "permission denied")

    def test_login_without_rights_sees_nothing(self, places: str, login: Login, make_app: MakeApp) -> None:
        app = make_app(login(places, "nobody_here"))
        assert_problem(get(app, f"/tiles/places/{TILE}"), 404)

    def test_login_reads_only_its_columns(self, places: str, login: Login, make_app: MakeApp) -> None:
        app = make_app(login(places, "part", "GRANT SELECT (id, geom) ON places TO part"))
        assert attributes(app, f"/tiles/places/{TILE}") == [{"id": 1}]
        assert_problem(get(app, f"/tiles/places/{TILE}?columns=name"), 400)

    def test_key_that_may_not_be_read_is_not_used(self, places: str, login: Login, make_app: MakeApp) -> None:
        app = make_app(login(places, "keyless", "GRANT SELECT (name, geom) ON places TO keyless"))
        (found,) = features(app, f"/tiles/places/{TILE}")
        assert found["properties"] == {"name": "one"}
        document = get(app, "/table/places.json").get_json()
        assert document["key"] == [] and "id_column" not in document

    def test_nothing_can_be_written(self, places: str, make_app: MakeApp) -> None:
        app = make_app(places)
        pool = app.extensions["flagstone"].pool
        with pool.borrowed("test") as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM places")

    def test_view_that_switches_read_only_off_harms_no_other_request(self, places: str, make_app: MakeApp) -> None:
        run(
            places,
            """CREATE FUNCTION meddle() RETURNS int LANGUAGE plpgsql VOLATILE AS $$
            BEGIN PERFORM set_config('default_transaction_read_only', 'off', false); PERFORM set_config('statement_timeout', '0', false); RETURN 1; END $$""",
            "CREATE VIEW meddling AS SELECT id, meddle() AS done, geom FROM places",
        )
        app = make_app(places, FLAGSTONE_POOL_SIZE="1", CACHE_TYPE="NullCache")
        assert attributes(app, f"/tiles/meddling/{TILE}") == [{"id": 1, "done": 1}]
        with app.extensions["flagstone"].pool.borrowed("test") as connection:
            row = connection.execute("SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout')").fetchone()
        assert row == ("on", "10s")


SLOW = """CREATE FUNCTION slow(seconds float) RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT 1 FROM pg_sleep(seconds) $$;
CREATE VIEW sleeper AS SELECT id, slow(30) AS done, geom FROM places;
CREATE VIEW napper AS SELECT id, slow(0.8) AS done, geom FROM places"""


class TestForeignServer:
    def test_foreign_server_that_is_gone_is_503_and_costs_no_connection(self, places: str, make_app: MakeApp) -> None:
        run(
            places,
            "CREATE EXTENSION postgres_fdw",
            "CREATE SERVER gone FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1')",
            "CREATE USER MAPPING FOR CURRENT_USER SERVER gone",
            "CREATE FOREIGN TABLE far (id int, geom geometry(Point, 4326)) SERVER gone",
        )
        app = make_app(places)
        assert_problem(get(app, f"/tiles/far/{TILE}"), 503, "127.0.0.1")
        assert len(features(app, f"/tiles/places/{TILE}")) == 1


class TestOverload:
    def test_statement_timeout_is_504(self, places: str, make_app: MakeApp) -> None:
        run(places, *SLOW.split(";\n"))
        app = make_app(places, FLAGSTONE_STATEMENT_TIMEOUT_MS="300")
        started = time.monotonic()
        response = get(app, f"/tiles/sleeper/{TILE}")
        assert_problem(response, 504, "canceling statement")
        assert response.get_json(force=True)["detail"] == "Layer public.sleeper took longer than the statement timeout."
        assert time.monotonic() - started < 10
        assert len(features(app, f"/tiles/places/{TILE}")) == 1

    def test_no_free_connection_is_503_with_retry_after(self, places: str, make_app: MakeApp) -> None:
        run(places, *SLOW.split(";\n"))
        app = make_app(places, FLAGSTONE_POOL_SIZE="1", FLAGSTONE_POOL_TIMEOUT_MS="200", CACHE_TYPE="NullCache")
        app.extensions["flagstone"].catalog.catalog()
        # A tile without rows: what is asked of a layer beside its first tile is not what is waited for below.
        assert get(app, "/tiles/napper/8/1/1").status_code == 204
        with ThreadPoolExecutor(1) as threads:
            busy = threads.submit(get, app, f"/tiles/napper/{TILE}")
            _wait_until_borrowed(app)
            response = get(app, f"/tiles/places/{TILE}")
            assert_problem(response, 503)
            assert response.headers["Retry-After"] == "1"
            assert busy.result().status_code == 200
        assert len(features(app, f"/tiles/places/{TILE}")) == 1

    def test_equal_misses_are_one_query_and_other_layers_go_on(self, places: str, make_app: MakeApp) -> None:
        run(places, *SLOW.split(";\n"))
        app = make_app(places, FLAGSTONE_THREADS="24", FLAGSTONE_CATALOG_INTERVAL_S="0")
        app.extensions["flagstone"].catalog.catalog()
        with ThreadPoolExecutor(9) as threads:
            waiting = [threads.submit(get, app, f"/tiles/napper/{TILE}") for _ in range(8)]
            _wait_until_borrowed(app)
            started = time.monotonic()
            assert len(features(app, f"/tiles/places/{TILE}")) == 1
            took = time.monotonic() - started
            assert not any(future.done() for future in waiting), f"the other layer's tile came first, after {took:.3f} s"
            answers = [future.result() for future in waiting]
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.get_data() for answer in answers}) == 1
        assert _counted(app, "flagstone_cache_events_total{event=\"shared\"}") >= 7


    def test_a_locked_table_leaves_threads_for_others(self, places: str, make_app: MakeApp) -> None:
        run(places, "CREATE TABLE locked AS TABLE places")
        app = make_app(places, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_INTERVAL_S="0")
        app.extensions["flagstone"].catalog.catalog()
        with psycopg.connect(places) as connection, ThreadPoolExecutor(24) as threads:
            connection.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
            waiting = [threads.submit(get, app, f"/tiles/locked/8/{x}/89") for x in range(24)]
            time.sleep(0.2)
            assert len(features(app, f"/tiles/places/{TILE}")) == 1
            assert not all(future.done() for future in waiting)
            answers = [future.result() for future in waiting]
        assert {answer.status_code for answer in answers} == {503}
        details = {answer.get_json(force=True)["detail"] for answer in answers}
        assert details == {"Layer public.locked is locked by another session.", "Many tiles are being made already."}

    def test_a_projection_that_fails_does_not_harm_the_next_tile(self, places: str, make_app: MakeApp) -> None:
        run(
            places,
            "INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, srtext, proj4text) VALUES (990002, 'me', 2, '', '+proj=garbage')",
            """CREATE VIEW broken AS SELECT id, CASE WHEN id > 0 THEN ST_Transform(ST_SetSRID(ST_MakePoint(1, 1), 990002), 4326) ELSE geom END::geometry(Point, 4326) AS geom
            FROM places""",
        )
        app = make_app(places, CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="1")
        for _ in range(3):
            assert_problem(get(app, f"/tiles/broken/{TILE}"), 500, "garbage")
            assert len(features(app, f"/tiles/places/{TILE}")) == 1


def _wait_until_borrowed(app: Flask) -> None:
    pool = app.extensions["flagstone"].pool.open()
    until = time.monotonic() + 5
    while pool.get_stats()["pool_available"] == pool.get_stats()["pool_size"]:
        assert time.monotonic() < until
        time.sleep(0.005)


def _counted(app: Flask, series: str) -> float:
    text = get(app, "/metrics").get_data(as_text=True)
    return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(series)))


class TestOutage:
    def test_database_that_is_down_at_the_start_is_503_and_comes_back(
        self, places: str, make_app: MakeApp, cutting_proxy: Callable[[str, int], CuttingProxy], server_dsn: str
    ) -> None:
        host, port = _address(server_dsn)
        proxy = cutting_proxy(host, port)
        proxy.stop()
        app = make_app(proxy.dsn(places), FLAGSTONE_POOL_TIMEOUT_MS="300")
        response = get(app, f"/tiles/places/{TILE}")
        assert_problem(response, 503, "postgres", "127.0.0.1")
        assert "does not answer" in response.get_json(force=True)["detail"]
        assert int(response.headers["Retry-After"]) >= 1
        assert_problem(get(app, "/readyz"), 503)
        assert get(app, "/livez").status_code == 200
        proxy.start()
        _until_right(app)
        _until_right(app, "/readyz")

    def test_cut_connections_cost_no_tile(
        self, places: str, make_app: MakeApp, cutting_proxy: Callable[[str, int], CuttingProxy], server_dsn: str
    ) -> None:
        host, port = _address(server_dsn)
        proxy = cutting_proxy(host, port)
        app = make_app(proxy.dsn(places), CACHE_TYPE="NullCache", FLAGSTONE_POOL_MIN_SIZE="4", FLAGSTONE_POOL_SIZE="4")
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: features(app, f"/tiles/places/{TILE}"), range(20)))
            for _ in range(5):
                proxy.cut()
                found = list(threads.map(lambda _: features(app, f"/tiles/places/{TILE}"), range(8)))
                assert all(len(tile) == 1 for tile in found)

    def test_database_restarted_in_the_middle_of_a_load(self, own_server: postgres.Cluster, make_app: MakeApp) -> None:
        dsn = own_server.dsn("postgres")
        run(dsn, "CREATE TABLE places (id int PRIMARY KEY, geom geometry(Point, 4326))",
            "INSERT INTO places VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")  # fmt: skip
        app = make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_POOL_TIMEOUT_MS="500")
        expected = features(app, f"/tiles/places/{TILE}")
        seen: list[int] = []
        stop = threading.Event()
        socket = own_server.socket

        def load() -> None:
            while not stop.is_set():
                response = get(app, f"/tiles/places/{TILE}")
                seen.append(response.status_code)
                if response.status_code == 200:
                    assert decoded(response)["public.places"]["features"] == expected

        with ThreadPoolExecutor(4) as threads:
            loads = [threads.submit(load) for _ in range(4)]
            try:
                time.sleep(0.5)
                own_server.stop()
                time.sleep(0.5)
                own_server.start()
                socket.symlink_to(own_server.socket)  # a cluster has a new directory after each start
                _until_right(app)
                after = len(seen)
                time.sleep(1)
            finally:
                stop.set()
                socket.unlink(missing_ok=True)
            for future in loads:
                future.result(timeout=10)
        assert set(seen) <= {200, 503}
        assert 503 in seen, "the outage was seen"
        assert set(seen[after + 8 :]) == {200}, "every later tile is right"


def _until_right(app: Flask, path: str = f"/tiles/places/{TILE}") -> None:
    until = time.monotonic() + 15
    while get(app, path).status_code != 200:
        assert time.monotonic() < until, "the database is back, and its tiles are not"
        time.sleep(0.1)


def _address(dsn: str) -> tuple[str, int]:
    info = psycopg.conninfo.conninfo_to_dict(dsn)
    return str(info.get("host", "127.0.0.1")), int(info.get("port") or 5432)


def test_what_keeps_a_database_from_being_served_is_for_the_log_alone(
    places: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    run(places, "DROP EXTENSION postgis CASCADE")
    with psycopg.connect(places) as connection:
        name = connection.info.dbname
    app = make_app(places)
    for path in (f"/tiles/places/{TILE}", "/tables.json", "/places/tilejson.json", "/readyz"):
        assert_problem(get(app, path), 503, name, "PostGIS")
    assert "The database cannot be served; the log says why." in get(app, "/tables.json").get_data(as_text=True)
    assert any(name in record.getMessage() and "has no PostGIS" in record.getMessage() for record in caplog.records)
