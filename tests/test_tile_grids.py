"""Every tile matrix set of morecantile: a point lies at the pixel that pyproj computes on its own."""

from __future__ import annotations

import math

import psycopg
import pyproj
import pytest
from flask import Flask
from morecantile import tms

from tests.conftest import MakeApp
from tests.tile_decoding import features, get

# Within each grid's area.
PLACES = {
    "CanadianNAD83_LCC": (-100.3, 55.7), "EuropeanETRS89_LAEAQuad": (9.52, 47.14), "LINZAntarticaMapTilegrid": (165.2, -78.3),
    "NZTM2000Quad": (174.8, -41.3), "UPSAntarcticWGS84Quad": (30.5, -80.2), "UPSArcticWGS84Quad": (-40.1, 82.4),
    "UTM31WGS84Quad": (3.3, 47.2),
}  # fmt: skip
ELSEWHERE = (9.52, 47.14)


@pytest.fixture
def app(make_app: MakeApp, database: str) -> Flask:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, grid text, geom geometry(Point, 4326))")
        for number, grid in enumerate(tms.list()):
            connection.execute("INSERT INTO places VALUES (%s, %s, ST_SetSRID(ST_MakePoint(%s, %s), 4326))", (number, grid, *PLACES.get(grid, ELSEWHERE)))
    return make_app(database)


def _expected(grid: str, zoom: int) -> tuple[int, int, float, float]:
    """Column, row and the place within the tile, 0 to 1 from its upper left corner (OGC 17-083r4 §6.1)."""
    document = tms.get(grid)
    crs = document.crs._pyproj_crs
    matrix = document.matrix(zoom)
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(*PLACES.get(grid, ELSEWHERE))
    left, top = matrix.pointOfOrigin
    if crs.axis_info and crs.axis_info[0].direction in ("north", "south") and crs.axis_info[0].abbrev not in ("E", "X"):
        left, top = top, left
    width, height = matrix.cellSize * matrix.tileWidth, matrix.cellSize * matrix.tileHeight
    row = (top - y) / height
    factor = matrix.get_coalesce_factor(math.floor(row)) if matrix.variableMatrixWidths else 1
    column = (x - left) / (width * factor)
    return math.floor(column) * factor, math.floor(row), column % 1, row % 1


@pytest.mark.parametrize("grid", tms.list())
def test_a_point_lies_at_its_pixel_in_every_grid(app: Flask, grid: str) -> None:
    document = tms.get(grid)
    for zoom in sorted({document.minzoom, (document.minzoom + document.maxzoom) // 2, min(document.maxzoom, 22)}):
        column, row, across, down = _expected(grid, zoom)
        found = [feature for feature in features(app, f"/tiles/{grid}/places/{zoom}/{column}/{row}") if feature["properties"]["grid"] == grid]
        assert len(found) == 1, zoom
        x, y = found[0]["geometry"]["coordinates"]
        assert (x, y) == pytest.approx((across * 4096, down * 4096), abs=1.01), zoom


def test_negative_zoom_is_a_tile_and_another_is_404(app: Flask) -> None:
    assert get(app, "/tiles/CDB1GlobalGrid/places/-10/0/0").status_code in (200, 204)
    assert get(app, "/tiles/CDB1GlobalGrid/places/-11/0/0").status_code == 404


def test_grid_that_begins_at_one(app: Flask) -> None:
    assert get(app, "/tiles/UTM31WGS84Quad/places/0/0/0").status_code == 404
    assert get(app, "/tiles/UTM31WGS84Quad/places/1/0/0").status_code in (200, 204)


@pytest.mark.parametrize("grid", tms.list())
def test_zooms_that_a_grid_does_not_list_are_404(app: Flask, grid: str) -> None:
    # morecantile's own arithmetic makes up a matrix for zoom 60 in 8 of its 13 grids
    assert get(app, f"/tiles/{grid}/places/60/0/0").status_code == 404
