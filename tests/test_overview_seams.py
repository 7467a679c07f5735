"""Neighbours stay closed: countries along their borders, and tiles along their edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg
import pytest
import shapely
from flask import Flask
from mapbox_vector_tile import decode
from shapely.geometry.base import BaseGeometry

from app.layers.grid import Grid
from app.layers.identity import ANONYMOUS
from app.layers.member import Member
from app.layers.request import layer_requests
from app.layers.tile import Tile
from app.repository.tile_questions import Questions, tile_rows
from tests.conftest import MakeApp
from tests.overview_builds import EXTENT, land, overview
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import drawn, features

PIXEL = 8
WIDE = 3


class Built(NamedTuple):
    layer: str
    zooms: range
    pieces: bool


POINTS = Built("sample.cities", range(7), False)
LINES = Built("sample.liechtenstein_roads", range(13), False)
AREAS = Built("sample.countries", range(7), True)
SMALL_AREAS = Built("sample.liechtenstein_buildings", range(14), False)


@pytest.fixture(scope="module")
def stored(server: DatabaseServer, sample_database: str) -> Iterator[str]:
    """The sample with overviews."""
    made = server.create(sample_database)
    for each in (POINTS, LINES, AREAS, SMALL_AREAS):
        overview(made, each.layer, each.zooms, pieces=each.pieces)
    yield made
    server.drop(made)


# --- countries -------------------------------------------------------------------------------------------------------


def _widest(geom: BaseGeometry, width: float) -> list[BaseGeometry]:
    """Parts that are wider than that."""
    return [part for part in shapely.get_parts(geom) if not part.buffer(-width / 2).is_empty]


@pytest.mark.parametrize("zoom", AREAS.zooms)
def test_no_gap_or_overlap_between_countries_is_as_wide_as_a_pixel(
    stored: str, make_app: MakeApp, zoom: int
) -> None:
    app = make_app(stored)
    x, y = (int(part * 2**zoom) for part in (0.53, 0.35))  # Central Europe
    found = [
        shapely.make_valid(drawn(feature))
        for feature in features(app, f"/tiles/sample.countries/{zoom}/{x}/{y}")
    ]
    tile = shapely.box(0, 0, EXTENT, EXTENT)
    inland = land(stored, zoom, x, y).buffer(-1.5 * PIXEL).intersection(tile)
    assert inland.area > 0.1 * EXTENT**2
    gaps = inland.difference(shapely.union_all(found))
    assert _widest(gaps, 1.01 * PIXEL) == []
    assert gaps.area < 8 * PIXEL**2
    tree = shapely.STRtree(found)
    for one, other in tree.query(found, predicate="intersects").T:
        if one < other:
            common = found[one].intersection(found[other])
            assert _widest(common, 1.01 * PIXEL) == []


def test_pieces_of_a_country_leave_no_lines_inside_of_it(stored: str, make_app: MakeApp) -> None:
    """At a zoom of the bands, and above them."""
    app = make_app(stored)
    for zoom, x, y in ((4, 11, 5), (6, 45, 20), (8, 180, 80)):  # Russia
        found = {
            feature["properties"]["iso_a3"]: drawn(feature)
            for feature in features(app, f"/tiles/sample.countries/{zoom}/{x}/{y}")
        }
        russia = found["RUS"]
        # Edges inside would be parts that touch one another.
        assert russia.is_valid
        together = shapely.union_all(shapely.get_parts(russia))
        assert len(shapely.get_parts(together)) == len(shapely.get_parts(russia))
        assert together.length == pytest.approx(russia.length)


# --- tiles -----------------------------------------------------------------------------------------------------------


def _wide(grid: Grid, tile: Tile) -> Grid:
    """The grid with one tile at this zoom: that tile and its eight neighbours."""
    matrix = grid.matrices[tile.z]
    whole = replace(
        matrix, width=1, height=1, origin_x=matrix.origin_x + (tile.x - 1) * matrix.span_x,
        origin_y=matrix.origin_y - (tile.y - 1) * matrix.span_y, span_x=matrix.span_x * WIDE, span_y=matrix.span_y * WIDE,
    )  # fmt: skip
    wide = replace(grid, matrices={**grid.matrices, tile.z: whole})
    # To the overviews it is the same grid.
    wide.__dict__["key"] = grid.key
    return wide


def _in_one(app: Flask, layer: str, tile: Tile) -> list[dict[str, Any]]:
    """The features of nine tiles, made as one by the same statement."""
    backend = app.extensions["flagstone"]
    grid = backend.grids.get("WebMercatorQuad")
    catalog = backend.catalog.catalog()
    found = catalog.layer(layer, ANONYMOUS)
    (request,) = layer_requests([Member(layer, found)], grid, {}, backend.settings, ANONYMOUS)
    request = replace(request, grid=_wide(grid, tile), resolution=EXTENT * WIDE, limit=10**6)
    rows = tile_rows(request, Tile(tile.z, 0, 0), catalog.postgis, 3857, lambda _: False, 10**9)
    assert rows.layer is not found, "a band answers"
    pixel = grid.matrices[tile.z].span_x / 512
    rows = replace(rows, values={**rows.values, "pixel_x": pixel, "pixel_y": pixel})
    question = Questions(keeps_prepared=False, most_bytes=10**9).whole(rows, 10**6)
    with psycopg.connect(backend.settings.database_url.get_secret_value()) as connection:
        connection.execute("SET search_path = pg_catalog")
        row = connection.execute(question.text, question.values).fetchone()
    assert row is not None
    layers = decode(bytes(row[0]), default_options={"y_coord_down": True})
    return [feature for each in layers.values() for feature in each["features"]]


@pytest.mark.parametrize(
    ("built", "tile"),
    [
        (POINTS, Tile(2, 2, 1)), (POINTS, Tile(4, 8, 5)), (POINTS, Tile(6, 33, 22)),
        (LINES, Tile(8, 134, 89)), (LINES, Tile(10, 538, 358)), (LINES, Tile(12, 2156, 1438)),
        (SMALL_AREAS, Tile(9, 269, 179)), (SMALL_AREAS, Tile(11, 1078, 719)), (SMALL_AREAS, Tile(13, 4312, 2876)),
        (AREAS, Tile(2, 2, 1)), (AREAS, Tile(4, 8, 5)), (AREAS, Tile(6, 33, 22)),
    ],
    ids=str,
)  # fmt: skip
def test_one_tile_over_nine_holds_what_the_nine_hold(
    stored: str, make_app: MakeApp, built: Built, tile: Tile
) -> None:
    app = make_app(stored)
    one = {feature["properties"]["id"]: feature for feature in _in_one(app, built.layer, tile)}
    assert len(one) > 5
    ids: set[int] = set()
    for dx in range(WIDE):
        for dy in range(WIDE):
            found = features(app, f"/tiles/{built.layer}/{tile.z}/{tile.x + dx - 1}/{tile.y + dy - 1}")
            ids |= {feature["properties"]["id"] for feature in found}
            inside = shapely.box(1, 1, EXTENT - 1, EXTENT - 1)
            here = {feature["properties"]["id"]: drawn(feature) for feature in found}
            for number, feature in one.items():
                there = shapely.transform(
                    drawn(feature), lambda xy, at=(dx, dy): xy - [at[0] * EXTENT, at[1] * EXTENT]
                )
                _alike(there, here.get(number), inside, f"{number} of {dx} {dy}")
                if number in here:
                    same = next(each for each in found if each["properties"]["id"] == number)
                    assert same["properties"] == feature["properties"]
    assert ids == set(one)


def _alike(one: BaseGeometry, other: BaseGeometry | None, inside: BaseGeometry, what: str) -> None:
    """Within the tile both are the same, up to a unit of rounding."""
    one = shapely.make_valid(one).intersection(inside)
    other = inside.difference(inside) if other is None else shapely.make_valid(other).intersection(inside)
    if one.is_empty and other.is_empty:
        return
    assert not one.difference(other.buffer(1.5)).length, what
    assert not other.difference(one.buffer(1.5)).length, what
