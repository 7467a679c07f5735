"""Which grids a table's document offers, and that the others answer all the same."""

from __future__ import annotations

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import get

WHOLE_WORLD = {"CDB1GlobalGrid", "GNOSISGlobalGrid", "WGS1984Quad", "WebMercatorQuad", "WorldCRS84Quad", "WorldMercatorWGS84Quad"}
PLACES = {
    "liechtenstein": ((9.47, 47.05, 9.63, 47.27), {"EuropeanETRS89_LAEAQuad"}), "wellington": ((174.6, -41.4, 174.9, -41.1), {"NZTM2000Quad"}),
    "paris": ((2.2, 48.8, 2.4, 48.9), {"EuropeanETRS89_LAEAQuad", "UTM31WGS84Quad"}), "ottawa": ((-76.0, 45.2, -75.5, 45.6), {"CanadianNAD83_LCC"}),
    "svalbard_north": ((-40.0, 84.0, -39.0, 85.0), {"UPSArcticWGS84Quad"}), "ross_sea": ((170.0, -79.0, 175.0, -77.0), {"UPSAntarcticWGS84Quad", "LINZAntarticaMapTilegrid"}),
}  # fmt: skip


@pytest.fixture
def app(make_app: MakeApp, database: str) -> Flask:
    with psycopg.connect(database, autocommit=True) as connection:
        for name, (box, _) in PLACES.items():
            connection.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, geom geometry(Polygon, 4326))".encode())
            connection.execute(f"INSERT INTO {name} VALUES (1, ST_MakeEnvelope{(*box, 4326)})".encode())
            connection.execute(f"CREATE INDEX ON {name} USING gist (geom)".encode())
            connection.execute(f"ANALYZE {name}".encode())
        connection.execute("CREATE TABLE nothing (id int PRIMARY KEY, geom geometry(Polygon, 2193))")
    return make_app(database)


@pytest.mark.parametrize("place", PLACES)
def test_a_table_offers_the_grids_that_show_it(app: Flask, place: str) -> None:
    offered = set(get(app, f"/table/public.{place}.json").get_json()["tilematrixsets"])
    local = offered - WHOLE_WORLD
    assert offered >= WHOLE_WORLD or place == "svalbard_north"
    assert PLACES[place][1] <= local
    assert not local & {"UPSArcticWGS84Quad", "UPSAntarcticWGS84Quad", "NZTM2000Quad", "UTM31WGS84Quad"} - PLACES[place][1]


def test_a_table_without_known_extent_offers_the_grids_of_its_system_s_area(app: Flask) -> None:
    offered = get(app, "/table/public.nothing.json").get_json()["tilematrixsets"]
    assert "NZTM2000Quad" in offered and "UPSArcticWGS84Quad" not in offered


def test_a_grid_that_is_not_offered_answers_with_empty_tiles(app: Flask) -> None:
    assert get(app, "/tiles/UPSArcticWGS84Quad/liechtenstein/2/1/1").status_code in (200, 204)
    assert get(app, "/tiles/NZTM2000Quad/liechtenstein/3/2/2").status_code == 204
    assert get(app, "/NZTM2000Quad/liechtenstein/tilejson.json").status_code == 200
