"""Tile matrix sets of a directory: a point lies at the pixel that pyproj computes from the file, without our code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import psycopg
import pyproj
import pytest
from flask import Flask
from morecantile import tms

from tests.conftest import MakeApp
from tests.tile_decoding import features, get

FOLDER = Path(__file__).parent / "grids"
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
PLACES = {"PacificMercator": (-179.7123, -16.5432), "ArcticBelowZero": (-40.1234, 82.4567)}
VADUZ = (9.520123456789, 47.141098765432)


def _place(grid: str) -> tuple[float, float]:
    return PLACES.get(grid, VADUZ)


@pytest.fixture
def app(make_app: MakeApp, database: str) -> Flask:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, grid text, geom geometry(Point, 4326))")
        for number, grid in enumerate(DOCUMENTS):
            connection.execute(
                "INSERT INTO places VALUES (%s, %s, ST_SetSRID(ST_MakePoint(%s, %s), 4326))", (number, grid, *_place(grid))
            )
    return make_app(database, FLAGSTONE_TMS_DIRECTORY=str(FOLDER), FLAGSTONE_DEFAULT_MAXZOOM=30)


def _expected(document: dict[str, Any], matrix: dict[str, Any], place: tuple[float, float]) -> tuple[int, int, float, float]:
    """Column, row, and the place within the tile from its upper left corner, 0 to 1 (OGC 17-083r4 §6.1.1)."""
    crs = document["crs"]
    system = pyproj.CRS.from_json_dict(crs["wkt"]) if isinstance(crs, dict) else pyproj.CRS.from_user_input(crs)
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", system, always_xy=True).transform(*place)
    latitude_first = document.get("orderedAxes", ["?"])[0] == "Lat"
    left, edge = reversed(matrix["pointOfOrigin"]) if latitude_first else matrix["pointOfOrigin"]
    width, height = matrix["cellSize"] * matrix["tileWidth"], matrix["cellSize"] * matrix["tileHeight"]
    from_below = matrix.get("cornerOfOrigin") == "bottomLeft"
    rows = (y - edge if from_below else edge - y) / height
    row = math.floor(rows)
    together = [each["coalesce"] for each in matrix.get("variableMatrixWidths", ()) if each["minTileRow"] <= row <= each["maxTileRow"]]
    factor = together[0] if together else 1
    columns = (x - left) / (width * factor)
    down = rows - row
    return math.floor(columns) * factor, row, columns % 1, 1 - down if from_below else down


@pytest.mark.parametrize("grid", DOCUMENTS)
def test_a_point_lies_at_its_pixel_at_every_zoom_of_a_custom_grid(app: Flask, grid: str) -> None:
    document = DOCUMENTS[grid]
    for matrix in document["tileMatrices"]:
        column, row, across, down = _expected(document, matrix, _place(grid))
        assert 0 <= column < matrix["matrixWidth"] and 0 <= row < matrix["matrixHeight"]
        found = [each for each in features(app, f"/tiles/{grid}/places/{matrix['id']}/{column}/{row}") if each["properties"]["grid"] == grid]
        assert len(found) == 1, matrix["id"]
        x, y = found[0]["geometry"]["coordinates"]
        assert (x, y) == pytest.approx((across * 4096, down * 4096), abs=1.01), matrix["id"]


@pytest.mark.parametrize("resolution", [4096, 8192])
@pytest.mark.parametrize(("srid", "zooms"), [(4326, range(24, 31)), (3857, range(24, 31))])
def test_zoom_24_to_30_keeps_its_precision(make_app: MakeApp, database: str, srid: int, zooms: range, resolution: int) -> None:
    """Two points two units apart, at z30 a hundredth of a millimetre, are where pyproj puts them."""
    document = DOCUMENTS["DeepMercator"]
    way = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE deep (id int PRIMARY KEY, geom geometry(Point, {srid}))".encode())
        place = VADUZ if srid == 4326 else way.transform(*VADUZ)
        connection.execute("INSERT INTO deep VALUES (1, ST_SetSRID(ST_MakePoint(%s, %s), %s))", (*place, srid))
        connection.execute("CREATE INDEX ON deep USING gist (geom)")
    app = make_app(database, FLAGSTONE_TMS_DIRECTORY=str(FOLDER))
    for zoom in zooms:
        column, row, across, down = _expected(document, document["tileMatrices"][zoom], VADUZ)
        (found,) = features(app, f"/tiles/DeepMercator/deep/{zoom}/{column}/{row}?resolution={resolution}")
        x, y = found["geometry"]["coordinates"]
        assert (x, y) == pytest.approx((across * resolution, down * resolution), abs=1.01), zoom


def test_a_grid_without_epsg_number_uses_the_row_that_defines_it(make_app: MakeApp, database: str, caplog: pytest.LogCaptureFixture) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, grid text, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'AroundVaduz', ST_SetSRID(ST_MakePoint(%s, %s), 4326))", VADUZ)
    app = make_app(database, FLAGSTONE_TMS_DIRECTORY=str(FOLDER), CACHE_TYPE="NullCache")
    matrix = DOCUMENTS["AroundVaduz"]["tileMatrices"][9]
    column, row, across, down = _expected(DOCUMENTS["AroundVaduz"], matrix, VADUZ)
    address = f"/tiles/AroundVaduz/places/9/{column}/{row}"
    (slow,) = features(app, address)
    (warning,) = [record.getMessage() for record in caplog.records if "INSERT INTO spatial_ref_sys" in record.getMessage()]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(warning[warning.index("INSERT INTO") :].encode())
    again = make_app(database, FLAGSTONE_TMS_DIRECTORY=str(FOLDER), CACHE_TYPE="NullCache")
    caplog.clear()
    (quick,) = features(again, address)
    assert quick == slow
    assert quick["geometry"]["coordinates"] == pytest.approx([across * 4096, down * 4096], abs=1.01)
    assert not [record for record in caplog.records if "spatial_ref_sys" in record.getMessage()]


def test_an_epsg_number_that_the_database_lacks_is_drawn_by_its_definition(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM spatial_ref_sys WHERE srid = 2056")
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, ST_SetSRID(ST_MakePoint(%s, %s), 4326))", VADUZ)
    app = make_app(database, FLAGSTONE_TMS_DIRECTORY=str(FOLDER))
    matrix = DOCUMENTS["SwissFromBelow"]["tileMatrices"][5]
    column, row, across, down = _expected(DOCUMENTS["SwissFromBelow"], matrix, VADUZ)
    (found,) = features(app, f"/tiles/SwissFromBelow/places/5/{column}/{row}")
    assert found["geometry"]["coordinates"] == pytest.approx([across * 4096, down * 4096], abs=1.01)


def test_documents_and_lists_know_the_custom_grids(app: Flask) -> None:
    listed = [each["id"] for each in get(app, "/tileMatrixSets").get_json()["tileMatrixSets"]]
    assert listed == [*sorted(tms.list()), *sorted(DOCUMENTS)]
    document = get(app, "/tileMatrixSets/SwissFromBelow").get_json()
    assert document["id"] == "SwissFromBelow"
    assert document["tileMatrices"][3]["cornerOfOrigin"] == "bottomLeft"
    tilejson = get(app, "/SwissFromBelow/places/tilejson.json").get_json()
    assert tilejson["tileMatrixSet"] == "SwissFromBelow"
    assert (tilejson["minzoom"], tilejson["maxzoom"]) == (0, 8)
    assert get(app, "/ArcticBelowZero/places/tilejson.json").get_json()["minzoom"] == 0


def test_a_custom_grid_may_be_the_default_one(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, ST_SetSRID(ST_MakePoint(%s, %s), 4326))", VADUZ)
    app = make_app(database, TILEMATRIXSET_DIRECTORY=str(FOLDER), FLAGSTONE_DEFAULT_TMS="SwissFromBelow")
    column, row, _, _ = _expected(DOCUMENTS["SwissFromBelow"], DOCUMENTS["SwissFromBelow"]["tileMatrices"][3], VADUZ)
    assert len(features(app, f"/tiles/places/3/{column}/{row}")) == 1


def test_another_file_makes_another_cache_key(make_app: MakeApp, database: str, tmp_path: Path, redis_url: str) -> None:
    """The same id, and tiles elsewhere: a cache that outlives the restart must not give the old ones."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, ST_SetSRID(ST_MakePoint(%s, %s), 4326))", VADUZ)
    document = dict(DOCUMENTS["SwissFromBelow"])
    settings = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": redis_url, "FLAGSTONE_TMS_DIRECTORY": str(tmp_path)}
    (tmp_path / "SwissFromBelow.json").write_text(json.dumps(document))
    (before,) = features(make_app(database, **settings), "/tiles/SwissFromBelow/places/0/2/1")
    document["tileMatrices"] = [{**each, "pointOfOrigin": [2420000.0 - 1000, 1030000.0]} for each in document["tileMatrices"]]
    (tmp_path / "SwissFromBelow.json").write_text(json.dumps(document))
    (after,) = features(make_app(database, **settings), "/tiles/SwissFromBelow/places/0/2/1")
    assert after["geometry"]["coordinates"] != before["geometry"]["coordinates"]
