"""What the fuzzer knows of the database: layers, their columns with values that occur, and places where features are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from app.layers.names import layer_id


@dataclass(frozen=True, slots=True)
class Known:
    """One layer: `values` are texts that occur by column, `places` longitudes and latitudes of features."""

    id: str
    geometry: str
    values: dict[str, tuple[str, ...]]
    kinds: dict[str, str]
    places: tuple[tuple[float, float], ...]


def read(dsn: str) -> list[Known]:
    """The layers of the sample and of `fuzz.sql`, those that the fuzzer's login may read."""
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(_COLUMNS).fetchall()
        names = sorted({(schema, table) for schema, table, _, _ in columns})
        return [_layer(connection, schema, table, columns) for schema, table in names]


def tile(place: tuple[float, float], zoom: int) -> tuple[int, int]:
    """Column and row of the tile of WebMercatorQuad with this longitude and latitude."""
    longitude, latitude = place
    across = 1 << zoom
    y = math.asinh(math.tan(math.radians(max(-85.0, min(85.0, latitude))))) / math.pi
    return min(across - 1, max(0, int((longitude + 180) / 360 * across))), min(across - 1, int((1 - y) / 2 * across))


_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname, t.typname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE n.nspname IN ('public', 'sample') AND c.relkind IN ('r', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
        AND EXISTS (SELECT FROM pg_attribute g WHERE g.attrelid = c.oid AND g.attname = 'geom')
        AND has_column_privilege(c.oid, a.attnum, 'SELECT')
    ORDER BY 1, 2, a.attnum
"""


def _layer(connection: psycopg.Connection[TupleRow], schema: str, table: str, columns: list[TupleRow]) -> Known:
    own = {name: kind for in_schema, in_table, name, kind in columns if (in_schema, in_table) == (schema, table)}
    relation = sql.Identifier(schema, table)
    attributes = [name for name in own if name != "geom"]
    wanted = sql.SQL(", ").join([sql.SQL("{}::text").format(sql.Identifier(name)) for name in attributes])
    point = sql.SQL("ST_PointOnSurface(CASE WHEN ST_SRID(geom) = 4326 THEN geom ELSE ST_Transform(geom, 4326) END)")
    rows = connection.execute(
        sql.SQL("SELECT ST_X(p), ST_Y(p), {} FROM (SELECT *, {} AS p FROM (SELECT {}, geom FROM {} LIMIT 300) AS few) AS drawn").format(
            wanted, point, sql.SQL(", ").join(map(sql.Identifier, attributes)), relation)
    ).fetchall()  # fmt: skip
    values = {
        name: tuple(sorted({row[place + 2] for row in rows if row[place + 2] is not None}))[:40] for place, name in enumerate(attributes)
    }
    kind = connection.execute(sql.SQL("SELECT GeometryType(geom) FROM {} LIMIT 1").format(relation)).fetchone()
    places = tuple((row[0], row[1]) for row in rows if row[0] is not None)
    return Known(layer_id(schema, table), kind[0] if kind else "", values, {name: own[name] for name in attributes}, places)

