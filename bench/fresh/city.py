"""A small city: buildings in rows, 20 km wide, and what a change of one of them makes stale."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import Connection

from app.layers.bounds import Bounds
from app.layers.grids import Grids
from app.layers.regions import FINEST, Cell, touched
from app.layers.tile import Tile
from app.layers.tile_regions import regions_of

from ..drawing import tile_at

LAYER = "public.building"
WEST, NORTH = 8.45, 47.46
WIDE_M = 20_000.0
DEEPEST = 18
GRID = "WebMercatorQuad"
_M_OF_DEGREE = math.pi * 6_378_137.0 / 180
_EVERY_M = 100.0
EAST = WEST + WIDE_M / (_M_OF_DEGREE * math.cos(math.radians(NORTH)))
SOUTH = NORTH - WIDE_M / _M_OF_DEGREE


def make(dsn: str) -> int:
    """The table `public.building`: 15 m squares, one in 100 m, with key and GiST index. Gives the number of rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE public.building (id int PRIMARY KEY, counter int NOT NULL DEFAULT 0, geom geometry(Polygon, 4326))"
        )
        count = int(WIDE_M / _EVERY_M)
        connection.execute(
            "INSERT INTO public.building (id, geom)"
            " SELECT y * %(n)s + x, ST_MakeEnvelope(west, south, west + %(size)s, south + %(size)s, 4326)"
            " FROM generate_series(0, %(n)s - 1) AS x, generate_series(0, %(n)s - 1) AS y,"
            " LATERAL (SELECT %(west)s + (x + 0.3) * %(dx)s AS west, %(south)s + (y + 0.3) * %(dy)s AS south) AS corner",
            {"n": count, "size": 15 / _M_OF_DEGREE, "west": WEST, "south": SOUTH, "dx": (EAST - WEST) / count, "dy": (NORTH - SOUTH) / count},
        )  # fmt: skip
        connection.execute("CREATE INDEX ON public.building USING gist (geom)")
        connection.execute("VACUUM ANALYZE public.building")
        return count * count


def tile_of(connection: Connection, feature: int, zoom: int) -> tuple[int, int]:
    """Column and row of the tile of WebMercatorQuad in which the middle of a building lies."""
    row = connection.execute(
        "SELECT ST_X(c), ST_Y(c) FROM (SELECT ST_Centroid(geom) AS c FROM public.building WHERE id = %s) AS at",
        [feature],
    ).fetchone()
    if row is None:
        raise ValueError(f"there is no building {feature}")
    return tile_at(row[0], row[1], zoom)


@dataclass(frozen=True)
class Stale:
    """What one changed building does to the tiles of the city, zooms 0 to `DEEPEST`."""

    tiles: int
    by_zoom: dict[int, int]

    @property
    def most_of_a_zoom(self) -> int:
        """Of the zooms that have cells of their own."""
        return max(count for zoom, count in self.by_zoom.items() if zoom <= FINEST)

    @property
    def kept(self) -> float:
        """Part of all the city's tiles that stay current."""
        return 1 - sum(self.by_zoom.values()) / self.tiles


class Tiles:
    """Every tile of the city, and the cells by which it is told whether it is current. None is drawn."""

    def __init__(self, buffer: float) -> None:
        """`buffer` is the largest one that a request may ask for, as a part of a tile's edge."""
        self._buffer = buffer
        self._cells: dict[int, list[tuple[Cell, ...]]] = {}
        grid = Grids().get(GRID)
        for zoom in range(DEEPEST + 1):
            (left, top), (right, bottom) = tile_at(WEST, NORTH, zoom), tile_at(EAST, SOUTH, zoom)
            places = itertools.product(range(left, right + 1), range(top, bottom + 1))
            self._cells[zoom] = [regions_of(grid, Tile(zoom, x, y), buffer) for x, y in places]

    def stale(self, changed: Sequence[Bounds]) -> Stale:
        """By the boxes that the triggers wrote down, as the follower takes them and a request asks for them."""
        cells = touched(changed, self._buffer)
        by_zoom = {
            zoom: sum(cells is None or not cells.isdisjoint(each) for each in tiles)
            for zoom, tiles in self._cells.items()
        }
        return Stale(sum(map(len, self._cells.values())), by_zoom)


def some(count: int, rows: int, seed: int) -> list[int]:
    """Buildings to change, drawn by the seed."""
    return random.Random(f"city {seed}").sample(range(rows), count)
