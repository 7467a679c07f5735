"""Awkward geometry in every grid: whatever a projection makes of it, a tile is no error. And systems without EPSG's number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from morecantile import tms

from tests.conftest import MakeApp
from tests.tile_decoding import features, get

FOLDER = Path(__file__).parent / "grids"
CUSTOM = sorted(path.stem for path in FOLDER.glob("*.json"))
LAYERS = ("mixed", "solids", "zm", "measured", "curves", "unlabelled", "bare", "on_earth", "around_the_line", "far")


@pytest.mark.parametrize("grid", [*tms.list(), *CUSTOM])
def test_no_geometry_fails_a_tile_in_any_grid(oddity: Callable[[str], str], make_app: MakeApp, grid: str) -> None:
    dsn = oddity("awkward_geometries")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE far (id int PRIMARY KEY, geom geometry)")
        connection.execute(
            "INSERT INTO far VALUES (1, 'SRID=4326;CURVEPOLYGON(CIRCULARSTRING(170 0, 190 0, 170 0))'),"
            " (2, 'SRID=4326;GEOMETRYCOLLECTION(POINT(200 10), LINESTRING(170 10, 190 10))'),"
            " (3, 'SRID=4326;TIN Z(((170 0 0, 190 0 0, 180 10 0, 170 0 0)))'), (4, 'SRID=4326;POLYGON((170 0,190 10,190 0,170 10,170 0))'),"
            " (5, 'SRID=4326;LINESTRING ZM(-190 0 1 1, -170 0 1 1)'), (6, ST_SetSRID(ST_MakePoint('Infinity', 47), 4326)),"
            " (7, 'SRID=4326;POLYGON((-1000 -100, 1000 -100, 1000 100, -1000 100, -1000 -100))'), (8, 'SRID=4326;POINT(1e300 1e300)')"
        )
    app = make_app(dsn, FLAGSTONE_TMS_DIRECTORY=str(FOLDER))
    there = app.extensions["flagstone"].grids.get(grid)
    for zoom in sorted(there.matrices)[:2]:
        matrix = there.matrices[zoom]
        places = sorted({(x, y) for x in (0, matrix.width // 2, matrix.width - 1) for y in (0, matrix.height // 2, matrix.height - 1)})
        for x, y in places:
            for layer in LAYERS:
                response = get(app, f"/tiles/{grid}/{layer}/{zoom}/{x}/{y}")
                assert response.status_code in (200, 204), (layer, zoom, x, y, response.get_data(as_text=True))


@pytest.mark.parametrize("how", ["srtext", "proj4text"])
def test_a_system_without_epsg_s_number_is_drawn_and_comes_round(make_app: MakeApp, database: str, how: str) -> None:
    """Web Mercator under the number it had before EPSG gave it one."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM spatial_ref_sys WHERE srid = 900913")
        connection.execute(f"INSERT INTO spatial_ref_sys (srid, {how}) SELECT 900913, {how} FROM spatial_ref_sys WHERE srid = 3857".encode())
        connection.execute("CREATE TABLE old (id int PRIMARY KEY, geom geometry(Point, 900913))")
        connection.execute(
            "INSERT INTO old SELECT i + 2, ST_SetSRID(ST_Translate(ST_Transform('SRID=4326;POINT(9.5 47.1)'::geometry, 3857), i * 40075016.68557849, 0), 900913)"
            " FROM generate_series(-1, 1) i"
        )
    app = make_app(database)
    found = {feature["id"]: tuple(feature["geometry"]["coordinates"]) for feature in features(app, "/tiles/old/8/134/89")}
    assert found.keys() == {1, 2, 3}
    assert len(set(found.values())) == 1
