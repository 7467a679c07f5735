"""Spatial operators on all that a geometry column may hold, and the systems that coordinates are written in."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.cql2_filtered import application, filtered_database, ids, refused
from tests.servers.postgres import DatabaseServer


@pytest.fixture(scope="module")
def dsn(server: DatabaseServer, template: str) -> Iterator[str]:
    with filtered_database(server, template) as made:
        yield made


@pytest.fixture(scope="module")
def filtered(dsn: str) -> Iterator[Flask]:
    with application(dsn) as app:
        yield app


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("S_INTERSECTS(geom, POINT(5 5))", [1, 3, 4]),
        ("S_INTERSECTS(geom, POLYGON((4 4,6 4,6 7,4 7,4 4)))", [1, 3, 4, 6]),
        ("S_DISJOINT(geom, POLYGON((-20 -20,29 -20,29 20,-20 20,-20 -20)))", [5, 8, 9]),
        ("S_TOUCHES(geom, POLYGON((10 0,20 0,20 10,10 10,10 0)))", [1]),
        ("S_EQUALS(geom, POLYGON((10 10,0 10,0 0,10 0,10 10)))", [1]),
        ("S_WITHIN(geom, BBOX(-6, -1, 16, 11))", [1, 3, 4, 6]),
        ("S_CONTAINS(geom, POINT(1 1))", [1]),
        ("S_WITHIN(POINT(1 1), geom)", [1]),
        ("S_CONTAINS(BBOX(-6, -1, 16, 11), geom)", [1, 3, 4, 6]),
        ("S_CROSSES(geom, POLYGON((0 0,10 0,10 10,0 10,0 0)))", [3]),
        ("S_OVERLAPS(geom, POLYGON((5 0,15 0,15 10,5 10,5 0)))", [1, 2]),
        ("S_TOUCHES(geom, BBOX(40, 0, 45, 10))", [5]),
        ("S_INTERSECTS(geom, POINT(55 4.9))", [8]),
        ("S_EQUALS(geom, geom)", [1, 2, 3, 4, 5, 6, 8, 9]),
        ("S_INTERSECTS(geom, POINT(74 1))", [9]),
        ("S_CONTAINS(geom, POINT(74 1))", [9]),
    ],
)
def test_spatial_operators_take_rows_as_they_are(text: str, found: list[int], filtered: Flask) -> None:
    """Rows that cross themselves or are curved are judged, not stumbled over."""
    assert ids(filtered, "shapes", text) == found


def test_rows_that_lack_the_srid_of_the_others_are_judged_too(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE marks (id int PRIMARY KEY, geom geometry)")
        connection.execute("INSERT INTO marks VALUES (1, 'SRID=4326;POINT(5 5)')")
        app = make_app(database)
        assert ids(app, "marks", "S_INTERSECTS(geom, POINT(5 5))") == [1]
        connection.execute("INSERT INTO marks VALUES (2, 'POINT(5 5)'), (3, 'POINT(6 6)')")
    for predicate in ("INTERSECTS", "EQUALS", "WITHIN"):
        assert ids(app, "marks", f"S_{predicate}(geom, POINT(5 5)) AND TRUE") == [1, 2]


def test_collections_are_compared_as_one(filtered: Flask) -> None:
    for predicate in ("INTERSECTS", "CONTAINS"):
        assert ids(filtered, "gathered", f"S_{predicate}(geom, POINT(5 5))") == [1]
    for predicate in ("TOUCHES", "WITHIN", "OVERLAPS", "CROSSES", "EQUALS", "DISJOINT"):
        assert ids(filtered, "gathered", f"S_{predicate}(geom, POINT(5 5))") == []


def test_geography_is_compared_in_degrees(filtered: Flask) -> None:
    assert ids(filtered, "spheres", "S_INTERSECTS(geog, BBOX(1, 51, 2, 52))") == [1]
    assert ids(filtered, "spheres", "S_INTERSECTS(geog, BBOX(-180, -90, 180, 90))") == [1, 2]
    # The great circle from (0 60) to (10 60) lies north of the parallel, what is meant is the parallel.
    assert ids(filtered, "spheres", "S_INTERSECTS(geog, POINT(5 60.05))") == []
    assert ids(filtered, "spheres", "S_WITHIN(geog, BBOX(0, 50, 10, 60))") == [1]
    # 0.1 degrees of longitude are 7 km at 50 degrees north.
    assert ids(filtered, "spheres", "DWITHIN(geog, POINT(10.1 50), 7200)") == [1]
    assert ids(filtered, "spheres", "DWITHIN(geog, POINT(10.1 50), 7100)") == []
    assert ids(filtered, "spheres", "S_DISJOINT(geog, BBOX(-10, 40, 12, 70))") == [2]


def test_coordinates_are_degrees_unless_a_system_is_named(filtered: Flask) -> None:
    assert ids(filtered, "projected", "S_INTERSECTS(geom, BBOX(8, 47, 9, 48))") == [1]
    assert ids(filtered, "projected", "S_INTERSECTS(geom, BBOX(-180, -90, 180, 90))") == [1, 2, 3]
    metres = "S_INTERSECTS(geom, BBOX(940000, 5980000, 950000, 6000000))"
    for system in ("3857", "EPSG:3857", "[EPSG:3857]", "http://www.opengis.net/def/crs/EPSG/0/3857", "urn:ogc:def:crs:EPSG::3857"):
        assert ids(filtered, "projected", metres, filter_crs=system) == [1]
    for system in ("CRS84", "OGC:CRS84", "http://www.opengis.net/def/crs/OGC/1.3/CRS84", "4326"):
        assert ids(filtered, "projected", "S_INTERSECTS(geom, BBOX(8, 47, 9, 48))", filter_crs=system) == [1]


def test_epsg_4326_has_latitude_first_and_a_plain_srid_longitude(filtered: Flask) -> None:
    for system in ("EPSG:4326", "http://www.opengis.net/def/crs/EPSG/0/4326"):
        assert ids(filtered, "things", "S_INTERSECTS(geom, BBOX(47, 8, 48, 9))", filter_crs=system) == [1]
        assert ids(filtered, "things", "S_INTERSECTS(geom, POINT(47.4 8.5))", filter_crs=system) == [1]
    assert ids(filtered, "things", "S_INTERSECTS(geom, POINT(8.5 47.4))", filter_crs="4326") == [1]
    document = {"op": "s_intersects", "args": [{"property": "geom"}, {"type": "Point", "coordinates": [47.4, 8.5]}]}
    assert ids(filtered, "things", json.dumps(document), filter_crs="EPSG:4326") == [1]


@pytest.mark.parametrize("system", ["EPSG:999999", "EPSG:5703", "EPSG:4978", "4978", "999999", " ", "x", "OGC:x", "POSTGRES:1", "http://x/3857"])
def test_unknown_filter_crs_is_400(system: str, filtered: Flask) -> None:
    assert "filter-crs must name a system" in refused(filtered, "things", "whole = 1", filter_crs=system)


def test_coordinates_outside_of_the_world_are_400(filtered: Flask) -> None:
    assert "cannot be transformed" in refused(filtered, "projected", "S_INTERSECTS(geom, POINT(0 91))")
    assert "cannot be transformed" in refused(filtered, "projected", "S_INTERSECTS(geom, POINT(1e300 1e300))")
    assert ids(filtered, "things", "S_INTERSECTS(geom, POINT(1e300 1e300))") == []


def test_postgis_in_a_schema_of_its_own(gis_database: str, make_app: MakeApp) -> None:
    with psycopg.connect(gis_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, geom gis.geometry(Point, 4326), geog gis.geography(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, gis.ST_Point(1, 1, 4326), gis.ST_Point(1, 1, 4326)::gis.geography)")
    app = make_app(gis_database)
    for predicate in ("intersects", "within", "equals"):
        assert ids(app, "places", f"S_{predicate}(geom, POINT(1 1))") == [1]
        assert ids(app, "public.places.geog", f"S_{predicate}(geog, POINT(1 1))") == [1]
    assert ids(app, "places", "S_TOUCHES(geom, POINT(1 1))") == []
