"""What a function does wrong, and what nobody else may notice of it."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from app.errors import QueryFailed
from app.layers.identity import Identity
from app.layers.member import Member
from app.layers.request import layer_requests
from app.layers.tile import Tile
from tests.conftest import Login, MakeApp
from tests.test_function_tiles import TILE, assert_refused
from tests.tile_decoding import decoded, get

STATE = (
    "SELECT current_setting('default_transaction_read_only'), current_setting('statement_timeout'), current_setting('TimeZone'), "
    "current_setting('search_path'), current_setting('transaction_read_only'), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), "
    "(SELECT count(*) FROM pg_prepared_statements WHERE from_sql)"
)


@pytest.fixture
def dsn(oddity: Callable[[str], str]) -> str:
    return oddity("functions")


@pytest.fixture
def app(dsn: str, make_app: MakeApp) -> Flask:
    return make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="1", FLAGSTONE_CATALOG_INTERVAL_S="0", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")


def fails(how: str) -> str:
    return f"/tiles/fails/{TILE}?how={how}"


class TestWriting:
    @pytest.mark.parametrize("how", ["write", "create", "next", "rewrite", "commit"])
    def test_a_function_that_writes_is_403_and_wrote_nothing(self, app: Flask, dsn: str, how: str) -> None:
        for _ in range(2):
            assert_refused(app, fails(how), 403, "public.fails", "a tile only reads")
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT count(*), to_regclass('hunter2'), (SELECT is_called FROM counter) FROM places").fetchone() == (2, None, False)
        assert get(app, f"/tiles/plain/{TILE}").status_code == 200

    @pytest.mark.parametrize("how", ["settings", "lock", "deallocate", "prepare", "rewrite", "raise"])
    def test_the_next_request_on_its_connection_is_unharmed(self, app: Flask, how: str) -> None:
        get(app, f"/tiles/places/{TILE}")
        pool = app.extensions["flagstone"].pool
        with pool.borrowed("test") as connection:
            before = connection.execute(STATE, prepare=False).fetchone()
        for _ in range(3):
            get(app, fails(how))
            assert len(decoded(get(app, f"/tiles/public.places/{TILE}"))["public.places"]["features"]) == 2
        with pool.borrowed("test") as connection:
            assert connection.execute(STATE, prepare=False).fetchone() == before
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("INSERT INTO places VALUES (98)")


class TestFailing:
    @pytest.mark.parametrize("how", ["raise", "divide", "read"])
    def test_a_fault_of_the_function_is_500_without_text_of_the_database(self, app: Flask, how: str, caplog: pytest.LogCaptureFixture) -> None:
        assert_refused(app, fails(how), 500, "public.fails", "failed")
        assert "hunter2" in caplog.text or how == "divide"

    def test_a_fault_that_is_said_of_its_arguments_is_400(self, app: Flask) -> None:
        assert_refused(app, fails("refuse"), 400, "refuses", "how", parameter="how")

    def test_a_table_that_is_missing_inside_is_an_error_of_the_function(self, app: Flask) -> None:
        for _ in range(3):
            response = get(app, fails("lost"))
            assert response.status_code in (500, 503)
            assert "hunter2" not in response.get_data(as_text=True)
        assert response.status_code == 500

    def test_the_statement_timeout_holds_although_the_function_switches_it_off(self, dsn: str, make_app: MakeApp) -> None:
        app = make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_STATEMENT_TIMEOUT_MS="300")
        began = time.monotonic()
        assert_refused(app, fails("sleep"), 504, "public.fails", "statement timeout")
        assert time.monotonic() - began < 5
        assert get(app, f"/tiles/plain/{TILE}").status_code == 200

    def test_a_part_of_a_composite_that_fails_is_told(self, app: Flask) -> None:
        assert_refused(app, f"/tiles/plain,fails/{TILE}?fails.how=raise", 500, "public.fails")


class TestSize:
    """The bytes that a function returns are counted in the database: too many of them are never sent."""

    MOST = 100_000

    @pytest.fixture
    def app(self, dsn: str, make_app: MakeApp) -> Flask:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("""
                CREATE FUNCTION large(z int, x int, y int, size int, tag_size int DEFAULT 3) RETURNS TABLE (mvt bytea, tag text) LANGUAGE sql STABLE AS
                    $$ SELECT ST_AsMVT(feature, 'large'), repeat('t', tag_size) FROM (
                         SELECT repeat('x', size) AS word, ST_AsMVTGeom(ST_MakePoint(1, 1), ST_MakeBox2D(ST_MakePoint(0, 0), ST_MakePoint(2, 2))) AS geom) AS feature $$;
                CREATE FUNCTION picture_of(z int, x int, y int, size int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT decode(repeat('00', size), 'hex') $$;
                COMMENT ON FUNCTION picture_of IS '{"content_type": "image/png"}';
                CREATE FUNCTION large_rows(size int) RETURNS TABLE (word text, geom geometry) LANGUAGE sql STABLE AS
                    $$ SELECT repeat('x', size), ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326) $$;
                COMMENT ON FUNCTION large_rows IS '{"layer": true}';
            """)
        return make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_MAX_TILE_BYTES=str(self.MOST))

    @pytest.mark.parametrize("layer", ["large", "large_rows", "picture_of"])
    def test_a_tile_of_too_many_bytes_is_500_and_the_log_names_the_setting(
        self, app: Flask, layer: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        response = get(app, f"/tiles/{layer}/{TILE}?size=1000")
        assert response.status_code == 200
        assert_refused(app, f"/tiles/{layer}/{TILE}?size=2000000", 500, f"public.{layer}", f"at most {self.MOST}")
        assert "FLAGSTONE_MAX_TILE_BYTES" in caplog.text
        assert get(app, f"/tiles/{layer}/{TILE}?size=1000").data == response.data

    def test_the_last_byte_that_is_let_through(self, app: Flask) -> None:
        assert len(get(app, f"/tiles/picture_of/{TILE}?size={self.MOST}").data) == self.MOST
        assert_refused(app, f"/tiles/picture_of/{TILE}?size={self.MOST + 1}", 500, f"{self.MOST + 1} bytes")

    def test_what_is_too_large_is_not_sent(self, app: Flask) -> None:
        there = app.extensions["flagstone"]
        layer = there.catalog.layer("picture_of", Identity())
        (request,) = layer_requests([Member("picture_of", layer)], there.grids.get("WebMercatorQuad"), {"size": ["50000000"]}, there.settings, Identity())
        tracemalloc.start()
        with pytest.raises(QueryFailed, match="50000000 bytes"):
            there.reader.tile(there.source((request,)), Tile(8, 134, 89))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
        tracemalloc.stop()

    def test_a_small_stream_that_unpacks_to_much_is_no_way_around_it(self, app: Flask, dsn: str) -> None:
        stream = gzip.compress(b"\0" * 50_000_000)
        assert len(stream) < self.MOST
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"CREATE FUNCTION packed(z int, x int, y int) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT '\\x{stream.hex()}'::bytea $$".encode())
        assert_refused(app, f"/tiles/packed/{TILE}", 500, "public.packed", "unpacked", f"at most {self.MOST}")

    def test_a_statement_of_the_application_is_bound_too(self, dsn: str, make_app: MakeApp, tmp_path: Path) -> None:
        (tmp_path / "finished.sql").write_text("-- parameter: size int\nSELECT decode(repeat('00', :size), 'hex')")
        (tmp_path / "rows.sql").write_text("-- parameter: size int\nSELECT repeat('x', :size) AS word, ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326) AS geom")
        app = make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_MAX_TILE_BYTES=str(self.MOST), FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
        for layer in ("finished", "rows"):
            assert_refused(app, f"/tiles/{layer}/{TILE}?size=200000", 500, f"layer {layer}", f"at most {self.MOST}")
        assert get(app, f"/tiles/rows/{TILE}?size=1000").status_code == 200

    def test_a_tag_of_any_length_becomes_one_of_a_few_bytes(self, app: Flask) -> None:
        tags = [get(app, f"/tiles/large/{TILE}?size=1&tag_size={size}").headers["ETag"] for size in (3, 5_000_000, 5_000_000, 5_000_001)]
        assert "ttt" in tags[0]
        assert tags[1] == tags[2] != tags[3]
        assert all(len(tag) < 100 for tag in tags)

    def test_other_layers_of_a_composite_stand_where_a_part_may_fail(self, dsn: str, make_app: MakeApp, app: Flask) -> None:
        lenient = make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_MAX_TILE_BYTES=str(self.MOST), FLAGSTONE_COMPOSITE_FAILURE="skip")
        assert list(decoded(get(lenient, f"/tiles/plain,large/{TILE}?large.size=2000000"))) == ["plain"]
        assert_refused(app, f"/tiles/plain,large/{TILE}?large.size=2000000", 500, "public.large")


class TestChanging:
    def run(self, dsn: str, *statements: str) -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def test_a_dropped_function_is_404(self, app: Flask, dsn: str) -> None:
        assert get(app, f"/tiles/plain/{TILE}").status_code == 200
        self.run(dsn, "DROP FUNCTION plain")
        assert get(app, f"/tiles/plain/{TILE}").status_code == 404

    def test_other_arguments_are_seen_at_once(self, app: Flask, dsn: str) -> None:
        assert get(app, f"/tiles/needy/{TILE}?smallest=15").status_code == 200
        self.run(
            dsn, "DROP FUNCTION needy",
            "CREATE FUNCTION needy(z int, x int, y int, least_size int) RETURNS bytea LANGUAGE sql AS $$ SELECT drawn(z, x, y, 'needy', least_size) $$",
        )  # fmt: skip
        assert_refused(app, f"/tiles/needy/{TILE}?smallest=15", 400, "least_size", parameter="least_size")

    def test_a_type_that_was_dropped_is_no_fault_of_the_request(self, app: Flask, dsn: str) -> None:
        assert get(app, f"/tiles/strict_one/{TILE}?e=red").status_code == 200
        self.run(dsn, "DROP DOMAIN never_null CASCADE")
        assert get(app, f"/tiles/strict_one/{TILE}?e=red").status_code == 404

    def test_replacing_a_function_changes_its_key_at_the_next_load(self, dsn: str, make_app: MakeApp) -> None:
        app = make_app(dsn, FLAGSTONE_CATALOG_INTERVAL_S="0", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")
        catalog = app.extensions["flagstone"].catalog
        assert list(decoded(get(app, f"/tiles/plain/{TILE}"))) == ["plain"]
        digests = {catalog.catalog().find("plain", Identity()).digest}
        for statement in (
            "CREATE OR REPLACE FUNCTION plain(zoom int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(zoom, x, y, 'new') $$",
            "ALTER FUNCTION plain SET jit = off",
            "ALTER FUNCTION plain VOLATILE",
            "ALTER FUNCTION plain SECURITY DEFINER",
            "REVOKE EXECUTE ON FUNCTION plain FROM public",
        ):
            self.run(dsn, statement)
            catalog.reload()
            digests.add(catalog.catalog().find("plain", Identity()).digest)
        assert list(decoded(get(app, f"/tiles/plain/{TILE}"))) == ["new"]
        # Who owns it may execute it, and is the login: to revoke changes the function's row, and so its digest.
        assert len(digests) == 6
        catalog.reload()
        assert catalog.catalog().find("plain", Identity()).digest in digests

    def test_tiles_are_kept_for_the_layers_time_to_live(self, dsn: str, make_app: MakeApp) -> None:
        self.run(dsn, "CREATE FUNCTION now_as_tag(z int, x int, y int) RETURNS TABLE (mvt bytea, tag text) LANGUAGE sql VOLATILE AS $$ SELECT drawn(z, x, y, 'n'), clock_timestamp()::text $$")
        app = make_app(dsn, FLAGSTONE_CACHE_RULES="public.now_as_tag@0-8=60,public.now_as_tag=0")
        for tile, kept in ((TILE, True), ("9/269/179", False)):
            tags = {get(app, f"/tiles/now_as_tag/{tile}").headers["ETag"] for _ in range(2)}
            assert (len(tags) == 1) is kept


class TestRoles:
    def test_execute_decides_who_may_have_its_tiles(self, dsn: str, login: Login, make_app: MakeApp) -> None:
        login(dsn, "flagstone_test_painter")
        gate = login(dsn, "flagstone_test_door", attributes="NOINHERIT IN ROLE flagstone_test_painter")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("REVOKE EXECUTE ON FUNCTION plain, nothing, drawn FROM public")
            connection.execute("GRANT EXECUTE ON FUNCTION plain, drawn TO flagstone_test_painter")
            connection.execute("GRANT SELECT ON places TO flagstone_test_painter")
        app = make_app(gate)
        there = app.extensions["flagstone"]
        catalog = there.catalog.catalog()
        painter = Identity("flagstone_test_painter")
        assert get(app, f"/tiles/plain/{TILE}").status_code == 404
        assert catalog.find("plain", Identity()) is None
        layer = catalog.find("plain", painter)
        assert layer is not None
        assert catalog.find("nothing", painter) is None
        reasons = {left.name: left.reason for left in catalog.rejected}
        assert reasons["nothing"] == "neither the login nor a role that it may take may use its schema and execute it"
        (request,) = layer_requests([Member("plain", layer)], there.grids.get("WebMercatorQuad"), {}, there.settings, painter)
        entry = there.reader.tile(there.source((request,)), Tile(8, 134, 89))
        assert entry.body
        ids = [document["id"] for document in get(app, "/functions.json").get_json()]
        assert "public.plain" not in ids and "public.by_name" in ids

    def test_a_function_whose_table_the_login_may_not_read_is_403(self, dsn: str, login: Login, make_app: MakeApp) -> None:
        app = make_app(login(dsn, "flagstone_test_stranger"), CACHE_TYPE="NullCache")
        assert_refused(app, f"/tiles/plain/{TILE}", 403, "public.plain")
        assert get(app, f"/tiles/by_name/{TILE}").status_code == 200

    def test_a_right_that_was_taken_back_is_403(self, dsn: str, login: Login, make_app: MakeApp) -> None:
        app = make_app(login(dsn, "flagstone_test_late", "GRANT SELECT ON places TO flagstone_test_late"), CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="3600")
        assert get(app, f"/tiles/plain/{TILE}").status_code == 200
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("REVOKE EXECUTE ON FUNCTION plain FROM public")
        assert_refused(app, f"/tiles/plain/{TILE}", 403, "public.plain")
