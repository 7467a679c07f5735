"""Coordinates that are no numbers, and shapes next to nothing: they are counted as what they are, and end no build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MakeApp
from tests.overview_refreshes import assert_equals_a_build, kept
from tests.test_overview_cli import FEW, asked, execute, run, said

PLACES = (
    "CREATE TABLE places (id int PRIMARY KEY, geom geometry(Point, 4326));"
    " INSERT INTO places SELECT n, ST_SetSRID(ST_MakePoint(n, n / 100.0), 4326) FROM generate_series(1, 170) AS n; ANALYZE places"
)
TINY = "'SRID=4326;POLYGON((0 0, 1e-30 0, 1e-30 1e-30, 0 0))'"
NOWHERE = [("'NaN'", "'NaN'"), ("'NaN'", "5"), ("5", "'NaN'")]


@pytest.mark.parametrize(("x", "y"), NOWHERE)
def test_a_point_that_is_nowhere_is_outside_of_the_grid(
    database: str, make_app: MakeApp, x: str, y: str
) -> None:
    execute(database, PLACES)
    execute(database, f"INSERT INTO places VALUES (1000, ST_SetSRID(ST_MakePoint({x}, {y}), 4326))")
    app = make_app(database, **FEW)
    assert asked(app, "plan", "public.places")[0]["is_needed"]
    said(app, "build", "--all")
    [status] = asked(app, "status", "public.places")
    assert status["rows"]["is_exact"]
    assert (status["rows"]["drawn"], status["rows"]["outside"]) == (170, 1)


def test_points_that_are_nowhere_come_and_go(database: str) -> None:
    execute(database, PLACES)
    with kept(database, "public.places", range(3)) as made:
        for place, (x, y) in enumerate(NOWHERE):
            made.edit(f"INSERT INTO places VALUES ({1000 + place}, ST_SetSRID(ST_MakePoint({x}, {y}), 4326))")
            made.edit(f"UPDATE places SET geom = ST_Translate(geom, 0.1, 0) WHERE id = {place + 1}")
            assert made.refresh().rows > 0
        made.edit("DELETE FROM places WHERE id = 1001")
        made.edit("UPDATE places SET geom = ST_SetSRID(ST_MakePoint('NaN', 'NaN'), 4326) WHERE id = 9")
        assert made.refresh().rows > 0
        assert made.rebuilt == []
        assert set(made.counts().values()) == {169}
        assert_equals_a_build(made)


@pytest.mark.parametrize("kind", ["LineString", "Polygon"])
def test_shapes_with_a_vertex_that_is_nowhere_end_no_build(database: str, kind: str) -> None:
    corners = "ST_MakePoint(n, 0), ST_MakePoint(n + 1, 0), ST_MakePoint({0}), ST_MakePoint(n, 9), ST_MakePoint(n, 0)"
    ring = f"ST_MakeLine(ARRAY[{corners}])"
    shape = ring if kind == "LineString" else f"ST_MakePolygon({ring})"
    execute(
        database,
        f"CREATE TABLE shapes (id int PRIMARY KEY, geom geometry({kind}, 4326)); INSERT INTO shapes"
        f" SELECT n, ST_SetSRID({shape.format('n + 1, 9')}, 4326) FROM generate_series(1, 20) AS n;"
        f" INSERT INTO shapes SELECT n, ST_SetSRID({shape.format(chr(39) + 'NaN' + chr(39) + ', 5')}, 4326)"
        " FROM generate_series(21, 40) AS n",
    )
    with kept(database, "public.shapes", range(4)) as made:
        assert min(made.counts().values()) >= 20


@pytest.mark.parametrize("merges", [False, True])
def test_an_area_and_a_line_next_to_nothing(database: str, tmp_path: Path, *, merges: bool) -> None:
    execute(
        database,
        "CREATE TABLE scraps (id int PRIMARY KEY, name text DEFAULT 'one', geom geometry(Geometry,"
        " 4326)); INSERT INTO scraps (id, geom)"
        " SELECT n, ST_MakeEnvelope(n, n / 100.0, n + 1, n / 100.0 + 1, 4326) FROM generate_series(1, 170) AS n;"
        f" INSERT INTO scraps (id, geom) VALUES (1000, {TINY}), (1001, 'SRID=4326;LINESTRING(0 0, 1e-60 0)'),"
        " (1002, 'SRID=4326;LINESTRING(1e-60 0, 2e-60 0)')",
    )
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.scraps"]\n' + ('overview = { merge = ["name"] }\n' if merges else ""))
    with kept(database, "public.scraps", range(3), FLAGSTONE_LAYERS_FILE=str(file)) as made:
        assert set(made.counts().values()) == {173}


def test_a_plan_of_an_area_next_to_nothing(database: str, make_app: MakeApp) -> None:
    execute(
        database,
        "CREATE TABLE scraps (id int PRIMARY KEY, geom geometry(Polygon, 4326)); INSERT INTO scraps"
        " SELECT n, ST_MakeEnvelope(n, n / 100.0, n + 1, n / 100.0 + 1, 4326) FROM generate_series(1, 170) AS n;"
        f" INSERT INTO scraps VALUES (1000, {TINY}); ANALYZE scraps",
    )
    app = make_app(database, **FEW)
    assert run(app, "plan", "public.scraps").exit_code == 0
    said(app, "build", "public.scraps")
    assert asked(app, "status", "public.scraps")[0]["rows"]["is_exact"]
