"""One feature of each cell: which one, how many rows it stands for, and that no tile's edge changes that."""

from __future__ import annotations

import math
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from app.layers.bounds import Bounds
from app.layers.cells import CellRange, cell_size
from app.layers.crs import Crs
from app.layers.grids import Grids
from app.layers.tile import Tile
from tests.conftest import MakeApp
from tests.crowds import crowded, rows_of, selected, widened
from tests.servers.postgres import DatabaseServer


@pytest.fixture(scope="module")
def crowds(server: DatabaseServer, template: str) -> Iterator[str]:
    with crowded(server, template) as dsn:
        yield dsn


@pytest.fixture
def app(crowds: str, make_app: MakeApp) -> Flask:
    return make_app(crowds, CACHE_TYPE="NullCache")


def test_a_cell_is_as_large_as_grid_zoom_and_system_say() -> None:
    mercator = Grids().get("WebMercatorQuad")
    degrees, metres, feet = (Crs(srid, f"EPSG:{srid}") for srid in (4326, 3857, 2263))
    assert cell_size(mercator, 0, degrees, 8) == pytest.approx(360 / 64)
    assert cell_size(mercator, 3, metres, 8) == pytest.approx(40_075_016.685578 / 64 / 8)
    assert cell_size(mercator, 3, metres, 16) == 2 * cell_size(mercator, 3, metres, 8)
    assert cell_size(mercator, 3, feet, 8) == pytest.approx(cell_size(mercator, 3, metres, 8) / 0.3048006096)
    assert cell_size(Grids().get("WorldCRS84Quad"), 0, metres, 8) == pytest.approx(180 / 64 * 111_319.4908)


def test_the_cells_of_a_box_hold_the_middle_of_all_small_rows_that_meet_it() -> None:
    cells = CellRange.around(Bounds(-1.0, 9.9, 1.0, 20.1), 5.0)
    assert tuple(cells) == (-1, 1, 0, 4)
    assert cells.box(5.0) == Bounds(-5.0, 5.0, 5.0, 25.0)


@pytest.mark.parametrize("layer", ["fields", "pacific_metres"])
@pytest.mark.parametrize(("zoom", "pixels"), [(3, 8), (4, 8), (4, 32), (5, 16)])
def test_one_tile_over_nine_neighbours_holds_what_the_nine_hold(
    app: Flask, crowds: str, layer: str, zoom: int, pixels: int
) -> None:
    if layer == "pacific_metres":
        with psycopg.connect(crowds, autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS pacific_metres AS SELECT id, ST_Transform(geom, 3857)::geometry(Point, 3857) AS geom"
                               " FROM pacific WHERE ST_X(geom) < 180")  # fmt: skip
    grid = Grids().get("WebMercatorQuad")
    x = 2 ** (zoom - 1) if layer == "fields" else 2**zoom - 3
    y = 2 ** (zoom - 1)
    boxes: list[Bounds] = []
    nine: dict[int, int | None] = {}
    for column in (x, x + 1, x + 2):
        for row in (y - 1, y, y + 1):
            tile = Tile(zoom, column, row)
            boxes.append(grid.bounds(tile))
            for feature in selected(app, rows_of(app, f"public.{layer}", tile, buffer="0"), pixels):
                count = feature["properties"].get("feature_count")
                assert nine.setdefault(feature["properties"]["id"], count) == count
    big = Bounds(
        min(b.xmin for b in boxes),
        min(b.ymin for b in boxes),
        max(b.xmax for b in boxes),
        max(b.ymax for b in boxes),
    )
    rows = widened(rows_of(app, f"public.{layer}", Tile(zoom, x + 1, y), buffer="0"), big, 3)
    one = {
        feature["properties"]["id"]: feature["properties"].get("feature_count")
        for feature in selected(app, rows, pixels)
    }
    assert len(one) > 40
    assert one == nine


@pytest.mark.parametrize(
    ("layer", "rows"),
    [
        ("towns", 12000),
        ("on_sphere", 12000),
        ("pacific", 12000),
        ("keyless", 12000),
        ("seen", 14400),
        ("lines", 6000),
    ],
)
@pytest.mark.parametrize("pixels", [8, 64])
def test_counts_of_the_world_add_up_to_its_rows(
    app: Flask, crowds: str, layer: str, rows: int, pixels: int
) -> None:
    """NULL, empty and NaN are no rows of any place."""
    with psycopg.connect(crowds) as connection:
        column = "geog" if layer == "on_sphere" else "geom"
        found = connection.execute(
            f"SELECT count(*) FROM {layer} WHERE ST_IsEmpty({column}::geometry) IS FALSE AND ST_X(ST_StartPoint(ST_Points({column}::geometry))) < 'Infinity'".encode()
            if layer == "lines" else f"SELECT count(*) FROM {layer} WHERE ST_X({column}::geometry) < 'Infinity'".encode()
        ).fetchone()  # fmt: skip
    assert found == (rows,)
    features = selected(app, rows_of(app, f"public.{layer}", Tile(0, 0, 0)), pixels)
    assert sum(feature["properties"]["feature_count"] for feature in features) == rows
    assert len(features) < rows / 2


def test_all_rows_in_one_place_are_one_feature(app: Flask) -> None:
    for zoom in (0, 5, 14, 20):
        grid = Grids().get("WebMercatorQuad")
        size = 2**zoom
        x = int((9.5 + 180) / 360 * size)
        y = int((1 - math.asinh(math.tan(math.radians(47.1))) / math.pi) / 2 * size)
        assert grid.has(Tile(zoom, x, y))
        (found,) = selected(app, rows_of(app, "public.same", Tile(zoom, x, y)))
        assert found["properties"] == {"id": 1, "feature_count": 20000}


def test_the_winner_is_the_first_by_rank_and_without_a_rank_the_first_by_key(app: Flask, crowds: str) -> None:
    size = cell_size(Grids().get("WebMercatorQuad"), 2, Crs(4326, "EPSG:4326"), 8)
    with psycopg.connect(crowds) as connection:
        best = {row[0] for row in connection.execute(
            "SELECT DISTINCT ON (floor(ST_X(geom) / %(s)s::float8), floor(ST_Y(geom) / %(s)s::float8)) id FROM towns WHERE ST_X(geom) < 'Infinity'"
            " ORDER BY floor(ST_X(geom) / %(s)s::float8), floor(ST_Y(geom) / %(s)s::float8), people DESC NULLS LAST, id", {"s": size})}  # fmt: skip
    drawn = {
        feature["id"]
        for x in range(4)
        for y in range(4)
        for feature in selected(app, rows_of(app, "public.towns", Tile(2, x, y), buffer="0"))
    }
    assert drawn == best


def test_the_largest_of_a_cell_wins_and_larger_rows_stand_for_themselves(
    database: str, make_app: MakeApp
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE areas (id int PRIMARY KEY, geom geometry(Polygon, 3857))")
        # A cell of z0 is 626,172 m wide.
        connection.execute(
            "INSERT INTO areas SELECT n, ST_SetSRID(ST_Expand(ST_MakePoint(300000, 300000)::geometry, w), 3857) FROM"
            " (VALUES (1, 1.0), (2, 1000.0), (3, 300000.0), (4, 300000.0), (5, 400000.0), (6, 2e7), (7, 0)) AS each (n, w)"
        )
    app = make_app(database)
    found = {
        f["id"]: f["properties"]["feature_count"]
        for f in selected(app, rows_of(app, "public.areas", Tile(0, 0, 0)))
    }
    assert found == {3: 5, 5: 1, 6: 1}


def test_a_filter_chooses_before_the_cells(app: Flask, crowds: str) -> None:
    features = selected(app, rows_of(app, "public.towns", Tile(0, 0, 0), filter="kind = 'a' OR kind = 'b'"))
    assert {feature["properties"]["kind"] for feature in features} == {"a", "b"}
    assert sum(feature["properties"]["feature_count"] for feature in features) == 4800


def test_a_column_of_that_name_keeps_it(app: Flask) -> None:
    features = selected(app, rows_of(app, "public.fields", Tile(0, 0, 0)))
    assert {feature["properties"]["feature_count"] for feature in features} == {"mine"}


@pytest.mark.parametrize(
    "grid", ["WorldCRS84Quad", "EuropeanETRS89_LAEAQuad", "UPSArcticWGS84Quad", "WGS1984Quad"]
)
@pytest.mark.parametrize("layer", ["towns", "on_sphere", "lines", "pacific"])
def test_every_way_to_search_selects(app: Flask, grid: str, layer: str) -> None:
    there = app.extensions["flagstone"].grids.get(grid)
    counted = 0
    for zoom in (there.minzoom, there.minzoom + 2):
        matrix = there.matrices[zoom]
        for x in range(min(matrix.width, 4)):
            for y in range(min(matrix.height, 4)):
                rows = rows_of(app, f"public.{layer}", Tile(zoom, x, y), grid, buffer="0")
                counted += sum(feature["properties"]["feature_count"] for feature in selected(app, rows))
    # The Pacific is far from Europe.
    assert counted > 1000 or (layer, grid) == ("pacific", "EuropeanETRS89_LAEAQuad")
