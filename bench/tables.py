"""Many small tables, for what a large catalog costs."""

from __future__ import annotations

import psycopg

_AT_ONCE = 200
"""Tables of one transaction: each takes locks of its own, and the server has room for some thousand."""

# Eight columns and 40 rows around a place of the table's own; one table in three holds polygons, one lines.
_TABLES = """
DO $$
DECLARE
    number integer;
    kind text;
    shape text;
BEGIN
    FOR number IN {first}..{last} LOOP
        kind := (ARRAY['Point', 'LineString', 'Polygon'])[number % 3 + 1];
        shape := (ARRAY['p', 'ST_MakeLine(p, ST_Translate(p, 0.01, 0.01))', 'ST_Buffer(p, 0.01)'])[number % 3 + 1];
        EXECUTE format(
            'CREATE TABLE bench.t%1$s (id integer PRIMARY KEY, name text, kind text, height real, built date, '
            'owner text, remark text, geom geometry(%2$s, 4326)); '
            'INSERT INTO bench.t%1$s SELECT row, ''row '' || row, ''kind'', row / 3.0, date ''2020-01-01'' + row, '
            '''nobody'', NULL, %3$s FROM (SELECT row, ST_SetSRID(ST_MakePoint(%4$s + row * 0.002, %5$s + row * 0.001), 4326) '
            'AS p FROM generate_series(1, 40) AS row) AS rows; '
            'CREATE INDEX ON bench.t%1$s USING gist (geom)',
            lpad(number::text, 5, '0'), kind, shape, number % 360 - 180, number * 7 % 140 - 70);
    END LOOP;
END $$
"""


def name(number: int) -> str:
    """The id of the layer of one table."""
    return f"bench.t{number:05}"


def place(number: int) -> tuple[float, float]:
    """A point among the table's rows, in longitude and latitude."""
    return number % 360 - 180 + 0.04, number * 7 % 140 - 70 + 0.02


def make(dsn: str, count: int) -> None:
    """Tables 1 to `count` in schema `bench`."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA bench")
        for first in range(1, count + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, count)
            connection.execute(_TABLES.format(first=first, last=last).encode())
