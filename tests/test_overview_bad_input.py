"""Data that an overview cannot be built of, and data that looks as if it could not: sentences, or bands that are right."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import MakeApp
from tests.test_overview_cli import FEW, asked, execute, run, said
from tests.tile_decoding import attributes, features, get

POINTS = "SELECT n, ST_SetSRID(ST_MakePoint(n % 170, n % 80), {srid}) FROM generate_series(1, 500) AS n"


@pytest.mark.parametrize("srid", [0, 990_000])
@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_reference_system_that_is_not_known_is_a_sentence(
    database: str, make_app: MakeApp, command: str, srid: int
) -> None:
    execute(
        database,
        f"CREATE TABLE lost (id int PRIMARY KEY, geom geometry(Point, {srid})); INSERT INTO lost {POINTS.format(srid=srid)}; ANALYZE lost",
    )
    answer = run(make_app(database, **FEW), command, "public.lost")
    assert answer.exit_code == 1 and "Traceback" not in answer.output
    assert "reference system" in answer.output or "SRID" in answer.output
    assert execute(database, "SELECT to_regclass('flagstone.overview_1_z0') IS NULL") == [(True,)]


@pytest.mark.parametrize("command", ["plan", "build"])
def test_rows_of_another_reference_system_are_drawn_or_said(
    database: str, make_app: MakeApp, command: str
) -> None:
    execute(
        database,
        f"CREATE TABLE several (id int PRIMARY KEY, geom geometry); INSERT INTO several {POINTS.format(srid=4326)};"
        " INSERT INTO several VALUES (501, 'SRID=990000;POINT(1 1)'), (502, 'POINT(1 1)'), (503, 'SRID=2056;POINT(2600000 1200000)'); ANALYZE several",
    )
    answer = run(make_app(database, **FEW), command, "public.several")
    assert "Traceback" not in answer.output and isinstance(answer.exception, SystemExit)
    assert answer.exit_code == 1 and (
        "990000" in answer.output or "reference system" in answer.output or "SRID" in answer.output
    )


@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_table_without_anything_to_draw_needs_none(database: str, make_app: MakeApp, command: str) -> None:
    execute(
        database,
        "CREATE TABLE bare (id int PRIMARY KEY, geom geometry(Polygon, 4326)); INSERT INTO bare SELECT n, CASE WHEN n % 2 = 0 THEN"
        " 'SRID=4326;POLYGON EMPTY'::geometry END FROM generate_series(1, 500) AS n; ANALYZE bare",
    )
    assert "needs no overview" in said(make_app(database, **FEW), command, "public.bare")


def test_polygons_that_cover_the_whole_grid_are_in_every_tile(database: str, make_app: MakeApp) -> None:
    execute(
        database,
        "CREATE TABLE lands (id int PRIMARY KEY, geom geometry(Polygon, 4326)); INSERT INTO lands SELECT n,"
        " ST_MakeEnvelope(-180, -90, 180, 90, 4326) FROM generate_series(1, 200) AS n; ANALYZE lands",
    )
    app = make_app(database, **FEW)
    said(app, "build", "public.lands")
    assert asked(app, "status", "public.lands")[0]["rows"]["is_exact"]
    app.extensions["flagstone"].catalog.reload()
    for path in ("0/0/0", "3/0/0", "3/7/7", "7/64/64"):
        response = get(app, f"/tiles/public.lands/{path}")
        assert response.headers["Flagstone-Tile"] in ("overview", "sampled", "limited")
        assert features(app, f"/tiles/public.lands/{path}")


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ("ST_Buffer(place, 0.001, 4)", "Polygon"),
        ("ST_MakeLine(place, ST_Translate(place, 0.001, 0.001))", "LineString"),
        ("place", "Point"),
    ],
)
def test_very_many_shapes_at_one_place_are_one_feature(
    database: str, make_app: MakeApp, shape: str, kind: str
) -> None:
    execute(
        database,
        f"CREATE TABLE heap (id int PRIMARY KEY, geom geometry({kind}, 4326)); INSERT INTO heap SELECT n, {shape} FROM generate_series(1, 3000) AS n,"
        " ST_SetSRID(ST_MakePoint(7.5, 47.5), 4326) AS place; ANALYZE heap",
    )
    app = make_app(database, **FEW)
    said(app, "build", "public.heap")
    app.extensions["flagstone"].catalog.reload()
    for path in ("0/0/0", "6/33/22"):
        [found] = attributes(app, f"/tiles/public.heap/{path}")
        assert found["feature_count"] == 3000


def test_rows_that_came_while_it_was_built_come_with_a_refresh(database: str, make_app: MakeApp) -> None:
    execute(
        database,
        f"CREATE TABLE grows (id int PRIMARY KEY, geom geometry(Point, 4326)); INSERT INTO grows {POINTS.format(srid=4326)}; ANALYZE grows",
    )
    app = make_app(database, **FEW)
    with psycopg.connect(database) as writer:
        # Begun before the build, and at its end only after it.
        writer.execute(
            "INSERT INTO grows SELECT n, 'SRID=4326;POINT(1 1)' FROM generate_series(501, 600) AS n"
        )
        said(app, "build", "public.grows")
        assert set(asked(app, "status", "public.grows")[0]["rows"]["by_zoom"].values()) == {500}
    said(app, "refresh", "public.grows")
    found = asked(app, "status", "public.grows")[0]["rows"]
    assert found["is_exact"] and set(found["by_zoom"].values()) == {600}


def test_rings_of_every_fault_are_areas_in_every_band(database: str, make_app: MakeApp) -> None:
    rings = [
        "(0 0, 40 40, 40 0, 0 40, 0 0)", "(0 0, 10 0, 10 10, 5 10, 5 15, 5 10, 0 10, 0 0)", "(0 0, 20 0, 20 20, 0 20, 0 0), (30 30, 40 30, 40 40, 30 30)",
        "(0 0, 20 0, 20 20, 0 20, 0 0), (0 0, 20 0, 20 20, 0 20, 0 0)", "(0 0, 20 0, 20 20, 0 20, 0 0), (5 5, 25 5, 25 15, 5 15, 5 5)",
        "(1 1, 1 1, 1 1, 1 1)", "(0 0, 20 0, 0 0, 20 0, 0 0)",
    ]  # fmt: skip
    execute(database, "CREATE TABLE faulty (id int PRIMARY KEY, geom geometry(Polygon, 4326))")
    values = ", ".join(
        f"({n}, ST_GeomFromText('POLYGON({rings[n % len(rings)]})', 4326))" for n in range(210)
    )
    execute(database, f"INSERT INTO faulty VALUES {values}; ANALYZE faulty")
    app = make_app(database, **FEW)
    said(app, "build", "public.faulty")
    [status] = asked(app, "status", "public.faulty")
    assert status["rows"]["is_exact"] and status["rows"]["drawn"] == 210
    tables = [each["table"] for each in status["tables"] if each["kind"] == "band"]
    for table in tables:
        assert execute(
            database,
            f'SELECT count(*) FROM flagstone.{table} WHERE "~piece" = 0 AND NOT ST_IsValid("~geometry")',
        ) == [(0,)]
