"""Every row that a tile may show is looked at, and the limit takes the tile's rows, not the table's."""

from __future__ import annotations

import math
import random
from typing import Any

import psycopg
import pyproj
import pytest
from morecantile import tms

from app.layers.bounds import EVERYWHERE, WORLD, Bounds
from app.layers.crs import Crs, search_boxes
from app.layers.grid import Matrix
from app.layers.grids import Grids
from app.layers.tile import Tile
from tests.conftest import MakeApp
from tests.tile_decoding import decoded, drawn, features, get

LAYERS = (4326, 3857, 4258, 3035, 2056, 21781, 3031, 3413, 3995, 5041, 3571, 32633, 25833, 27200, 2193, 5070)

_ROUNDING = 1e-12


@pytest.mark.parametrize("srid", LAYERS)
def test_a_point_of_the_buffered_tile_lies_in_a_search_box(srid: int) -> None:
    """Random tiles of every grid, random points in them and in their buffers, transformed one by one.

    Points more than ten degrees outside the area that a projection was made for are left out: there it may fold back
    on itself, and nobody's data lie there.
    """
    rng = random.Random(srid)
    grids = Grids()
    layer = Crs(srid, f"EPSG:{srid}")
    compared = 0
    area = pyproj.CRS(srid).area_of_use
    for grid_id in tms.list():
        grid = grids.get(grid_id)
        degrees = pyproj.Transformer.from_crs(grid.crs.definition, 4326, always_xy=True)
        way = pyproj.Transformer.from_crs(grid.crs.definition, layer.definition, always_xy=True)
        for zoom in sorted(grid.matrices):
            matrix = grid.matrices[zoom]
            edges = [(0, 0), (matrix.width - 1, matrix.height - 1), (0, matrix.height - 1)]
            anywhere = [(rng.randrange(matrix.width), rng.randrange(matrix.height)) for _ in range(5)]
            for x, y in [*edges, *anywhere, *_of_the_area(rng, area, matrix, degrees, 2)]:
                box = grid.buffered(Tile(zoom, x, y), 1 / 16)
                if grid.crs.is_geographic and not box.intersects(WORLD):
                    continue  # CDB1GlobalGrid has tiles beyond the earth
                found = search_boxes(box, grid.crs, layer)
                if EVERYWHERE in found:
                    continue
                for point in [*_inside(rng, box, 10), *_along_the_edges(rng, box, 5)]:
                    if not _is_near(area, *degrees.transform(*point)):
                        continue
                    compared += 1
                    px, py = way.transform(*point)
                    near = [b.padded(_ROUNDING * abs(px), _ROUNDING * abs(py)) for b in found]
                    inside = any(b.xmin <= px <= b.xmax and b.ymin <= py <= b.ymax for b in near)
                    assert inside, f"{grid_id} {zoom}/{x}/{y}: {point} is {px, py}, boxes {found}"
    assert compared > 300, compared


def _of_the_area(rng: random.Random, area: Any, matrix: Matrix, degrees: pyproj.Transformer, count: int) -> list[tuple[int, int]]:
    """Tiles of places for which the layer's projection was made."""
    east = area.east if area.west <= area.east else area.east + 360
    found = []
    for _ in range(count):
        place = rng.uniform(area.west, east), rng.uniform(area.south, area.north)
        x, y = degrees.transform(*place, direction=pyproj.enums.TransformDirection.INVERSE)
        if not (math.isfinite(x) and math.isfinite(y)):
            continue
        column, row = int((x - matrix.origin_x) / matrix.span_x), int((matrix.origin_y - y) / matrix.span_y)
        if 0 <= column < matrix.width and 0 <= row < matrix.height:
            found.append((column, row))
    return found


def _inside(rng: random.Random, box: Bounds, count: int) -> list[tuple[float, float]]:
    return [(rng.uniform(box.xmin, box.xmax), rng.uniform(box.ymin, box.ymax)) for _ in range(count)]


def _along_the_edges(rng: random.Random, box: Bounds, count: int) -> list[tuple[float, float]]:
    """Where an edge that bends is farthest out."""
    inside = _inside(rng, box, 2 * count)
    sides = [(rng.choice((box.xmin, box.xmax)), y) for _, y in inside[:count]]
    return sides + [(x, rng.choice((box.ymin, box.ymax))) for x, _ in inside[count:]]


def _is_near(area: Any, lon: float, lat: float) -> bool:
    east = area.east if area.west <= area.east else area.east + 360
    middle = (area.west + east) / 2
    apart = abs((lon - middle + 180) % 360 - 180)
    return bool(apart <= (east - area.west) / 2 + 10 and area.south - 10 <= lat <= area.north + 10)


def _table(dsn: str, kind: str, crowd: str, few: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE places (id int PRIMARY KEY, spot {kind})".encode())
        connection.execute(f"INSERT INTO places SELECT i, ({crowd})::{kind} FROM generate_series(1, 12000) i".encode())
        connection.execute(f"INSERT INTO places SELECT 12000 + i, ({few})::{kind} FROM generate_series(1, 100) i".encode())
        connection.execute("CREATE INDEX ON places USING gist (spot)")
        connection.execute("ANALYZE places")


@pytest.mark.parametrize(
    ("kind", "point", "tile"),
    [
        ("geography(Point, 4326)", "ST_SetSRID(ST_MakePoint({}, {}), 4326)", "2/0/1"),
        ("geography(Point, 4326)", "ST_SetSRID(ST_MakePoint({}, {}), 4326)", "1/0/0"),
        ("geometry(Point, 3035)", "ST_Transform(ST_SetSRID(ST_MakePoint({}, {}), 4326), 3035)", "2/1/1"),
        ("geometry(Point, 3035)", "ST_Transform(ST_SetSRID(ST_MakePoint({}, {}), 4326), 3035)", "3/3/3"),
    ],
)
def test_limit_takes_the_rows_of_the_tile_where_no_box_is_certain(
    database: str, make_app: MakeApp, kind: str, point: str, tile: str
) -> None:
    geography = kind.startswith("geography")
    crowd = point.format("60 + (i % 100) / 100.0" if geography else "10 + (i % 100) / 100.0", "48 + i / 12000.0")
    few = point.format("-100 + i / 100.0" if geography else "-8 + i / 100.0", "40")
    _table(database, kind, crowd, few)
    response = get(make_app(database), f"/tiles/places/{tile}")
    assert response.headers["Flagstone-Tile"] == "full"
    ids = {feature["id"] for layer in decoded(response).values() for feature in layer["features"]}
    assert ids == set(range(12001, 12101))


def test_all_rows_beyond_the_limit_are_said(database: str, make_app: MakeApp) -> None:
    point = "ST_Transform(ST_SetSRID(ST_MakePoint({}, {}), 4326), 3035)"
    _table(database, "geometry(Point, 3035)", point.format("10 + (i % 100) / 100.0", "48 + i / 12000.0"), point.format("-8 + i / 100.0", "40"))
    app = make_app(database)
    assert get(app, "/tiles/places/2/2/1").headers["Flagstone-Tile"] == "sampled"
    assert get(app, "/tiles/places/2/3/3").headers["Flagstone-Tile"] == "full"
    assert len(features(app, "/tiles/places/2/1/1?limit=7")) == 7


@pytest.mark.parametrize(("grid", "tile", "srid"), [("WorldCRS84Quad", "4/0/7", 3857), ("WGS1984Quad", "4/0/7", 3857), ("CDB1GlobalGrid", "0/0/89", 3857)])
def test_buffer_at_the_edge_of_a_geographic_grid_loses_nothing(
    database: str, make_app: MakeApp, grid: str, tile: str, srid: int
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE rim (id int PRIMARY KEY, geom geometry(Point, {srid}))".encode())
        connection.execute(
            f"INSERT INTO rim SELECT i, ST_Transform(ST_SetSRID(ST_MakePoint(-180 + i * 0.01, 0.5), 4326), {srid}) FROM generate_series(0, 90) i".encode()
        )
    app = make_app(database)
    without = {feature["id"] for feature in features(app, f"/tiles/{grid}/rim/{tile}?buffer=0")}
    assert len(without) > 50
    assert without <= {feature["id"] for feature in features(app, f"/tiles/{grid}/rim/{tile}")}


@pytest.mark.parametrize("points", ["", ", 0.005"])
def test_invalid_polygon_across_the_edge_of_the_world_does_not_fill_it(database: str, make_app: MakeApp, points: str) -> None:
    polygon = "'SRID=4326;POLYGON((170 0,190 0,190 10,175 10,175 15,175 10,170 10,170 0))'::geometry"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE across (id int PRIMARY KEY, geom geometry(Polygon, 4326))")
        made = f"ST_Segmentize({polygon}{points})" if points else polygon
        connection.execute(f"INSERT INTO across SELECT 1, {made}".encode())
        row = connection.execute("SELECT pg_column_size(geom) > 12000 FROM across").fetchone()
    assert row == (bool(points),)
    app = make_app(database)
    (found,) = features(app, "/tiles/across/0/0/0")
    # the half beyond 180 is at the other edge
    assert drawn(found).area == pytest.approx(2 * (10 / 360 * 4096) ** 2, rel=0.1)
    assert get(app, "/tiles/across/2/1/1").status_code == 204


@pytest.mark.parametrize("tile", ["0/0/0", "1/1/0", "3/4/2", "14/8620/5746"])
def test_polygons_of_a_local_crs_are_served_at_every_zoom(sample_database: str, make_app: MakeApp, tile: str) -> None:
    """Wide tiles have no certain box to cut them to."""
    app = make_app(sample_database)
    assert get(app, f"/tiles/sample.liechtenstein_buildings/{tile}").status_code in (200, 204)
