"""What is smaller than a unit of the tile is drawn as small as can be seen, at its place, and nowhere else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import drawn, features

PIXEL = 8
METRES = 40_075_016.685578 / 4096
"""Metres of a unit at z0."""


@pytest.fixture
def app(database: str, make_app: MakeApp) -> Flask:
    """Shapes around the middle of the world, in metres; their names say how wide they are in units of z0."""
    shapes = {
        "tiny square": "ST_Expand(ST_MakePoint(0, 0)::geometry, 1)",
        "tiny island group": "ST_Union(ARRAY(SELECT ST_Expand(ST_MakePoint(3e6 + i * 3e5, 3e6 + i * 2e5)::geometry, 500) FROM generate_series(0, 9) AS i))",
        "needle": "ST_MakePolygon(ST_MakeLine(ARRAY[ST_MakePoint(-5e6, 5e6), ST_MakePoint(-1e6, 8e6), ST_MakePoint(-1e6 + 10, 8e6), ST_MakePoint(-5e6, 5e6)]))",
        "flat": "'POLYGON((5e6 0, 6e6 0, 5e6 0, 5e6 0))'::geometry",
        "dot": "'POLYGON((0 5e6, 0 5e6, 0 5e6, 0 5e6))'::geometry",
        "large": "ST_Expand(ST_MakePoint(-5e6, -5e6)::geometry, 1e6)",
    }
    lines = {
        "short": "ST_MakeLine(ST_MakePoint(0, 0), ST_MakePoint(10, 10))",
        "point-like": "ST_MakeLine(ST_MakePoint(5e6, 5e6), ST_MakePoint(5e6, 5e6))",
        "long": "ST_MakeLine(ST_MakePoint(-5e6, 0), ST_MakePoint(-4e6, 1e5))",
    }
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE areas (id int PRIMARY KEY, name text, geom geometry(Geometry, 3857))"
        )
        connection.execute(
            "CREATE TABLE polygons (id int PRIMARY KEY, name text, geom geometry(MultiPolygon, 3857))"
        )
        connection.execute(
            "CREATE TABLE ways (id int PRIMARY KEY, name text, geom geometry(LineString, 3857))"
        )
        for number, (name, made) in enumerate(shapes.items()):
            connection.execute(
                f"INSERT INTO areas VALUES ({number}, '{name}', ST_SetSRID({made}, 3857))".encode()
            )
            connection.execute(
                f"INSERT INTO polygons VALUES ({number}, '{name}', ST_SetSRID(ST_Multi({made}), 3857))".encode()
            )
        for number, (name, made) in enumerate(lines.items()):
            connection.execute(
                f"INSERT INTO ways VALUES ({number}, '{name}', ST_SetSRID({made}, 3857))".encode()
            )
        connection.execute("INSERT INTO areas SELECT 100 + id, name, geom FROM ways")
    return make_app(database, CACHE_TYPE="NullCache")


def named(app: Flask, path: str) -> dict[str, Any]:
    return {feature["properties"]["name"]: drawn(feature) for feature in features(app, path)}


@pytest.mark.parametrize("layer", ["areas", "polygons"])
def test_no_area_vanishes(app: Flask, layer: str) -> None:
    found = named(app, f"/tiles/{layer}/0/0/0")
    assert found.keys() >= {"tiny square", "tiny island group", "needle", "flat", "dot", "large"}
    assert found["tiny square"].area == found["dot"].area == PIXEL**2
    assert (
        found["tiny square"].centroid.distance(
            drawn({"geometry": {"type": "Point", "coordinates": [2048, 2048]}})
        )
        < 1
    )
    # Ten islands along a way, and not one block over all of them.
    assert 10 * 4 <= found["tiny island group"].area <= 10 * PIXEL**2
    length = (4e6**2 + 3e6**2) ** 0.5 / METRES
    assert length * 4 < found["needle"].area < length * PIXEL * 1.5
    assert found["flat"].area == pytest.approx(1e6 / METRES * PIXEL, rel=0.2)


@pytest.mark.parametrize("layer", ["areas", "ways"])
def test_no_line_vanishes(app: Flask, layer: str) -> None:
    found = named(app, f"/tiles/{layer}/0/0/0")
    assert found.keys() >= {"short", "point-like", "long"}
    assert found["short"].length == pytest.approx(PIXEL, rel=0.1)
    assert found["point-like"].length == pytest.approx(PIXEL, rel=0.1)
    assert found["long"].length > 90


@pytest.mark.parametrize("resolution", [1, 2, 16, 256, 512, 513, 4096, 8192])
def test_a_pixel_is_drawn_at_every_resolution(app: Flask, resolution: int) -> None:
    found = named(app, f"/tiles/polygons/0/0/0?resolution={resolution}&buffer=0")
    assert found["tiny square"].area > 0
    assert max(found["tiny square"].bounds[2:]) <= resolution / 2 + max(1, resolution / 512)


def test_what_lies_outside_of_the_tile_stays_out(app: Flask) -> None:
    # From (0, 0) to the east and south; the buffer ends 256 units before that.
    assert "needle" not in named(app, "/tiles/polygons/2/3/3")
    for layer, own in (
        ("polygons", {"tiny square", "dot", "tiny island group", "needle", "flat", "large"}),
        ("ways", {"short", "point-like", "long"}),
    ):
        tiles = [named(app, f"/tiles/{layer}/1/{x}/{y}?buffer=0").keys() for x in (0, 1) for y in (0, 1)]
        assert set.union(*map(set, tiles)) == own
        assert all(len(each) < len(own) for each in tiles)
    assert named(app, "/tiles/ways/2/0/0") == {}


def test_as_large_as_a_pixel_is_drawn_as_it_is(app: Flask, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "UPDATE polygons SET geom = ST_Multi(ST_SetSRID(ST_MakeEnvelope(-1e5, -5e4, 1e5, 5e4), 3857)) WHERE name = 'tiny square'"
        )
    square = named(app, "/tiles/polygons/0/0/0")["tiny square"]
    assert square.bounds == (2038, 2043, 2058, 2053)
