"""What an overview keeps once: bands that serve several zooms, and shapes that are packed."""

from __future__ import annotations

import psycopg
import pytest

from tests.conftest import MakeApp
from tests.overview_builds import band, overview
from tests.tile_decoding import attributes, get

ISLANDS = """
CREATE TABLE public.islands (id int PRIMARY KEY, geom geometry(Polygon, 4326));
INSERT INTO public.islands
SELECT n, ST_Buffer(ST_Point(-170 + n % 30 * 11.3, -60 + n / 30 * 11.7, 4326), 0.2 + n % 17 * 0.4, n % 16 + 1) FROM generate_series(0, 299) AS n;
ANALYZE public.islands
"""
MIXED = """
CREATE TABLE public.mixed (id int PRIMARY KEY, geom geometry);
INSERT INTO public.mixed VALUES (1, ST_SetSRID(ST_Collect(ARRAY[
    ST_Buffer(ST_Point(0, 0), 30, 800), 'LINESTRING(50 0, 60 10, 70 0)'::geometry, 'POINT(100 20)'::geometry]), 4326));
ANALYZE public.mixed
"""


def test_a_zoom_without_a_band_of_its_own_is_served_by_one_a_little_finer(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(ISLANDS.encode())
    overview(database, "public.islands", [3])
    app = make_app(database)
    for zoom, said in ((0, "full"), (1, "overview"), (2, "overview"), (3, "overview"), (4, "full")):
        response = get(app, f"/tiles/public.islands/{zoom}/0/{2**zoom // 4}")
        assert response.headers["Flagstone-Tile"] == said, zoom
    tiles = [(x, y) for x in range(2) for y in range(2)]
    seen = [each for x, y in tiles for each in attributes(app, f"/tiles/public.islands/1/{x}/{y}?buffer=0")]
    counts = {each["id"]: each["feature_count"] for each in seen}
    assert sum(counts.values()) == 300


@pytest.mark.parametrize("zoom", [2, 5])
def test_polygons_of_more_than_a_few_vertices_are_packed_and_drawn_where_they_are(database: str, zoom: int, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(ISLANDS.encode())
    plain = make_app(database)
    before = {each["id"] for each in attributes(plain, f"/tiles/public.islands/{zoom}/{2**zoom // 2}/{2**zoom // 2}")}
    number = overview(database, "public.islands", [zoom])
    packed = band(database, number, zoom, 'count(*) FILTER (WHERE "~shape" IS NOT NULL), count(*)')
    assert packed[0][0] > 0
    # The box that an index knows is that of the shape: a line across it.
    off = band(
        database, number, zoom,
        'count(*) FILTER (WHERE "~shape" IS NOT NULL AND ST_NPoints("~geometry") <> 2), max(abs(ST_XMax("~geometry") + ST_XMin("~geometry") - 2 * "~x"))',
    )  # fmt: skip
    assert off[0][0] == 0 and off[0][1] < 2 * 156543 / 2**zoom
    after = {each["id"] for each in attributes(make_app(database), f"/tiles/public.islands/{zoom}/{2**zoom // 2}/{2**zoom // 2}")}
    # Rounded to the lattice an island may end beside the tile that it just reached into.
    assert len(before & after) >= 3 and len(before ^ after) <= 3


def test_lines_and_points_of_a_heavy_collection_stay_in_its_pieces(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(MIXED.encode())
    number = overview(database, "public.mixed", [0], pieces=True)
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT sum(ST_Area(ST_CollectionExtract(geom, 3))) > 0, sum(ST_Length(ST_CollectionExtract(geom, 2))) > 0,"
            " sum(ST_NPoints(ST_CollectionExtract(geom, 1))), count(*)"
            f" FROM (SELECT ST_GeomFromTWKB(\"~shape\") AS geom FROM flagstone.overview_{number}_pieces) AS piece".encode()
        ).fetchone()
    assert row is not None and row[:3] == (True, True, 1) and row[3] > 1
    assert len(attributes(make_app(database), "/tiles/public.mixed/5/16/16")) == 1
