"""Shapes on the sphere across ±180 and around the poles: an edge is the short way, also in the plane of a tile."""

from __future__ import annotations

import math

import psycopg
import pytest
from shapely.geometry import box
from shapely.ops import unary_union

from tests.conftest import MakeApp
from tests.tile_decoding import drawn, features, get
from tests.whole_world import ACROSS, assert_same, mercator_box, whole

ROWS = {
    1: "POLYGON((170 0,-170 0,-170 10,170 10,170 0))",
    2: "MULTIPOLYGON(((170 -30,-170 -30,-170 -20,170 -20,170 -30)),((0 0,10 0,10 10,0 10,0 0)))",
    3: "POLYGON((170 20,-170 20,-170 40,170 40,170 20),(-179 25,-175 25,-175 35,-179 35,-179 25),(175 25,179 25,179 35,175 35,175 25))",
    4: "LINESTRING(170 50,-170 50)",
    5: "POLYGON((0 -80,90 -80,180 -80,-90 -80,0 -80))",
    6: "POLYGON((-20 60,20 60,20 65,-20 65,-20 60))",
    7: "GEOMETRYCOLLECTION(POINT(-100 -50),POLYGON((170 -50,-170 -50,-170 -40,170 -40,170 -50)))",
    8: "MULTIPOINT(-179 55,179 55)",
}


@pytest.fixture
def dsn(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE globe (id int PRIMARY KEY, geog geography(Geometry, 4326))")
        for number, text in ROWS.items():
            connection.execute("INSERT INTO globe VALUES (%s, %s)", (number, text))
        connection.execute("CREATE INDEX ON globe USING gist (geog)")
    return database


@pytest.mark.parametrize("zoom", range(5))
def test_shapes_across_the_line_are_on_both_sides_of_it(make_app: MakeApp, dsn: str, zoom: int) -> None:
    found = whole(make_app(dsn), zoom, "globe")
    assert_same(found[1], ACROSS, zoom)
    assert_same(found[2], unary_union([mercator_box(170, -30, 180, -20), mercator_box(-180, -30, -170, -20), mercator_box(0, 0, 10, 10)]), zoom)
    block = unary_union([mercator_box(170, 20, 180, 40), mercator_box(-180, 20, -170, 40)])
    assert_same(found[3], block.difference(unary_union([mercator_box(-179, 25, -175, 35), mercator_box(175, 25, 179, 35)])), zoom)
    assert found[4].length < 0.06 and found[4].bounds[0] < 0.001 and found[4].bounds[2] > 0.999
    assert_same(found[6], mercator_box(-20, 60, 20, 65), zoom)
    assert_same(found[7], unary_union([mercator_box(170, -50, 180, -40), mercator_box(-180, -50, -170, -40)]), zoom)


def test_a_polygon_around_the_pole_fills_the_south(make_app: MakeApp, dsn: str) -> None:
    (found,) = [each for each in features(make_app(dsn), "/tiles/globe/0/0/0?buffer=0") if each["id"] == 5]
    top = (1 + math.asinh(math.tan(math.radians(80))) / math.pi) / 2 * 4096
    assert drawn(found).symmetric_difference(box(0, top, 4096, 4096)).area < 4096 * 3


def test_a_heavy_shape_across_the_line_is_clipped_like_others(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE globe (id int PRIMARY KEY, geog geography(Polygon, 4326))")
        connection.execute(
            "INSERT INTO globe SELECT 1, ST_WrapX(ST_Segmentize('SRID=4326;POLYGON((170 0,179.999 0,179.999 10,170 10,170 0))'::geometry, 0.005), 0, 0)::geography"
        )
        ring = [f"{x % 360 - 360 if x > 180 else x:.3f} 0" for x in [170 + k * 0.01 for k in range(2001)]]
        back = [f"{x % 360 - 360 if x > 180 else x:.3f} 10" for x in [190 - k * 0.01 for k in range(2001)]]
        connection.execute("INSERT INTO globe VALUES (2, %s)", (f"POLYGON(({','.join([*ring, *back, ring[0]])}))",))
        assert connection.execute("SELECT pg_column_size(geog) > 12000 FROM globe WHERE id = 2").fetchone() == (True,)
    app = make_app(database)
    for zoom in (0, 2, 4):
        assert_same(whole(app, zoom, "globe")[2], ACROSS, zoom)


@pytest.mark.parametrize("path", ["/tiles/WorldCRS84Quad/globe/0/1/0", "/tiles/UPSAntarcticWGS84Quad/globe/0/0/0", "/tiles/NZTM2000Quad/globe/0/0/0"])
def test_other_grids_draw_them_too(make_app: MakeApp, dsn: str, path: str) -> None:
    assert get(make_app(dsn), path).status_code == 200
