"""Which tiles are read: of every layer and zoom the fullest one, one of its heaviest shape, and some that hold data, the same
for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection, sql

from ..drawing import DrawnTile, tile_at
from .tables import SCHEMA

ZOOMS = range(15)
_POINTS = 40_000
"""Vertices of a layer among which tiles are drawn: more where there is more to draw."""

_HEAVY = 1000
"""Vertices of a shape from which on one tile of it is much work for who transforms the whole of it."""

_ROWS = "SELECT count(*), sum(ST_NPoints(geom)) FROM {}"
# The points stand in FROM: in the SELECT list they would come after the numbers, which then are those of the rows.
_VERTICES = """
SELECT ST_X(point), ST_Y(point) FROM (
    SELECT dumped.geom AS point, row_number() OVER () AS number FROM {}, ST_DumpPoints(geom) AS dumped WHERE {}
) AS vertices WHERE number %% %s = 0
"""
_HEAVIEST = "SELECT id, ST_NPoints(geom) FROM {} ORDER BY ST_NPoints(geom) DESC, id LIMIT 1"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The tiles of a layer, those of its heaviest shape among them: one of each zoom, none where no shape is heavy."""

    tiles: list[DrawnTile]
    heavy: frozenset[DrawnTile]


def vertices(connection: Connection[Any], table: str) -> list[tuple[float, float]]:
    """Longitude and latitude of every so many-eth vertex of a table, in the order of its rows."""
    relation = sql.Identifier(SCHEMA, table)
    with connection.transaction():
        # One order, always the same.
        connection.execute(
            "SET LOCAL max_parallel_workers_per_gather = 0; SET LOCAL synchronize_seqscans = off; SET LOCAL jit = off"
        )
        row = connection.execute(sql.SQL(_ROWS).format(relation)).fetchone()
        total = int(row[1] or 0) if row else 0
        return connection.execute(sql.SQL(_VERTICES).format(relation, sql.SQL("true")), [max(1, total // _POINTS)]).fetchall()


def of_heaviest(connection: Connection[Any], table: str) -> list[tuple[float, float]]:
    """Vertices of the shape that has most of them; none where that is not heavy."""
    relation = sql.Identifier(SCHEMA, table)
    row = connection.execute(sql.SQL(_HEAVIEST).format(relation)).fetchone()
    if row is None or (row[1] or 0) < _HEAVY:
        return []
    text = sql.SQL(_VERTICES).format(relation, sql.SQL("id = {}").format(sql.Literal(row[0])))
    return connection.execute(text, [max(1, row[1] // _POINTS)]).fetchall()


def _fullest(places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return min(Counter(places).items(), key=lambda item: (-item[1], item[0]))[0]


def drawn(
    layer: str, points: Sequence[tuple[float, float]], heaviest: Sequence[tuple[float, float]], count: int, seed: int
) -> Chosen:
    """At most `count` tiles of each zoom: first the one with most vertices, then the one with most of the heaviest shape."""
    source = random.Random(f"flagstone scale {layer} {seed}")
    found: list[DrawnTile] = []
    heavy: set[DrawnTile] = set()
    for zoom in ZOOMS:
        here = [tile_at(longitude, latitude, zoom) for longitude, latitude in points]
        chosen = dict.fromkeys([_fullest(here)])
        if heaviest:
            x, y = _fullest([tile_at(longitude, latitude, zoom) for longitude, latitude in heaviest])
            chosen[x, y] = None
            heavy.add(DrawnTile(layer, zoom, x, y))
        for _ in range(count * 10):
            if len(chosen) >= count:
                break
            chosen[source.choice(here)] = None
        found += [DrawnTile(layer, zoom, x, y) for x, y in chosen]
    return Chosen(found, frozenset(heavy))


def of_layers(dsn: str, tables: Sequence[str], count: int, seed: int) -> dict[str, Chosen]:
    """The drawn tiles of each table, by the id of its layer."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return {
            layer: drawn(layer, vertices(connection, table), of_heaviest(connection, table), count, seed)
            for table, layer in ((table, f"{SCHEMA}.{table}") for table in tables)
        }
