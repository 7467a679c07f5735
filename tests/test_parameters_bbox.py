"""`bbox`: rows whose geometry meets a box, in whatever reference system box, layer and grid are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pyproj
import pytest
from flask import Flask
from shapely.geometry import Point, box

from tests.conftest import MakeApp
from tests.row_parameters import EVERYTHING, address, serving, stations
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import attributes, features


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with serving(server, template) as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("0,0,25,90", {1, 2}), ("0,0,20,90", {1, 2}), ("-180,-90,180,90", EVERYTHING), ("10,5,10,5", {1}), ("0,5,90,5", {1}),
        ("10,0,10,90", {1}), ("11,6,19,9", set()), ("0,0,-500,25,90,500", {1, 2}), ("1e1,.5e1,10.,+5", {1}), (" 0, 0 ,25 , 90 ", {1, 2}),
        ("60,-90,15,90", {2, 1, 6, 7, 8} - {2}), ("170,0,-170,90", set()), ("350,0,385,90", {1, 2}), ("-360,0,0,90", EVERYTHING),
        ("-350,0,-335,90", {1, 2}), ("180,0,180,90", set()),
    ],
)  # fmt: skip
def test_a_box_in_degrees_chooses_what_meets_it(app: Flask, asked: str, found: set[int]) -> None:
    assert stations(app, bbox=asked) == found


def test_the_box_reaches_beyond_no_tile(app: Flask) -> None:
    path = address("public.stations", "1/0/0", bbox="-180,-90,180,90", buffer="0")
    assert features(app, path) == []


@pytest.mark.parametrize("system", ["EPSG:3857", "3857", "[EPSG:3857]", "urn:ogc:def:crs:EPSG::3857",
                                    "http://www.opengis.net/def/crs/EPSG/0/3857", "https://www.opengis.net/def/crs/EPSG/0/3857"])  # fmt: skip
def test_a_box_in_metres(app: Flask, system: str) -> None:
    to_metres = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    west, south = to_metres.transform(15, 0)
    east, north = to_metres.transform(35, 50)
    assert stations(app, bbox=f"{west},{south},{east},{north}", bbox_crs=system) == {2, 3}


@pytest.mark.parametrize(
    ("system", "asked"),
    [("http://www.opengis.net/def/crs/OGC/1.3/CRS84", "15,0,35,50"), ("CRS84", "15,0,35,50"), ("OGC:CRS84", "15,0,35,50"), ("4326", "15,0,35,50"),
     ("http://www.opengis.net/def/crs/EPSG/0/4326", "0,15,50,35"), ("urn:ogc:def:crs:EPSG::4326", "0,15,50,35"), ("EPSG:4326", "0,15,50,35")],
)  # fmt: skip
def test_axes_are_those_of_the_authority(app: Flask, system: str, asked: str) -> None:
    assert stations(app, bbox=asked, bbox_crs=system) == {2, 3}


def test_the_box_is_met_by_the_geometry_not_by_its_box(oddity: Callable[[str], str], make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE corners (id int PRIMARY KEY, geom geometry(LineString, 4326));"
            " INSERT INTO corners VALUES (1, 'SRID=4326;LINESTRING(0 0, 0 50, 50 50)')"
        )
    app = make_app(database)
    assert features(app, address("public.corners", bbox="20,10,40,30")) == []
    assert len(features(app, address("public.corners", bbox="20,10,40,60"))) == 1


def test_a_box_across_the_antimeridian_meets_both_sides(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for srid in (4326, 3857, 3832):
            connection.execute(
                f"CREATE TABLE edge_{srid} (id int PRIMARY KEY, geom geometry(Point, {srid}));"
                f" INSERT INTO edge_{srid} SELECT i, ST_Transform(ST_SetSRID(ST_MakePoint(x, 10), 4326), {srid})"
                " FROM (VALUES (1, 179), (2, -179), (3, 0), (4, 168), (5, -168)) AS v (i, x)"
            )
        connection.execute("CREATE TABLE edge_g (id int PRIMARY KEY, geom geography(Point, 4326)); INSERT INTO edge_g SELECT * FROM edge_4326")
    app = make_app(database)
    for name in ("4326", "3857", "3832", "g"):
        found = {feature["id"] for feature in features(app, address(f"public.edge_{name}", bbox="170,-20,-170,20"))}
        assert found == {1, 2}, name


@pytest.mark.parametrize(
    ("srid", "grid", "area"),
    [(3035, "EuropeanETRS89_LAEAQuad", (0, 40, 20, 60)), (25832, "WebMercatorQuad", (4, 44, 14, 56)), (31467, "WebMercatorQuad", (6, 47, 12, 55)),
     (2193, "NZTM2000Quad", (167, -46, 178, -35)), (3031, "WorldCRS84Quad", (-170, -85, 170, -62)), (5070, "WebMercatorQuad", (-120, 25, -75, 48))],
)  # fmt: skip
def test_a_box_in_degrees_is_exact_in_projections_whose_parallels_bend(
    make_app: MakeApp, database: str, srid: int, grid: str, area: tuple[float, float, float, float]
) -> None:
    west, south, east, north = area
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE projected (id int PRIMARY KEY, lon float8, lat float8, geom geometry(Point, {srid}))".encode()
        )
        connection.execute(
            f"INSERT INTO projected SELECT row_number() OVER (), x, y, ST_Transform(ST_SetSRID(ST_MakePoint(x, y), 4326), {srid})"
            " FROM (SELECT %s::float8 + i * %s::float8 AS x, %s::float8 + j * %s::float8 AS y"
            " FROM generate_series(0, 30) AS i, generate_series(0, 30) AS j) AS g".encode(),
            [west, (east - west) / 30, south, (north - south) / 30],
        )  # fmt: skip
    app = make_app(database)
    wanted = box(west + (east - west) * 0.211, south + (north - south) * 0.317, east - (east - west) * 0.173, north - (north - south) * 0.117)
    asked = ",".join(map(str, wanted.bounds))
    tiles = {"NZTM2000Quad": ["0/0/0"], "WorldCRS84Quad": ["0/0/0", "0/1/0"]}.get(grid, ["0/0/0"])
    rows = {row["id"]: row for tile in tiles for row in attributes(app, f"/tiles/{grid}/public.projected/{tile}?bbox={asked}")}
    with psycopg.connect(database) as connection:
        expected = {i for i, x, y in connection.execute("SELECT id, lon, lat FROM projected") if wanted.covers(Point(x, y))}
    assert rows.keys() == expected
    assert 100 < len(expected) < 900


def test_a_box_of_the_whole_world_keeps_what_every_projection_can_show(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for srid, x, y in ((4326, 8, 47), (3857, 8, 85), (3035, 8, 47), (2193, 174, -41), (3031, 0, -80), (3995, 0, 80), (27700, -1, 52)):
            connection.execute(
                f"CREATE TABLE whole_{srid} (id int PRIMARY KEY, geom geometry(Point, {srid}));"
                f" INSERT INTO whole_{srid} VALUES (1, ST_Transform(ST_SetSRID(ST_MakePoint({x}, {y}), 4326), {srid}))"
            )
    app = make_app(database)
    for srid in (4326, 3857, 3035, 2193, 3031, 3995, 27700):
        found = features(app, f"/tiles/WorldCRS84Quad/public.whole_{srid}/0/{int(srid in (4326, 3857, 3035, 2193, 3031, 3995))}/0?bbox=-180,-90,180,90")
        assert len(found) == 1, srid


def test_a_box_is_met_wherever_postgis_was_installed(make_app: MakeApp, gis_database: str) -> None:
    with psycopg.connect(gis_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE spots (id int PRIMARY KEY, geom gis.geometry(Point, 4326))")
        connection.execute("INSERT INTO spots VALUES (1, 'SRID=4326;POINT(8 47)'), (2, 'SRID=4326;POINT(18 47)')")
    app = make_app(gis_database)
    assert [feature["id"] for feature in features(app, address("public.spots", bbox="0,0,10,90", sortby="-id"))] == [1]
