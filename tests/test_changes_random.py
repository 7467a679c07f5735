"""Random edits, tiles, buffers and grids: every tile whose bytes changed was stale by what the triggers wrote down."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from app import create_app
from app.backend import Backend
from app.layers.bounds import Bounds
from app.layers.crs import lonlat
from app.layers.grid import Grid
from app.layers.regions import FINEST, Cell, touched
from app.layers.tile import Tile
from app.layers.tile_regions import regions_of
from app.repository.changes.log import ChangeLog
from app.settings import Settings
from tests.change_logs import install
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import get

GRIDS = (
    "WebMercatorQuad", "WGS1984Quad", "UTM31WGS84Quad", "UPSArcticWGS84Quad", "EuropeanETRS89_LAEAQuad", "WorldMercatorWGS84Quad",
    "CDB1GlobalGrid", "WorldCRS84Quad",
)  # fmt: skip
TABLES = {"lonlat": "geometry(Geometry, 4326)", "mercator": "geometry(Geometry, 3857)", "utm": "geometry(Geometry, 32631)",
          "polar": "geometry(Geometry, 3995)", "sphere": "geography"}  # fmt: skip
_DEEPEST = 19


class World:
    """A database with followed tables, the application over it without a cache, and a reader of the log."""

    def __init__(self, dsn: str, app: Flask, connection: Connection) -> None:
        self.dsn = dsn
        self.app = app
        self.connection = connection
        self.backend: Backend = app.extensions["flagstone"]
        self.log = ChangeLog(self.backend.pool)

    def edited(self, statement: str, values: dict[str, Any]) -> frozenset[Cell] | None:
        """Run an edit; the regions that it touched, None for all."""
        row = self.connection.execute("SELECT pg_current_snapshot()::text").fetchone()
        assert row is not None
        self.connection.execute(statement.encode(), values)
        changes = self.log.read(row[0], "public").changes
        assert changes
        boxes: list[Bounds] = []
        for change in changes:
            if change.boxes is None:
                return None
            boxes += change.boxes
        return touched(boxes, self.backend.settings.max_buffer_ratio)


@pytest.fixture(scope="module")
def world(server: DatabaseServer, template: str) -> Iterator[World]:
    dsn = server.create(template)
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
        connection.execute("SET search_path = public")
        for name, column_type in TABLES.items():
            connection.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, geom {column_type})".encode())
            connection.execute(f"CREATE INDEX ON {name} USING gist (geom)".encode())
        install(dsn, *TABLES)
        app = create_app(Settings.of(DATABASE_URL=dsn, CACHE_TYPE="NullCache"))
        stack.callback(app.extensions["flagstone"].close)
        yield World(dsn, app, connection)
    server.drop(dsn)


def around(grid: Grid, tile: Tile) -> set[Tile]:
    """The tile, its neighbours, and some above and below."""
    found = {Tile(tile.z, tile.x + dx, tile.y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)}
    found.add(Tile(tile.z - 1, tile.x // 2, tile.y // 2))
    found |= {Tile(tile.z + 1, 2 * tile.x + dx, 2 * tile.y + dy) for dx in (0, 1) for dy in (0, 1)}
    # At the edge of the world, the other side of it.
    matrix = grid.matrices[tile.z]
    if tile.x in (0, matrix.width - 1):
        found.add(Tile(tile.z, matrix.width - 1 - tile.x, tile.y))
    return {each for each in found if grid.has(each)}


def bodies(world: World, grid: str, table: str, tiles: set[Tile], buffer: int) -> dict[Tile, bytes]:
    return {
        tile: get(
            world.app, f"/tiles/{grid}/public.{table}/{tile.z}/{tile.x}/{tile.y}?buffer={buffer}"
        ).get_data()
        for tile in tiles
    }


fractions = st.floats(0, 1, exclude_max=True)
places = st.tuples(
    st.floats(-0.2, 1.2),
    st.floats(-0.2, 1.2),
    st.sampled_from([0.0, 0.001, 0.05, 0.6]),
    st.sampled_from([0.0, 0.05, 2.0]),
)
GEOMETRY = """CASE WHEN %(width)s::float8 + %(height)s::float8 = 0 THEN ST_SetSRID(ST_MakePoint(%(x)s, %(y)s), %(srid)s)
 ELSE ST_SetSRID(ST_MakeBox2D(ST_MakePoint(%(x)s, %(y)s), ST_MakePoint(%(x)s + %(width)s, %(y)s + %(height)s))::geometry, %(srid)s) END"""


def geometry(grid: Grid, tile: Tile, place: tuple[float, float, float, float]) -> dict[str, Any]:
    """A box or point near a tile, in the grid's own system; sizes and distances as parts of the tile."""
    box, (x, y, width, height) = grid.bounds(tile), place
    return {"x": box.xmin + x * box.width, "y": box.ymin + y * box.height, "width": width * box.width, "height": height * box.height,
            "srid": grid.crs.srid}  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    grid_id=st.sampled_from(GRIDS), table=st.sampled_from(sorted(TABLES)), zoom=st.integers(0, _DEEPEST), across=fractions, down=fractions,
    first=places, second=places, buffer=st.sampled_from([0, 64, 256, 512]),
)  # fmt: skip
@example(
    grid_id="WebMercatorQuad",
    table="mercator",
    zoom=1,
    across=0.9,
    down=0.4,
    first=(1.05, 0.5, 0, 0),
    second=(0.5, 0.5, 0, 0),
    buffer=512,
)
@example(
    grid_id="WebMercatorQuad",
    table="lonlat",
    zoom=4,
    across=0.99,
    down=0.4,
    first=(1.1, 0.5, 0, 0),
    second=(0.9, 0.5, 0.6, 0),
    buffer=512,
)
@example(
    grid_id="WebMercatorQuad",
    table="sphere",
    zoom=8,
    across=0.0,
    down=0.3,
    first=(-0.1, 0.5, 0, 0),
    second=(0.1, 0.5, 0.05, 0.05),
    buffer=512,
)
@example(
    grid_id="UPSArcticWGS84Quad",
    table="sphere",
    zoom=3,
    across=0.5,
    down=0.5,
    first=(0.0, 0.0, 0.6, 2.0),
    second=(0.5, 0.5, 0, 0),
    buffer=256,
)
def test_every_tile_that_an_edit_changed_was_stale(
    world: World, grid_id: str, table: str, zoom: int, across: float, down: float,
    first: tuple[float, float, float, float], second: tuple[float, float, float, float], buffer: int,
) -> None:  # fmt: skip
    grid = world.backend.grids.get(grid_id)
    assume(zoom in grid.matrices)
    matrix = grid.matrices[zoom]
    tile = Tile(zoom, int(across * matrix.width), int(down * matrix.height))
    tiles = around(grid, tile)
    column = "geography" if table == "sphere" else f"geometry({TABLES[table].split(', ')[1]}"
    srid = 4326 if table == "sphere" else TABLES[table].split(", ")[1].rstrip(")")
    made = f"ST_Transform({GEOMETRY}, {srid})" + ("::geography" if column == "geography" else "")
    statements = (
        (f"INSERT INTO {table} VALUES (1, {made})", geometry(grid, tile, first)),
        (f"UPDATE {table} SET geom = {made}", geometry(grid, tile, second)),
        (f"DELETE FROM {table} WHERE id = %(id)s", {"id": 1}),
    )
    world.connection.execute(f"TRUNCATE {table}".encode())
    before = bodies(world, grid_id, table, tiles, buffer)
    for statement, values in statements:
        try:
            stale = world.edited(statement, values)
        except psycopg.Error:
            # The table's system cannot hold what the grid's can.
            assume(False)
        after = bodies(world, grid_id, table, tiles, buffer)
        for each in sorted(tiles):
            if before[each] != after[each]:
                asked = regions_of(grid, each, buffer / 4096)
                assert stale is None or stale.intersection(asked), (
                    each,
                    asked,
                    lonlat(grid.bounds(each), grid.crs),
                    values,
                )
        before = after


@pytest.mark.parametrize("place", ["9.521 47.141", "-0.0001 51.48", "179.9999 -16.8", "0.0 0.0"])
@pytest.mark.parametrize("table", ["lonlat", "mercator", "utm"])
def test_a_changed_building_makes_at_most_four_tiles_of_a_zoom_stale(
    world: World, place: str, table: str
) -> None:
    if table == "utm" and not place.startswith(("-0.0001", "0.0 0.0")):
        place = "3.1 45.2"
    srid = TABLES[table].split(", ")[1].rstrip(")")
    lon, lat = place.split()
    building = f"ST_Transform(ST_SetSRID(ST_Expand(ST_MakePoint({lon}, {lat}), 0.0001), 4326), {srid})"
    world.connection.execute(f"TRUNCATE {table}".encode())
    stale = world.edited(f"INSERT INTO {table} VALUES (1, {building})", {})
    assert stale is not None
    for zoom in range(FINEST + 1):
        assert 1 <= len({(cell.x, cell.y) for cell in stale if cell.z == zoom}) <= 4, zoom
    assert not any(cell.is_whole for cell in stale)


@pytest.mark.parametrize(("table", "row"), [("lonlat", 360), ("lonlat", 200), ("mercator", 360)])
def test_a_row_beyond_the_edge_makes_a_tile_stale_that_shows_one_of_each_cell(
    world: World, table: str, row: int
) -> None:
    """The winner of a cell at a tile's edge may be seen in the tile, and lose to a row that could not be."""
    app = create_app(Settings.of(DATABASE_URL=world.dsn, CACHE_TYPE="NullCache", FLAGSTONE_MAX_FEATURES=200))
    chance = random.Random(1)
    tile = Tile(10, 534, row)
    grid = world.backend.grids.get("WebMercatorQuad")
    srid = TABLES[table].split(", ")[1].rstrip(")")

    statement = f"INSERT INTO {table} VALUES (%(id)s, ST_Transform({GEOMETRY}, {srid}))"

    def at(number: int, x: float, y: float) -> dict[str, Any]:
        return geometry(grid, tile, (x, y, 0.0, 0.0)) | {"id": number}

    world.connection.execute(f"TRUNCATE {table}".encode())
    path = f"/tiles/public.{table}/{tile.z}/{tile.x}/{tile.y}"
    try:
        rows = [at(number, chance.uniform(-0.6, 1.6), chance.uniform(-0.6, 1.6)) for number in range(1500)]
        world.connection.cursor().executemany(statement.encode(), rows)
        before, changed = get(app, path).get_data(), 0
        for number in range(2000, 2250):
            beyond, along = chance.uniform(0.0625, 0.5), chance.random()
            place = chance.choice(
                [(-beyond, along), (along, -beyond), (along, 1 + beyond), (1 + beyond, along)]
            )
            stale = world.edited(statement, at(number, *place))
            after = get(app, path).get_data()
            if before != after:
                changed += 1
                assert stale is None or stale.intersection(regions_of(grid, tile, 256 / 4096)), beyond
            before = after
        assert changed
    finally:
        app.extensions["flagstone"].close()
