"""Rows beyond ±180, or beyond the edge of Web Mercator, lie where the same longitude lies within: on the other side."""

from __future__ import annotations

import math
from typing import Any

import psycopg
import pytest
from shapely.geometry import box
from shapely.ops import unary_union

from app.repository import far_rows
from tests.conftest import MakeApp
from tests.tile_decoding import drawn, features
from tests.whole_world import ACROSS, EDGE, RING, assert_same, mercator_box, scaled, whole


def _fill(dsn: str, kind: str, rows: list[str], *, index: bool = True) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE far (id int PRIMARY KEY, geom {kind})".encode())
        for number, row in enumerate(rows, 1):
            connection.execute(f"INSERT INTO far VALUES ({number}, {row})".encode())
        if index:
            connection.execute("CREATE INDEX ON far USING gist (geom)")
        connection.execute("ANALYZE far")


@pytest.mark.parametrize("zoom", range(7))
@pytest.mark.parametrize("index", [True, False])
def test_a_polygon_from_170_to_190_is_on_both_sides_at_every_zoom(make_app: MakeApp, database: str, zoom: int, index: bool) -> None:
    _fill(database, "geometry(Polygon, 4326)", [f"'SRID=4326;{RING.format(170, 190)}'"], index=index)
    app = make_app(database)
    columns = range(2**zoom)
    near = [x for x in columns if x / 2**zoom * 360 - 180 >= 160 or (x + 1) / 2**zoom * 360 - 180 <= -160 or zoom < 3]
    rows = range(2**zoom // 2 - 2**zoom // 16 - 1 if zoom > 3 else 0, 2**zoom // 2 + 1 if zoom > 3 else 2**zoom)
    parts = []
    for x in columns if zoom < 5 else near:
        for y in rows:
            if y < 0:
                continue
            for feature in features(app, f"/tiles/far/{zoom}/{x}/{y}?buffer=0"):
                parts.append(scaled(drawn(feature), x, y, 2**zoom, 2**zoom))
    assert_same(unary_union(parts), ACROSS, zoom)


@pytest.mark.parametrize(
    ("west", "east", "expected"),
    [(170, 190, ACROSS), (-190, -170, ACROSS), (350, 370, mercator_box(-10, 0, 10, 10)), (-370, -350, mercator_box(-10, 0, 10, 10)), (530, 550, mercator_box(170, 0, 180, 10))],
    ids=["east", "west", "a turn east", "a turn west", "cut at one turn"],
)
def test_it_does_not_matter_on_which_side_a_row_lies(make_app: MakeApp, database: str, west: int, east: int, expected: Any) -> None:
    _fill(database, "geometry(Polygon, 4326)", [f"'SRID=4326;{RING.format(west, east)}'"])
    found = whole(make_app(database), 2)
    assert_same(found[1], expected, 2)


@pytest.mark.parametrize("kind", ["polygon", "heavy polygon", "multipolygon", "mixed"])
def test_data_from_0_to_360_cover_the_same_world(make_app: MakeApp, database: str, kind: str) -> None:
    shape = f"'SRID=4326;{RING.format(170, 190)}'::geometry"
    if kind == "heavy polygon":
        shape = f"ST_Segmentize({shape}, 0.004)"
    if kind == "multipolygon":
        shape = f"ST_Multi({shape})"
    _fill(database, "geometry(Geometry, 4326)", [shape, "'SRID=4326;POINT(350 10)'", "'SRID=4326;LINESTRING(175 -10, 185 -5)'", "'SRID=4326;POINT(10 10)'"])
    app = make_app(database)
    for zoom in (0, 1, 3):
        found = whole(app, zoom)
        assert_same(found[1], ACROSS, zoom)
        assert found[2].distance(mercator_box(-10, 10, -10, 10)) < 1 / 4096
        assert found[4].distance(mercator_box(10, 10, 10, 10)) < 1 / 4096
        line = unary_union([found[3]]).bounds
        assert line[0] < 0.001 and line[2] > 0.999
        assert found[3].length < 0.05


def test_a_world_from_0_to_360_has_no_seam_and_no_hole(make_app: MakeApp, database: str) -> None:
    _fill(database, "geometry(Polygon, 4326)", ["'SRID=4326;POLYGON((0 -60,360 -60,360 60,0 60,0 -60))'", "'SRID=4326;POLYGON((-10 -60,370 -60,370 60,-10 60,-10 -60))'"])
    (one, other) = features(make_app(database), "/tiles/far/0/0/0?buffer=0")
    for feature in (one, other):
        assert feature["geometry"]["type"] == "Polygon"
        assert drawn(feature).bounds[0::2] == (0, 4096)
        assert not drawn(feature).interiors


@pytest.mark.parametrize("kind", ["Point", "MultiPoint"])
def test_points_of_either_turn_are_at_their_place(make_app: MakeApp, database: str, kind: str) -> None:
    make = "ST_Multi(ST_SetSRID(ST_MakePoint({}, 10), 4326))" if kind == "MultiPoint" else "ST_SetSRID(ST_MakePoint({}, 10), 4326)"
    longitudes = [185, -175, 535, -535, 180, -180, 0, 360, 180.5]
    _fill(database, f"geometry({kind}, 4326)", [make.format(lon) for lon in longitudes])
    app = make_app(database)
    places = {key: shape.centroid.x for key, shape in whole(app, 3).items()}
    for number, longitude in enumerate(longitudes, 1):
        across = ((longitude + 180) / 360) % 1
        assert min(abs(places[number] - across), 1 - abs(places[number] - across)) < 2 / 4096 / 8, longitude


@pytest.mark.parametrize(("grid", "columns", "rows"), [("WorldCRS84Quad/", 4, 2), ("WGS1984Quad/", 4, 2), ("CDB1GlobalGrid/", None, None)])
def test_grids_in_degrees_show_it_too(make_app: MakeApp, database: str, grid: str, columns: int | None, rows: int | None) -> None:
    """The layer's own CRS: nothing is transformed, and still it comes round."""
    _fill(database, "geometry(Polygon, 4326)", [f"'SRID=4326;{RING.format(170, 190)}'"])
    app = make_app(database)
    if columns is None:
        (west,), (east,) = (features(app, f"/tiles/{grid}far/0/{x}/84?buffer=0") for x in (0, 359))
        assert drawn(west).area == drawn(east).area == 4096**2
        return
    found = whole(app, 1, grid=grid, columns=columns, rows=rows)[1]
    expected = unary_union([box(350 / 360, 80 / 180, 1, 0.5), box(0, 80 / 180, 10 / 360, 0.5)])
    assert found.symmetric_difference(expected).area < 1e-5


def test_a_mercator_layer_beyond_the_edge_of_the_world_comes_round(make_app: MakeApp, database: str) -> None:
    _fill(
        database, "geometry(Geometry, 3857)",
        [f"ST_MakeEnvelope({EDGE} - 1000000, 0, {EDGE} + 1000000, 1000000, 3857)", f"ST_SetSRID(ST_MakePoint({EDGE} + 2000000, 5), 3857)",
         f"ST_MakeEnvelope(-{EDGE} - 500000, 2000000, -{EDGE}, 2500000, 3857)"],
    )
    app = make_app(database)
    for zoom in range(5):
        found = whole(app, zoom)
        part, high = 1000000 / EDGE / 2, 0.5 - 1000000 / EDGE / 2
        assert_same(found[1], unary_union([box(1 - part, high, 1, 0.5), box(0, high, part, 0.5)]), zoom)
        assert found[2].centroid.x == pytest.approx(2 * part, abs=1 / 4096)
        assert found[3].bounds[2] == pytest.approx(1, abs=1e-6) and found[3].bounds[0] > 0.98


def test_a_mercator_layer_that_ends_at_the_edge_is_not_taken_for_one_beyond(make_app: MakeApp, database: str, caplog: pytest.LogCaptureFixture) -> None:
    _fill(database, "geometry(Polygon, 3857)", [f"ST_MakeEnvelope(-{EDGE}, -{EDGE}, {EDGE}, {EDGE}, 3857)"])
    caplog.set_level("INFO")
    (found,) = features(make_app(database), "/tiles/far/0/0/0?buffer=0")
    assert drawn(found).area == 4096**2
    assert not [record for record in caplog.records if "beyond the edge" in record.getMessage()]


def test_poles_and_beyond_are_cut_and_never_smeared(make_app: MakeApp, database: str) -> None:
    _fill(
        database, "geometry(Geometry, 4326)",
        ["'SRID=4326;POINT(10 90)'", "'SRID=4326;POINT(10 -90)'", "'SRID=4326;POINT(10 91)'", "'SRID=4326;POINT(180 10)'", "'SRID=4326;POINT(-180 10)'",
         "'SRID=4326;POLYGON((-180 -90,180 -90,180 -80,-180 -80,-180 -90))'", "'SRID=4326;POLYGON((20 80,30 80,30 100,20 100,20 80))'",
         "'SRID=4326;LINESTRING(100 80,100 120)'"],
    )
    app = make_app(database)
    for zoom in range(4):
        found = whole(app, zoom)
        assert found.keys() == {4, 5, 6, 7, 8}
        assert found[6].bounds == pytest.approx((0, mercator_box(0, -80, 1, 0).bounds[3], 1, 1), abs=1 / 4096)
        assert found[7].bounds[0::2] == pytest.approx((200 / 360, 210 / 360), abs=1 / 4096)
        assert found[8].bounds[0::2] == pytest.approx((280 / 360, 280 / 360), abs=1 / 4096)


@pytest.mark.parametrize("grid", ["UPSArcticWGS84Quad", "UPSAntarcticWGS84Quad", "LINZAntarticaMapTilegrid"])
def test_a_polygon_around_a_pole_is_one_in_a_polar_grid(make_app: MakeApp, database: str, grid: str) -> None:
    north = "Arctic" in grid
    cap = "POLYGON((-180 {0},-90 {0},0 {0},90 {0},180 {0},180 {1},-180 {1},-180 {0}))".format(*((80, 90) if north else (-80, -90)))
    _fill(database, "geometry(Polygon, 4326)", [f"ST_Segmentize('SRID=4326;{cap}'::geometry, 1)"])
    app = make_app(database)
    there = app.extensions["flagstone"].grids.get(grid)
    matrix = there.matrices[0]
    area = sum(
        drawn(feature).area * (matrix.span_x / 4096) ** 2
        for x in range(matrix.width) for y in range(matrix.height)
        for feature in features(app, f"/tiles/{grid}/far/0/{x}/{y}?buffer=0")
    )  # fmt: skip
    assert area == pytest.approx(math.pi * 1_105_000**2, rel=0.03)


@pytest.mark.parametrize("grid", ["UTM31WGS84Quad", "NZTM2000Quad"])
@pytest.mark.parametrize("srid", [4326, 3857])
def test_rows_beyond_the_reach_of_a_projection_do_not_fail_the_tile(make_app: MakeApp, database: str, grid: str, srid: int) -> None:
    """A quarter turn from its central meridian a transverse Mercator has no place for a point."""
    points = [f"ST_Transform(ST_SetSRID(ST_MakePoint({lon}, {lat}), 4326), {srid})" for lon in range(-180, 180, 15) for lat in (-40, -1, 0, 1, 40)]
    _fill(database, f"geometry(Point, {srid})", points)
    app = make_app(database)
    there = app.extensions["flagstone"].grids.get(grid)
    for zoom in sorted(there.matrices)[:2]:
        matrix = there.matrices[zoom]
        seen = {feature["id"] for x in range(matrix.width) for y in range(matrix.height) for feature in features(app, f"/tiles/{grid}/far/{zoom}/{x}/{y}")}
        assert len(seen) >= 5, zoom


def test_far_rows_that_come_later_are_found_within_a_minute(make_app: MakeApp, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far_rows, "_GOOD_FOR_S", 0.0)
    monkeypatch.setattr(far_rows, "_TIMES_ITS_COST", 0)
    _fill(database, "geometry(Point, 4326)", ["'SRID=4326;POINT(-174 10)'"])
    app = make_app(database, CACHE_TYPE="NullCache")
    assert len(features(app, "/tiles/far/4/0/7")) == 1
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO far VALUES (2, 'SRID=4326;POINT(185 10)')")
    assert [feature["id"] for feature in features(app, "/tiles/far/4/0/7")] == [1, 2]


def test_a_view_and_a_layer_in_another_schema_are_asked_too(make_app: MakeApp, gis_database: str) -> None:
    with psycopg.connect(gis_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE far (id int PRIMARY KEY, geom gis.geometry(Polygon, 4326))")
        connection.execute(f"INSERT INTO far VALUES (1, 'SRID=4326;{RING.format(170, 190)}')".encode())
        connection.execute("CREATE VIEW far_view AS SELECT * FROM far")
    app = make_app(gis_database)
    for layer in ("far", "far_view"):
        assert_same(whole(app, 2, layer)[1], ACROSS, 2)
