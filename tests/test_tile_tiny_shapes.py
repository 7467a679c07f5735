"""What is narrower than an eighth of a pixel is drawn by the middle of its box alone: as if all of it had been."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from shapely.geometry import shape

from tests.conftest import MakeApp
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import drawn, features

PIXEL = 8
METRES = 40_075_016.685578 / 4096
"""Metres of a unit at z0."""


@pytest.fixture(scope="module")
def tables(server: DatabaseServer, template: str) -> Iterator[str]:
    """Houses and ways of some metres all over Switzerland, in its own CRS and in degrees, and beside them large ones."""
    dsn = server.create(template)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SELECT setseed(0.3)")
            connection.execute(
                """CREATE TABLE houses AS SELECT i AS id,
                ST_SetSRID(ST_Expand(ST_MakePoint(2485000 + random() * 350000, 1075000 + random() * 220000)::geometry, 2 + i % 5), 2056)::geometry(Polygon, 2056) AS geom
                FROM generate_series(1, 500) AS i;
                ALTER TABLE houses ADD PRIMARY KEY (id);
                CREATE TABLE ways AS SELECT id, ST_MakeLine(ST_PointN(ST_ExteriorRing(geom), 1), ST_PointN(ST_ExteriorRing(geom), 3))::geometry(LineString, 2056) AS geom FROM houses;
                ALTER TABLE ways ADD PRIMARY KEY (id);
                CREATE TABLE houses_d AS SELECT id, ST_Transform(geom, 4326)::geometry(Polygon, 4326) AS geom FROM houses;
                ALTER TABLE houses_d ADD PRIMARY KEY (id);
                CREATE TABLE ways_d AS SELECT id, ST_Transform(geom, 4326)::geometry(LineString, 4326) AS geom FROM ways;
                ALTER TABLE ways_d ADD PRIMARY KEY (id);
                CREATE TABLE houses_m AS SELECT id, ST_Transform(geom, 3857)::geometry(Polygon, 3857) AS geom FROM houses;
                ALTER TABLE houses_m ADD PRIMARY KEY (id);
                CREATE TABLE ways_m AS SELECT id, ST_Transform(geom, 3857)::geometry(LineString, 3857) AS geom FROM ways;
                ALTER TABLE ways_m ADD PRIMARY KEY (id);"""
            )
            connection.execute(
                """CREATE TABLE odd (id int PRIMARY KEY, geom geometry(Polygon, 4326));
                INSERT INTO odd VALUES
                (1, ST_MakeEnvelope(10, 89.9999, 10.0001, 90.0001, 4326)), (2, ST_MakeEnvelope(180, 10, 180.0001, 10.0001, 4326)),
                (3, 'SRID=4326;POLYGON EMPTY'), (4, NULL), (5, 'SRID=4326;POLYGON((9 47, 9 47, 9 47, 9 47))'),
                (6, ST_SetSRID('POLYGON((NaN NaN, NaN NaN, NaN NaN, NaN NaN))'::geometry, 4326)),
                (7, ST_MakeEnvelope(-180.0001, 20, -180, 20.0001, 4326)), (8, ST_MakeEnvelope(10, -90, 10.0001, -89.9999, 4326));"""
            )
            # Far more vertices than a heavy geometry has, within a metre.
            connection.execute(
                """CREATE TABLE dense (id int PRIMARY KEY, geom geometry(Polygon, 2056)); ALTER TABLE dense ALTER geom SET STORAGE EXTERNAL;
                INSERT INTO dense VALUES (1, ST_Buffer('SRID=2056;POINT(2600000 1200000)'::geometry, 1, 1000))"""
            )
            connection.execute("ANALYZE")
        yield dsn
    finally:
        server.drop(dsn)


@pytest.fixture
def app(tables: str, make_app: MakeApp) -> Flask:
    return make_app(tables, CACHE_TYPE="NullCache")


def by_id(app: Flask, path: str) -> dict[int, Any]:
    return {feature["id"]: feature for feature in features(app, path)}


@pytest.mark.parametrize("kind", ["houses", "ways"])
@pytest.mark.parametrize("tile", ["0/0/0", "4/8/5", "6/33/22", "8/134/90", "10/533/360", "11/1066/720"])
def test_in_any_crs_they_look_as_they_do_without_a_transform(app: Flask, kind: str, tile: str) -> None:
    """Layers in the grid's own CRS are drawn vertex by vertex."""
    expected = by_id(app, f"/tiles/{kind}_m/{tile}")
    for layer in (kind, f"{kind}_d"):
        found = by_id(app, f"/tiles/{layer}/{tile}")
        assert found.keys() == expected.keys()
        for number, feature in found.items():
            one, other = drawn(feature), drawn(expected[number])
            assert one.geom_type == other.geom_type
            assert one.centroid.distance(other.centroid) <= 2, number
            assert one.is_valid
            bounds = one.bounds
            assert max(bounds[2] - bounds[0], bounds[3] - bounds[1]) <= PIXEL
    if tile == "0/0/0":
        assert len(expected) == 500


@pytest.mark.parametrize("layer", ["houses", "houses_d"])
def test_a_square_of_a_pixel_has_the_winding_of_an_area_and_not_of_a_hole(app: Flask, layer: str) -> None:
    for feature in features(app, f"/tiles/{layer}/4/8/5"):
        polygon = shape(feature["geometry"])
        assert polygon.area == PIXEL**2
        # MVT 2.1 §4.3.3.3: positive by the surveyor's formula, y downward.
        ring = list(polygon.exterior.coords)
        doubled = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in itertools.pairwise(ring))
        assert doubled > 0


@pytest.mark.parametrize("layer", ["houses", "ways", "houses_d", "ways_d"])
def test_neighbouring_tiles_draw_them_at_the_same_place(app: Flask, layer: str) -> None:
    seen: dict[int, set[tuple[float, float]]] = {}
    shared = 0
    for x in range(131, 138):
        for y in range(88, 93):
            for number, feature in by_id(app, f"/tiles/{layer}/8/{x}/{y}").items():
                middle = drawn(feature).centroid
                seen.setdefault(number, set()).add((middle.x + x * 4096, middle.y + y * 4096))
                shared += 1
    assert len(seen) == 500
    assert shared > 500
    assert all(len(places) == 1 for places in seen.values())


@pytest.mark.parametrize("resolution", [1, 16, 512, 1023, 1024, 2048, 8192])
def test_they_are_there_at_every_resolution(app: Flask, resolution: int) -> None:
    assert len(features(app, f"/tiles/houses/0/0/0?resolution={resolution}")) == 500
    assert len(features(app, f"/tiles/ways_d/0/0/0?resolution={resolution}")) == 500


def test_beyond_the_edges_of_the_world_empty_and_not_a_number_break_no_tile(app: Flask) -> None:
    numbers = {number for x in (0, 1) for y in (0, 1) for number in by_id(app, f"/tiles/odd/1/{x}/{y}")}
    assert numbers >= {2, 5, 7}
    assert numbers <= {1, 2, 5, 7, 8}
    everything = by_id(app, "/tiles/WorldCRS84Quad/odd/0/1/0")
    assert everything.keys() >= {5}


def test_one_with_many_vertices_is_drawn_too(app: Flask) -> None:
    [feature] = features(app, "/tiles/dense/5/16/11")
    assert drawn(feature).area == PIXEL**2


def test_no_features_are_missing_between_the_zooms_that_look_for_them_and_those_that_do_not(
    app: Flask,
) -> None:
    for zoom in (9, 10, 11, 12):
        west, south = 529, 357
        factor = 2 ** (zoom - 10)
        tiles = [
            (x, y)
            for x in range(int(west * factor) - 2, int((west + 14) * factor) + 2)
            for y in range(int(south * factor) - 2, int((south + 10) * factor) + 2)
        ]
        if zoom > 10:
            tiles = tiles[:: len(tiles) // 60]
        for x, y in tiles[:60]:
            assert (
                by_id(app, f"/tiles/houses/{zoom}/{x}/{y}?buffer=0").keys()
                == by_id(app, f"/tiles/houses_m/{zoom}/{x}/{y}?buffer=0").keys()
            )
