"""What a band draws of a shape: never nothing, of the layer's own type, and every row in somebody's count."""

from __future__ import annotations

import psycopg
import pytest
import shapely

from tests.conftest import MakeApp
from tests.overview_builds import band, overview
from tests.tile_decoding import drawn, features

PIXEL = 8
"""Units of a tile in a pixel."""

ODD = {
    "a square": "POLYGON((10 10,20 10,20 20,10 20,10 10))",
    "a tiny square": "POLYGON((10 10,10.0001 10,10.0001 10.0001,10 10.0001,10 10))",
    "a bow tie": "POLYGON((0 0,10 10,10 0,0 10,0 0))",
    "a polygon of zero area": "POLYGON((0 0,20 20,0 0,0 0))",
    "a polygon that is a point": "POLYGON((5 5,5 5,5 5,5 5))",
    "a river as a polygon": "POLYGON((-60 -3,-50 -3.00001,-40 -3,-30 -3.00001,-30 -3.00002,-40 -3.00001,-50 -3.00002,-60 -3.00001,-60 -3))",
    "a ring with a thin hole": "POLYGON((30 30,40 30,40 40,30 40,30 30),(31 31,39 31,39 31.00001,31 31.00001,31 31))",
    "an archipelago": "MULTIPOLYGON(" + ",".join(
        f"(({x} {y},{x}.001 {y},{x}.001 {y}.001,{x} {y}))" for x in range(60, 80, 2) for y in range(0, 20, 2)) + ")",
    "islands that touch": "MULTIPOLYGON(((100 0,101 0,101 1,100 1,100 0)),((101 1,102 1,102 2,101 2,101 1)))",
    "a line": "LINESTRING(0 40,10 45,20 40)",
    "a line of zero length": "LINESTRING(3 3,3 3)",
    "a line in short pieces": "MULTILINESTRING(" + ",".join(f"({x / 100} -20,{(x + 1) / 100} -20)" for x in range(2000)) + ")",
    "dashes": "MULTILINESTRING(" + ",".join(f"({x} -30,{x}.001 -30)" for x in range(20)) + ")",
    "a point": "POINT(7 7)",
    "points far apart": "MULTIPOINT((-170 60),(170 60),(170 60.00001))",
    "a point with Z and M": "POINT ZM (8 8 8 8)",
    "a polygon with Z": "POLYGON Z ((-20 10 5,-10 10 5,-10 20 5,-20 10 5))",
    "a circle": "CURVEPOLYGON(CIRCULARSTRING(-100 40,-95 45,-90 40,-95 35,-100 40))",
    "an arc": "CIRCULARSTRING(-100 10,-95 15,-90 10)",
    "a collection": "GEOMETRYCOLLECTION(POINT(-40 40),LINESTRING(-40 40,-30 40),POLYGON((-40 41,-30 41,-30 50,-40 41)))",
    "a small collection": "GEOMETRYCOLLECTION(POINT(-40 20),LINESTRING(-40 20,-40.0001 20))",
    "a surface": "POLYHEDRALSURFACE(((-80 -10 0,-70 -10 0,-70 -20 0,-80 -10 0)),((-80 -10 0,-70 -20 0,-80 -20 0,-80 -10 0)))",
    "the whole world": "POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))",
    "beyond the world": "POLYGON((170 -10,190 -10,190 10,170 10,170 -10))",
    "at the edge": "POINT(180 0)",
    "at the other edge": "LINESTRING(-180 0,-180 85.06)",
}  # fmt: skip
"""Each at its own zoom is something that a map shows."""
OUTSIDE = {
    "at the pole": "POINT(0 89)",
    "nothing": None,
    "emptiness": "POLYGON EMPTY",
    "an empty point": "POINT EMPTY",
    "emptiness in company": "GEOMETRYCOLLECTION(POINT EMPTY, LINESTRING EMPTY)",
}
DIMENSION = {
    "Point": 0,
    "MultiPoint": 0,
    "LineString": 1,
    "MultiLineString": 1,
    "Polygon": 2,
    "MultiPolygon": 2,
}

SHAPE = 'CASE WHEN "~shape" IS NULL THEN "~geometry" ELSE ST_GeomFromTWKB("~shape") END'
"""What is served of a row of a band, in units of its lattice where it is packed."""


def _odd(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE odd (name text PRIMARY KEY, geom geometry)")
        for name, text in (ODD | OUTSIDE).items():
            connection.execute("INSERT INTO odd VALUES (%s, ST_GeomFromText(%s, 4326))", [name, text])


def _dimension(text: str) -> int:
    if text.startswith("GEOMETRYCOLLECTION"):
        return 2 if "POLYGON" in text else 1
    return 2 if "POLYGON" in text or "SURFACE" in text else 1 if "STRING" in text else 0


def test_every_row_of_mixed_and_odd_shapes_is_counted_once_at_every_zoom(
    database: str, make_app: MakeApp
) -> None:
    _odd(database)
    number = overview(database, "public.odd", range(6), pieces=True)
    for zoom in range(6):
        assert band(database, number, zoom, "sum(feature_count)")[0][0] == len(ODD), zoom
    found = features(make_app(database), "/tiles/public.odd/0/0/0")
    assert sum(feature["properties"]["feature_count"] for feature in found) == len(ODD)
    for feature in found:
        name = feature["properties"]["name"]
        assert DIMENSION[feature["geometry"]["type"]] == _dimension(ODD[name]), name
        if "Point" not in feature["geometry"]["type"]:
            west, south, east, north = drawn(feature).bounds
            assert max(east - west, north - south) >= 0.7 * PIXEL, name


def test_an_odd_shape_alone_is_drawn_at_every_zoom(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        for place, (name, text) in enumerate(ODD.items()):
            connection.execute(f"CREATE TABLE odd{place} (name text PRIMARY KEY, geom geometry)".encode())
            connection.execute(
                f"INSERT INTO odd{place} VALUES (%s, ST_GeomFromText(%s, 4326))".encode(), [name, text]
            )
    numbers = {
        name: overview(database, f"public.odd{place}", range(0, 9, 2)) for place, name in enumerate(ODD)
    }
    app = make_app(database)
    for place, (name, text) in enumerate(ODD.items()):
        counts = [
            feature["properties"]["feature_count"]
            for feature in features(app, f"/tiles/public.odd{place}/0/0/0")
        ]
        assert counts == [1], name
        for zoom in range(0, 9, 2):
            shape = f"feature_count, ST_IsEmpty({SHAPE}), ST_IsValid({SHAPE}), ST_Dimension({SHAPE})"
            assert band(database, numbers[name], zoom, shape) == [(1, False, True, _dimension(text))], (
                name,
                zoom,
            )


def test_shapes_on_the_sphere_lie_where_they_belong(database: str, make_app: MakeApp) -> None:
    """Across ±180 and around a pole, as geography has them."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE globe (id int PRIMARY KEY, geog geography)")
        for number, text in enumerate((
            "POLYGON((170 -10,-170 -10,-170 10,170 10,170 -10))",
            "POLYGON((0 80,90 80,180 80,-90 80,0 80))",
            "LINESTRING(175 20,-175 20)",
            "POINT(-179.9 40)",
        )):  # fmt: skip
            connection.execute("INSERT INTO globe VALUES (%s, ST_GeogFromText(%s))", [number, text])
    number = overview(database, "public.globe", range(4))
    for zoom in range(4):
        assert band(database, number, zoom, "sum(feature_count)") == [(4,)]
    shapes = {
        feature["properties"]["id"]: drawn(feature)
        for feature in features(make_app(database), "/tiles/public.globe/0/0/0?buffer=0")
    }
    for number, (height, share) in {0: (228, 20 / 360), 1: (488, 1), 2: (0, 10 / 360)}.items():
        west, south, east, north = shapes[number].bounds
        assert (west, east) == (0, 4096), "at both edges of the world"
        assert north - south == pytest.approx(height, abs=40)
        parts = getattr(shapes[number], "geoms", [shapes[number]])
        assert sum(part.bounds[2] - part.bounds[0] for part in parts) == pytest.approx(
            4096 * share, abs=PIXEL
        )


def test_whoever_wins_a_cell_has_the_largest_area_or_length(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "CREATE TABLE small AS SELECT n AS id, ST_MakeEnvelope(10, 50, 10 + s, 50 + s, 4326)::geometry(Polygon, 4326) AS geom"
            " FROM (VALUES (1, 0.001), (2, 0.003), (3, 0.003), (4, 0.002)) AS made (n, s)"
        )
        connection.execute("ALTER TABLE small ADD PRIMARY KEY (id)")
    overview(database, "public.small", range(6))
    (only,) = features(make_app(database), "/tiles/public.small/0/0/0")
    assert (only["id"], only["properties"]) == (2, {"id": 2, "feature_count": 4})
    west, south, east, north = drawn(only).bounds
    assert (east - west, north - south) == (PIXEL, PIXEL)
    # MVT 2.1 §4.3.4.4: the area of an outer ring is positive, y downwards; a hole's is not.
    assert shapely.is_ccw(drawn(only).exterior)
    large = features(make_app(database), "/tiles/public.small/16/34588/22225")
    assert large and all(shapely.is_ccw(drawn(each).exterior) for each in large)
