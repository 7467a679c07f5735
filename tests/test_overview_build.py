"""Builds of overviews: what is served before and after, and what ends one halfway."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from psycopg.conninfo import conninfo_to_dict

from app import create_app
from app.cli.overview_plan import allowance
from app.errors import DatabaseDown, OverviewError
from app.layers.identity import ANONYMOUS
from app.repository.overviews import registry, sampling
from app.repository.overviews.administering import administering
from app.repository.overviews.build import build
from app.repository.overviews.plans import Plan
from app.repository.overviews.target import target
from app.repository.overviews.weighing import request_of
from app.settings import Settings
from scripts.lib import postgres
from tests.conftest import Login, MakeApp
from tests.test_overview_cli import FEW, asked, execute, run, said
from tests.tile_decoding import attributes, decoded, get

CHECKOUT = Path(__file__).parent.parent
ODD = 'we"ird %s.o\'dd {t}'
ODD_ADDRESS = "we%22ird%20%25s.o'dd%20%7Bt%7D"


@pytest.fixture
def layers(oddity: Any) -> str:
    dsn: str = oddity("overview_layers")
    return dsn


def built(dsn: str, layer: str, report: Callable[[str, int, int], None] = lambda *_: None, **settings: Any) -> int:
    """Build as the command does, and be told of each step."""
    given = Settings.of(DATABASE_URL=dsn, **(FEW | settings))
    app = create_app(given)
    with closing(app.extensions["flagstone"]) as there, app.app_context():
        catalog = there.catalog.catalog()
        found = target(there.pool, catalog.layer(layer, ANONYMOUS), there.grids.get("WebMercatorQuad"), catalog.postgis)
        with administering(given) as connection:
            left = registry.unfinished(connection, found.layer, found.grid.key)
            if left is not None:
                plan = Plan.parse(left.document["plan"])
            else:
                plan = sampling.plan(connection, found, allowance(request_of(found, given))).plan
            return build(connection, found, plan, catalog.login, report, given)


def _heeds_interrupts() -> None:
    """What a shell starts in the background ignores SIGINT, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)



def tables(dsn: str) -> dict[str, int]:
    """The tables of all overviews with their oids."""
    return dict(execute(
        dsn, "SELECT relname, oid::int FROM pg_class WHERE relnamespace = 'flagstone'::regnamespace AND relkind = 'r'"
        " AND relname NOT IN ('overview', 'overview_band', 'version')"
    ))  # fmt: skip


def registered(dsn: str) -> set[str]:
    return {name for (name,) in execute(dsn, "SELECT table_name FROM flagstone.overview_band")}


def reloaded(app: Flask) -> Flask:
    app.extensions["flagstone"].catalog.reload()
    return app


KINDS = [
    ("public.plain", "public.plain", 500, "id"), ("public.text_key", "public.text_key", 500, "code"),
    ("public.uuid_key", "public.uuid_key", 500, "id"), ("public.two_keys", "public.two_keys", 500, "number"),
    ("public.a_view", "public.a_view", 400, "id"), ("public.a_materialized", "public.a_materialized", 300, "id"),
    ("public.parts", "public.parts", 500, "id"), (ODD, ODD_ADDRESS, 500, 'i"d %s'),
    ("public.types", "public.types", 500, "id"), ("public.alike", "public.alike", 5000, "id"),
]  # fmt: skip


class TestWhatIsServed:
    @pytest.mark.parametrize(("layer", "address", "rows", "key"), KINDS, ids=[kind[0] for kind in KINDS])
    def test_same_name_ids_and_columns_and_every_row_is_counted(
        self, layers: str, make_app: MakeApp, layer: str, address: str, rows: int, key: str
    ) -> None:
        app = make_app(layers, **FEW)
        before = {
            tuple(path): decoded(get(app, f"/tiles/{address}/{path[0]}/{path[1]}/{path[2]}"))
            for path in [(zoom, x, y) for zoom in range(3) for x in range(2**zoom) for y in range(2**zoom)]
        }
        said(app, "build", layer)
        reloaded(app)
        assert sum(each["feature_count"] for each in attributes(app, f"/tiles/{address}/0/0/0")) == rows
        everything = {str(each[0]) for each in execute(layers, f"SELECT {quoted(key)} FROM {relation(layer)}")}
        for (zoom, x, y), old in before.items():
            response = get(app, f"/tiles/{address}/{zoom}/{x}/{y}")
            new = decoded(response)
            # Nothing of a tile vanishes, and it keeps its names.
            assert bool(new) == bool(old) and set(new) == set(old)
            for name, drawn in new.items():
                names = {column for each in drawn["features"] for column in each["properties"]}
                assert names - {"feature_count"} == {column for each in old[name]["features"] for column in each["properties"]} - {"feature_count"}
                assert {str(each["properties"][key]) for each in drawn["features"]} <= everything
                assert ("id" in drawn["features"][0]) == ("id" in old[name]["features"][0])
                assert len(drawn["features"]) <= 60

    def test_columns_of_our_names_keep_their_values(self, layers: str, make_app: MakeApp) -> None:
        app = make_app(layers, **FEW)
        said(app, "build", "public.named_like_ours")
        found = attributes(reloaded(app), "/tiles/public.named_like_ours/0/0/0")
        assert all(each["feature_count"] == -each["id"] and each["~width"] == f"w{each['id']}" for each in found)
        assert asked(app, "status", "public.named_like_ours")[0]["rows"]["is_exact"]

    def test_shapes_of_every_kind_are_counted_at_every_zoom(self, layers: str, make_app: MakeApp) -> None:
        app = make_app(layers, FLAGSTONE_MAX_FEATURES=200)
        said(app, "build", "public.mixed")
        [status] = asked(app, "status", "public.mixed")
        assert status["rows"]["is_exact"] and status["rows"]["drawn"] == 416
        found = attributes(reloaded(app), "/tiles/public.mixed/0/0/0")
        assert sum(each["feature_count"] for each in found) == 416
        drawn = {each["kind"] for each in found}
        assert {"whole world", "across the edge", "bow tie", "spike", "a curve"} <= drawn

    def test_postgis_in_another_schema(self, gis_database: str, make_app: MakeApp) -> None:
        execute(
            gis_database,
            "CREATE TABLE public.areas (id int PRIMARY KEY, geom gis.geometry(Polygon, 4326)); INSERT INTO public.areas"
            " SELECT n, gis.ST_Buffer(gis.ST_SetSRID(gis.ST_MakePoint(n % 160, n % 70), 4326), 2, 400) FROM generate_series(1, 300) AS n",
        )
        app = make_app(gis_database, **FEW)
        said(app, "build", "public.areas")
        assert asked(app, "status", "public.areas")[0]["rows"]["is_exact"]
        assert get(reloaded(app), "/tiles/public.areas/0/0/0").headers["Flagstone-Tile"] == "overview"

    def test_a_foreign_table(self, layers: str, make_app: MakeApp, tmp_path: Path) -> None:
        known = conninfo_to_dict(layers)
        host, name, port = known.get("host", "127.0.0.1"), known["dbname"], known.get("port", "5432")
        execute(
            layers,
            "CREATE EXTENSION postgres_fdw; CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host"
            f" '{host}', port '{port}', dbname '{name}');"
            f" CREATE USER MAPPING FOR CURRENT_USER SERVER itself OPTIONS (user '{known['user']}', password_required 'false');"
            " CREATE FOREIGN TABLE far (id int, name text, geom geometry(Point, 4326)) SERVER itself OPTIONS (table_name 'plain')",
        )
        file = tmp_path / "layers.toml"
        file.write_text('[layers."public.far"]\nid = "id"\n')
        app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
        said(app, "build", "public.far")
        assert sum(each["feature_count"] for each in attributes(reloaded(app), "/tiles/public.far/0/0/0")) == 500

    def test_a_filter_that_always_applies_is_in_the_bands(self, layers: str, make_app: MakeApp, tmp_path: Path) -> None:
        file = tmp_path / "layers.toml"
        file.write_text('[layers."public.plain"]\nfilter = "name LIKE \'row 1%\'"\n')
        app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
        said(app, "build", "public.plain")
        [status] = asked(app, "status", "public.plain")
        assert status["rows"]["is_exact"] and (status["rows"]["drawn"], status["rows"]["filtered"]) == (111, 389)
        found = attributes(reloaded(app), "/tiles/public.plain/0/0/0")
        assert sum(each["feature_count"] for each in found) == 111

    def test_very_many_points_at_one_place(self, layers: str, make_app: MakeApp) -> None:
        execute(layers, "INSERT INTO alike SELECT n, 'SRID=4326;POINT(7.5 47.5)' FROM generate_series(5001, 200000) AS n; ANALYZE alike")
        app = make_app(layers)
        said(app, "build", "public.alike")
        for path in ("0/0/0", "10/533/358"):
            [found] = attributes(reloaded(app), f"/tiles/public.alike/{path}")
            assert found["feature_count"] == 200_000

    def test_fullest_tiles_stay_within_the_budget(self, layers: str, make_app: MakeApp) -> None:
        app = make_app(layers, FLAGSTONE_TILE_BUDGET_KB=100)
        text = said(app, "build", "public.long_texts")
        assert "holds more" not in text
        reloaded(app)
        [status] = asked(app, "status", "public.long_texts")
        bands = [each for each in status["tables"] if each["kind"] == "band"]
        assert bands and all(each["measured"]["fits"] and each["measured"]["bytes"] <= 100 * 1024 for each in bands)
        for zoom in range(2):
            for x in range(2**zoom):
                for y in range(2**zoom):
                    response = get(app, f"/tiles/public.long_texts/{zoom}/{x}/{y}", Accept_Encoding="gzip")
                    assert response.headers.get("Flagstone-Tile", "overview") == "overview"
                    assert len(response.get_data()) <= 100 * 1024

    def test_who_serves_goes_on_while_it_is_built_again(self, layers: str, make_app: MakeApp) -> None:
        built(layers, "public.plain")
        app = reloaded(make_app(layers, **FEW))
        answers: list[int] = []
        before = tables(layers)
        rebuild = make_app(layers, **FEW)
        said(rebuild, "build", "public.plain", "--again")
        assert set(before) - set(tables(layers))
        # The catalog of this server is of before: its bands are gone.
        for path in ("0/0/0", "1/0/0", "1/1/0"):
            answers.append(get(app, f"/tiles/public.plain/{path}").status_code)
        assert answers == [200, 200, 200]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def relation(layer: str) -> str:
    schema, _, name = layer.partition(".")
    return f"{quoted(schema)}.{quoted(name)}"


class TestInterruptions:
    def test_a_killed_build_goes_on_where_it_was(self, layers: str, make_app: MakeApp) -> None:
        execute(layers, "INSERT INTO alike SELECT n, ST_SetSRID(ST_MakePoint(n % 170, n % 80), 4326) FROM generate_series(5001, 150000) AS n")
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "DATABASE_URL": layers, "FLAGSTONE_MAX_FEATURES": "60"}
        command = [sys.executable, "-m", "flask", "--app", f"{CHECKOUT}/wsgi.py", "overviews", "build", "public.alike"]
        process = subprocess.Popen(command, cwd="/", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while time.monotonic() < until and len(bands_there(layers)) < 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        before = bands_there(layers)
        [(complete,)] = execute(layers, "SELECT complete FROM flagstone.overview")
        assert len(before) >= 2 and not complete
        app = make_app(layers, **FEW)
        [status] = asked(app, "status", "public.alike")
        assert "not whole" in status["state"]
        # What is there is served already.
        assert get(app, "/tiles/public.alike/22/2184533/1459617").status_code in (200, 204)
        said(app, "build", "public.alike")
        after = tables(layers)
        assert before.items() <= after.items()
        [status] = asked(reloaded(app), "status", "public.alike")
        assert status["state"] == "served" and status["rows"]["is_exact"]

    def test_interrupt_from_the_keyboard_ends_it_in_the_database_too(self, layers: str) -> None:
        execute(
            layers,
            "CREATE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql STABLE AS"
            " $$BEGIN IF n > 400 THEN PERFORM pg_catalog.pg_sleep(0.5); END IF; RETURN n; END$$;"
            " CREATE VIEW slow AS SELECT slowly(id) AS number, id, name, geom FROM plain",
        )
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "DATABASE_URL": layers, "FLAGSTONE_MAX_FEATURES": "60"}
        command = [sys.executable, "-m", "flask", "--app", f"{CHECKOUT}/wsgi.py", "overviews", "build", "public.slow"]
        process = subprocess.Popen(command, cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   preexec_fn=_heeds_interrupts)  # fmt: skip
        running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE '%slow%' AND pid <> pg_backend_pid()"
        until = time.monotonic() + 30
        while time.monotonic() < until and execute(layers, running) == [(0,)]:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=15)
        assert process.returncode != 0 and "Traceback" not in output, output
        until = time.monotonic() + 5
        while time.monotonic() < until and execute(layers, running) != [(0,)]:
            time.sleep(0.05)
        assert execute(layers, running) == [(0,)]

    def test_a_cancelled_build_leaves_nothing_half(self, layers: str, make_app: MakeApp) -> None:
        def cancel(what: str, done: int, steps: int) -> None:
            if what == "zoom 0":
                execute(layers, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")

        with pytest.raises(DatabaseDown, match="the same command goes on from there"):
            built(layers, "public.plain", cancel)
        there = tables(layers)
        assert set(there) == registered(layers) and "overview_1_z1" in there and "overview_1_z0" not in there
        assert built(layers, "public.plain") == 1
        assert there.items() <= tables(layers).items()

    def test_a_statement_that_is_cancelled_is_a_sentence(self, layers: str) -> None:
        assert_fails(layers, "query_canceled", "was cancelled")

    def test_restarted_server(self, own_server: postgres.Cluster, make_app: MakeApp) -> None:
        dsn = own_server.dsn("postgres")
        execute(dsn, (CHECKOUT / "tests/oddities/overview_layers.sql").read_text())

        def restart(what: str, done: int, steps: int) -> None:
            if what == "zoom 0":
                own_server.stop()
                own_server.start()

        with pytest.raises(DatabaseDown, match="the connection to the database broke"):
            built(dsn, "public.plain", restart)
        dsn = own_server.dsn("postgres")
        assert "overview_1_z1" in tables(dsn)
        assert built(dsn, "public.plain") == 1
        [status] = asked(make_app(dsn, **FEW), "status", "public.plain")
        assert status["state"] == "served" and status["rows"]["is_exact"]

    def test_a_second_build_at_the_same_time_is_told_so(self, layers: str, make_app: MakeApp) -> None:
        answers: list[Any] = []
        app = make_app(layers, **FEW)

        def second(what: str, done: int, steps: int) -> None:
            if what == "zoom 0":
                with ThreadPoolExecutor() as other:  # another application needs a context of its own
                    answers.append(other.submit(run, app, "build", "public.plain").result())
                    answers.append(other.submit(run, app, "build", "public.text_key").result())

        built(layers, "public.plain", second)
        assert answers[0].exit_code == 1 and "Another build or refresh of the overview of public.plain is under way" in answers[0].output
        assert answers[1].exit_code == 0

    def test_a_table_that_grows_meanwhile(self, layers: str, make_app: MakeApp) -> None:
        def grow(what: str, done: int, steps: int) -> None:
            if what == "zoom 0":
                execute(layers, "INSERT INTO plain SELECT n, 'late', 'SRID=4326;POINT(1 1)' FROM generate_series(1001, 1100) AS n")

        built(layers, "public.plain", grow)
        [status] = asked(make_app(layers, **FEW), "status", "public.plain")
        # All bands show the rows of one moment.
        assert set(status["rows"]["by_zoom"].values()) == {500} and status["rows"]["table"] == 600
        assert not status["rows"]["is_exact"]

    def test_a_table_that_is_dropped_meanwhile(self, layers: str, make_app: MakeApp) -> None:
        def drop(what: str, done: int, steps: int) -> None:
            if what.startswith("heavy"):
                execute(layers, "DROP TABLE heavy")

        with pytest.raises(OverviewError, match="dropped or altered meanwhile"):
            built(layers, "public.heavy", drop)
        app = make_app(layers, **FEW)
        assert "its table is gone" in said(app, "status")
        said(app, "drop", "--unused")
        assert tables(layers) == {}

    def test_full_disk_is_a_sentence_and_what_is_whole_stays(self, layers: str) -> None:
        assert_fails(layers, "disk_full", "the disk of the database is full")

    def test_limit_of_temporary_files_is_a_sentence(self, layers: str, login: Login) -> None:
        execute(layers, "INSERT INTO long_texts SELECT n, repeat(md5(n::text), 20), ST_SetSRID(ST_MakePoint(n % 170, n % 80), 4326) FROM generate_series(2001, 20000) AS n")
        name = conninfo_to_dict(layers)["dbname"]
        execute(layers, f'ALTER DATABASE "{name}" SET temp_file_limit = \'1MB\'')
        with pytest.raises(OverviewError, match=r"temp_file_limit.*FLAGSTONE_OVERVIEW_MEMORY_MB"):
            built(layers, "public.long_texts", FLAGSTONE_OVERVIEW_MEMORY_MB=4)
        assert set(tables(layers)) == registered(layers)


def assert_fails(dsn: str, code: str, said: str) -> None:
    """A build of a view whose rows call a function that fails once the plan is made."""
    execute(
        dsn,
        "CREATE TABLE failing (now bool); CREATE FUNCTION failing(n int) RETURNS int LANGUAGE plpgsql STABLE AS"
        f" $$BEGIN IF n = 500 AND EXISTS (SELECT FROM public.failing) THEN RAISE EXCEPTION USING ERRCODE = '{code}'; END IF; RETURN n; END$$;"
        " CREATE VIEW fails AS SELECT failing(id) AS number, id, name, geom FROM plain",
    )
    given = Settings.of(DATABASE_URL=dsn, **FEW)
    app = create_app(given)
    with closing(app.extensions["flagstone"]) as there, app.app_context():
        catalog = there.catalog.catalog()
        found = target(there.pool, catalog.layer("public.fails", ANONYMOUS), there.grids.get("WebMercatorQuad"), catalog.postgis)
        with administering(given) as connection:
            plan = sampling.plan(connection, found, allowance(request_of(found, given))).plan
            execute(dsn, "INSERT INTO failing VALUES (true)")
            with pytest.raises(OverviewError, match=said):
                build(connection, found, plan, catalog.login, settings=given)
    assert set(tables(dsn)) == registered(dsn)


def bands_there(dsn: str) -> dict[str, int]:
    if execute(dsn, "SELECT to_regclass('flagstone.overview_band') IS NULL") == [(True,)]:
        return {}
    return dict(execute(dsn, "SELECT table_name, relation::int FROM flagstone.overview_band WHERE kind = 'band'"))
