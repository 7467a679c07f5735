"""Which tiles are read: of every layer and zoom the fullest one, and some that hold data, the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection, sql

from ..drawing import DrawnTile, tile_at
from .tables import SCHEMA

ZOOMS = range(15)
_POINTS = 40_000
"""Vertices of a layer among which tiles are drawn: more where there is more to draw."""

_ROWS = "SELECT count(*), sum(ST_NPoints(geom)) FROM {}"
_VERTICES = """
SELECT ST_X(point), ST_Y(point) FROM (
    SELECT (ST_DumpPoints(geom)).geom AS point, row_number() OVER () AS number FROM {}
) AS vertices WHERE number %% %s = 0
"""


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
        return connection.execute(sql.SQL(_VERTICES).format(relation), [max(1, total // _POINTS)]).fetchall()


def drawn(layer: str, points: Sequence[tuple[float, float]], count: int, seed: int) -> list[DrawnTile]:
    """At most `count` tiles of each zoom. The first of each zoom is the one with most vertices."""
    source = random.Random(f"flagstone scale {layer} {seed}")
    found: list[DrawnTile] = []
    for zoom in ZOOMS:
        here = [tile_at(longitude, latitude, zoom) for longitude, latitude in points]
        chosen = dict.fromkeys([min(Counter(here).items(), key=lambda item: (-item[1], item[0]))[0]])
        for _ in range(count * 10):
            if len(chosen) == count:
                break
            chosen[source.choice(here)] = None
        found += [DrawnTile(layer, zoom, x, y) for x, y in chosen]
    return found


def of_layers(dsn: str, tables: Sequence[str], count: int, seed: int) -> dict[str, list[DrawnTile]]:
    """The drawn tiles of each table, by the id of its layer."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return {
            f"{SCHEMA}.{table}": drawn(f"{SCHEMA}.{table}", vertices(connection, table), count, seed)
            for table in tables
        }
