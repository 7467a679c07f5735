"""Heavy geometry is clipped and simplified before the transform; what is drawn must stay what it was."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import psycopg
import pytest
from mapbox_vector_tile import decode

from app.layers.grids import Grids
from app.layers.tile import Tile
from app.repository.geometry_sql import HEAVY_BYTES
from tests.conftest import MakeApp
from tests.tile_decoding import drawn, features

ZOOMS = range(4, 15)
# ST_AsMVTGeom without a clip before it: what Flagstone's tiles are compared with.
PLAIN = """
SELECT ST_AsMVT(tile, 'plain', 4096, 'geom', 'id') FROM (
    SELECT id, ST_AsMVTGeom(ST_Transform(geom, 3857), ST_MakeEnvelope(%s, %s, %s, %s, 3857), 4096, 256, true) AS geom
    FROM invalid WHERE geom && ST_Transform(ST_Expand(ST_MakeEnvelope(%s, %s, %s, %s, 3857), %s), 4326)
) AS tile WHERE geom IS NOT NULL
"""


def _circle(x: float, y: float, radius: float, points: int) -> list[tuple[float, float]]:
    steps = [2 * math.pi * step / points for step in range(points)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in steps]


def _spiked(rng: random.Random) -> list[tuple[float, float]]:
    """A circle from one of whose points a line runs out and back."""
    ring = _circle(9 + rng.random(), 47 + rng.random(), 0.5, 1500)
    at = rng.randrange(1500)
    spike = (ring[at][0] + rng.uniform(-2, 2), ring[at][1] + rng.uniform(-2, 2))
    return [*ring[: at + 1], spike, *ring[at:]]


def _looped(rng: random.Random) -> list[tuple[float, float]]:
    """A circle whose edge makes a loop inside or outside of it."""
    ring = _circle(9 + rng.random(), 47 + rng.random(), 0.5, 1500)
    at = rng.randrange(1500)
    x, y = ring[at]
    loop = _circle(x + rng.uniform(-0.2, 0.2), y + rng.uniform(-0.2, 0.2), rng.uniform(0.05, 0.3), 300)
    return [*ring[: at + 1], *loop, loop[0], *ring[at:]]


def _bow_tie(rng: random.Random) -> list[tuple[float, float]]:
    """A figure of eight."""
    x, y, size = 9 + rng.random(), 47 + rng.random(), rng.uniform(0.2, 0.6)
    angles = [2 * math.pi * step / 1500 for step in range(1500)]
    return [(x + size * math.sin(2 * angle), y + size * math.sin(angle)) for angle in angles]


@pytest.fixture
def invalid(database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    rng = random.Random(20)
    rings = [shape(rng) for shape in (_spiked, _looped, _bow_tie) for _ in range(4)]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE invalid (id int PRIMARY KEY, geom geometry(Polygon, 4326))")
        for number, ring in enumerate(rings, start=1):
            text = ",".join(f"{x!r} {y!r}" for x, y in [*ring, ring[0]])
            connection.execute("INSERT INTO invalid VALUES (%s, ST_GeomFromText(%s, 4326))", (number, f"POLYGON(({text}))"))
        connection.execute("CREATE INDEX ON invalid USING gist (geom)")
        rows = connection.execute("SELECT count(*), bool_or(ST_IsValid(geom)), min(pg_column_size(geom)) FROM invalid").fetchone()
        assert rows is not None and rows[0] == 12
        assert not rows[1], "every polygon of this test is invalid"
        assert rows[2] > HEAVY_BYTES, "and heavy enough to be clipped"
        yield connection


def test_invalid_polygons_keep_their_area_in_every_tile(
    invalid: psycopg.Connection[tuple[object, ...]], database: str, make_app: MakeApp
) -> None:
    app = make_app(database, CACHE_TYPE="NullCache")
    grid = Grids().get("WebMercatorQuad")
    vertices = invalid.execute("SELECT ST_X(p.geom), ST_Y(p.geom) FROM invalid, ST_DumpPoints(invalid.geom) p ORDER BY 1, 2").fetchall()
    rng = random.Random(4)
    compared = 0
    for zoom in ZOOMS:
        at_edges = sorted({Tile(zoom, *_tile_of(float(x), float(y), zoom)) for x, y in vertices})  # type: ignore[arg-type]
        # Tiles without an edge are all inside or all outside; deep zooms have more tiles with one than time allows.
        for tile in at_edges if len(at_edges) <= 100 else rng.sample(at_edges, 100):
            ours = {feature["id"]: drawn(feature).area for feature in features(app, f"/tiles/invalid/{tile}")}
            plain = _plain(invalid, grid.bounds(tile).as_list())
            for number in ours.keys() | plain.keys():
                expected, got = plain.get(number, 0.0), ours.get(number, 0.0)
                # Half a pixel, 4 of 4096 units, along one edge of the tile: what simplification may move.
                assert got == pytest.approx(expected, rel=0.01, abs=4 * 4096), f"{tile}, polygon {number}"
                compared += 1
    assert compared > 900, compared


def _plain(connection: psycopg.Connection[tuple[object, ...]], box: list[float]) -> dict[int, float]:
    row = connection.execute(PLAIN, (*box, *box, (box[2] - box[0]) / 16)).fetchone()
    raw = bytes(row[0]) if row and row[0] else b""  # type: ignore[call-overload]
    layers = decode(raw, default_options={"y_coord_down": True}) if raw else {}
    return {feature["id"]: drawn(feature).area for layer in layers.values() for feature in layer["features"]}


def _tile_of(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    """Column and row of the Web Mercator tile at a place (OGC 17-083r4 Annex E)."""
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int((lon + 180) / 360 * 2**zoom), int(y * 2**zoom)


def test_the_design_s_polygon_covers_what_it_should(database: str, make_app: MakeApp) -> None:
    """`ST_ClipByBox2D` alone covers 86 % of the box instead of 14 %."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE spiked (id int PRIMARY KEY, geom geometry(Polygon, 3857))")
        connection.execute(
            """INSERT INTO spiked SELECT 1, ST_SetSRID(ST_MakePolygon(ST_AddPoint(line, ST_StartPoint(line))), 3857) FROM (
                SELECT ST_MakeLine(ARRAY[ST_Segmentize('LINESTRING(0 0,1000000 0,1000000 1000000,500000 1000000)'::geometry, 500),
                    'POINT(500000 1500000)'::geometry, ST_Segmentize('LINESTRING(500000 1000000,0 1000000,0 500)'::geometry, 500)]) AS line
            ) AS ring"""
        )
        row = connection.execute("SELECT pg_column_size(geom), ST_IsValid(geom) FROM spiked").fetchone()
    assert row is not None and row[0] > HEAVY_BYTES and not row[1]
    app = make_app(database)
    span = 2 * 20037508.342789244 / 2**5
    (found,) = features(app, "/tiles/spiked/5/16/15")
    assert drawn(found).area == pytest.approx((1e6 / span * 4096) ** 2, rel=0.01)


def test_a_polygon_of_a_million_vertices_is_served(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE giant (id int PRIMARY KEY, geom geometry(Polygon, 4326))")
        connection.execute("INSERT INTO giant SELECT 1, ST_Buffer('SRID=4326;POINT(9 47)'::geometry, 1, 250000)")
        row = connection.execute("SELECT ST_NPoints(geom) FROM giant").fetchone()
    assert row == (1_000_001,)
    app = make_app(database, FLAGSTONE_STATEMENT_TIMEOUT_MS="30000")
    for tile in ("0/0/0", "6/33/22", "8/134/89", "14/8601/5746", "22/2202009/1470976"):
        (found,) = features(app, f"/tiles/giant/{tile}")
        assert drawn(found).is_valid
    assert drawn(features(app, "/tiles/giant/8/134/89")[0]).area == pytest.approx(4608.0**2, rel=0.6)


def test_a_heavy_line_is_not_broken(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE spiral (id int PRIMARY KEY, geom geometry(LineString, 4326))")
        connection.execute(
            """INSERT INTO spiral SELECT 1, ST_SetSRID(ST_MakeLine(array_agg(ST_MakePoint(
                9 + t / 20000.0 * cos(t / 100.0), 47 + t / 20000.0 * sin(t / 100.0)) ORDER BY t)), 4326) FROM generate_series(0, 20000) t"""
        )
    app = make_app(database)
    (whole,) = features(app, "/tiles/spiral/6/33/22")
    assert whole["geometry"]["type"] == "LineString"
    (part,) = features(app, "/tiles/spiral/10/537/359")
    assert drawn(part).length > 4096


def test_simplification_stays_within_half_a_pixel(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE rough (id int PRIMARY KEY, geom geometry(LineString, 4326))")
        connection.execute(
            """INSERT INTO rough SELECT 1, ST_SetSRID(ST_MakeLine(array_agg(ST_MakePoint(
                5 + t / 1000.0, 60 + 0.05 * sin(t * 0.7) + 0.4 * sin(t / 300.0)) ORDER BY t)), 4326) FROM generate_series(0, 5000) t"""
        )
        raw = connection.execute(
            "SELECT ST_AsMVT(t, 'x', 4096, 'g') FROM (SELECT ST_AsMVTGeom(ST_Transform(geom, 3857), ST_TileEnvelope(5, 16, 9), 4096, 256) g FROM rough) t"
        ).fetchone()
    assert raw is not None
    exact = drawn(decode(bytes(raw[0]), default_options={"y_coord_down": True})["x"]["features"][0])
    (found,) = features(make_app(database), "/tiles/rough/5/16/9")
    assert drawn(found).hausdorff_distance(exact) <= 4 + 2  # half of 8 units, and the rounding of both
    assert len(drawn(found).wkt) < len(exact.wkt)


@pytest.mark.parametrize("grid", ["WebMercatorQuad", "UPSArcticWGS84Quad", "EuropeanETRS89_LAEAQuad"])
def test_a_heavy_polygon_that_leaves_the_earth_is_cut_there(database: str, make_app: MakeApp, grid: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE tall (id int PRIMARY KEY, geom geometry(Polygon, 4326))")
        connection.execute("INSERT INTO tall SELECT 1, ST_Segmentize('SRID=4326;POLYGON((0 40, 20 40, 20 95, 0 95, 0 40))'::geometry, 0.02)")
        row = connection.execute("SELECT pg_column_size(geom) FROM tall").fetchone()
    assert row is not None and row[0] > HEAVY_BYTES
    (found,) = features(make_app(database), f"/tiles/{grid}/tall/0/0/0")
    assert drawn(found).area > 1000
