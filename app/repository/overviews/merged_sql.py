"""Lines with equal values of some columns that follow upon one another, as one feature.

Two lines are one where both end at a point at which no third of their group ends: so a road becomes one line from one
junction to the next, as ST_LineMerge has it, and not a net whose small meshes a coarse zoom would lose. A group is what
has equal values and its middle in the same block, a square as wide as a tile of the band that is aligned to the grid.
No line is cut at the edge of a block; it belongs to the one that its middle lies in.

    numbered   features with their block
    grouped    lines, with the number of their group; a group of very many vertices is several
    ends       where lines of a group end
    joints     for each line those of its ends at which exactly one other ends
    chained    lines that hang together by these, by the number of one of them
    members    these lines with all that is known of them, the first by the layer's rank, size and key in front
    joined     each chain as one line
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from ...layers.overview import BandPlan, key_of, merged_by, stored_columns
from ...layers.tile import PIXELS
from ...layers.totals import totals
from ..identifier import identifier
from .band_sql import DIMENSION, BandSql

_MOST_POINTS = 200_000
"""Vertices of a group, about: what PostGIS holds in memory at a time is some hundred bytes for each."""

_STEPS = 6
"""Of these at most so many hold as much as they may."""

_ROW, _BX, _BY, _CHUNK, _GROUP, _CHAIN, _PLACE = (
    identifier(f"flagstone~{name}") for name in ("row", "bx", "by", "chunk", "group", "chain", "order")
)


def merges(made: BandSql) -> bool:
    """Whether the layer's lines are merged."""
    return bool(merged_by(made.shapes.layer))


def write(
    connection: Connection[Any],
    table: sql.Identifier,
    made: BandSql,
    features: sql.Composable,
    plan: BandPlan,
) -> None:
    """Write the merged features into a table of their own, in a transaction of the caller."""
    # Nothing is known of the rows of a step: for each one to look through all of another step would take hours.
    connection.execute("SET LOCAL enable_nestloop = off")
    # A dozen steps hold rows at the same time.
    before = connection.execute(
        "SELECT current_setting('work_mem'), set_config('work_mem', pg_size_bytes(current_setting('work_mem')) / %s || 'kB',"
        " true)",
        [1024 * _STEPS],
    ).fetchone()
    connection.execute(sql.SQL("CREATE UNLOGGED TABLE {} AS {}").format(table, merged(made, features, plan)))
    connection.execute(
        "SELECT set_config('work_mem', %s, true), set_config('enable_nestloop', 'on', true)",
        [before[0] if before else "4MB"],
    )


def merged(made: BandSql, features: sql.Composable, plan: BandPlan) -> sql.Composed:
    """Features as `BandSql` has them, of such: lines that are one have the columns of the first of them, its measures
    anew, and the counts and totals of all. Other features are as they were."""
    layer, names, s = made.shapes.layer, made.names, made.shapes.s
    geometry, x, y = identifier(names.geometry), identifier(names.x), identifier(names.y)
    columns = sql.SQL(", ").join(identifier(name) for name in stored_columns(layer))
    count, size = identifier(names.count), identifier(names.size)
    added = [
        (identifier(name), kind)
        for each in totals(layer)
        for name, kind in ((each.total, "numeric"), (each.rows, "int8"))
    ]
    equal = sql.SQL(", ").join(
        sql.SQL("{}::pg_catalog.text").format(identifier(name)) for name in merged_by(layer)
    )
    group = sql.SQL("{}, {}, {}").format(equal, _BX, _BY)
    origin = made.shapes.grid.matrices[made.shapes.grid.minzoom]
    given = {
        "features": features, "columns": columns, "count": count, "size": size, "x": x, "y": y, "geometry": geometry, "s": s,
        "width": identifier(names.width), "dimension": DIMENSION, "row": _ROW, "bx": _BX, "by": _BY, "chunk": _CHUNK,
        "group": _GROUP, "chain": _CHAIN, "place": _PLACE, "equal": group, "order": made.order(),
        "keys": sql.SQL(", ").join(identifier(name) for name in key_of(layer)), "most": sql.Literal(_MOST_POINTS),
        "ox": sql.Literal(origin.origin_x), "oy": sql.Literal(origin.origin_y), "block": sql.Literal(plan.pixel * PIXELS),
        "measures": made.shapes.measures(sql.SQL("joined.geom")),
        "totals": sql.Composed([sql.SQL(", {}").format(name) for name, _ in added]),
        "sums": sql.Composed([
            sql.SQL(", pg_catalog.sum({0})::pg_catalog.{1} AS {0}").format(name, sql.Identifier(kind)) for name, kind in added
        ]),
        "of_first": sql.SQL(", ").join(sql.SQL("members.{}").format(identifier(name)) for name in stored_columns(layer)),
        "joined_totals": sql.Composed([sql.SQL(", joined.{}").format(name) for name, _ in added]),
    }  # fmt: skip
    return sql.SQL(
        "WITH numbered AS MATERIALIZED (SELECT features.*, pg_catalog.row_number() OVER () AS {row},"
        " pg_catalog.floor(({x} - {ox}) / {block}) AS {bx}, pg_catalog.floor(({oy} - {y}) / {block}) AS {by}"
        " FROM (\n{features}\n) AS features),\n"
        "grouped AS (SELECT {row}, {geometry}, pg_catalog.min({row}) OVER (PARTITION BY {equal}, {chunk}) AS {group} FROM"
        " (SELECT numbered.*, pg_catalog.floor(pg_catalog.sum({s}.ST_NPoints({geometry})) OVER (PARTITION BY {equal}"
        " ORDER BY {x}, {y}, {keys})"
        " / {most}) AS {chunk} FROM numbered WHERE {dimension} = 1 AND {geometry} IS NOT NULL) AS lines),\n"
        "ends AS (SELECT {row}, {group}, end_.geom, pg_catalog.count(*)"
        " OVER (PARTITION BY {group}, {s}.ST_X(end_.geom), {s}.ST_Y(end_.geom))"
        " AS meeting FROM grouped CROSS JOIN LATERAL {s}.ST_Dump({s}.ST_Boundary({geometry})) AS end_),\n"
        "joints AS (SELECT {row}, {group}, {s}.ST_Collect(geom) AS geom FROM ends WHERE meeting = 2 GROUP BY {row}, {group}),\n"
        "chained AS (SELECT {row}, pg_catalog.min({row}) OVER (PARTITION BY {group}, cluster) AS {chain} FROM"
        " (SELECT joints.*, {s}.ST_ClusterDBSCAN(geom, 0, 1) OVER (PARTITION BY {group}) AS cluster FROM joints) AS clustered),\n"
        "members AS (SELECT numbered.*, chained.{chain}, pg_catalog.row_number() OVER (PARTITION BY chained.{chain}"
        " ORDER BY {order}) AS {place}"
        " FROM numbered JOIN chained USING ({row})),\n"
        "joined AS (SELECT {chain}, {s}.ST_LineMerge({s}.ST_Collect({geometry} ORDER BY {place})) AS geom,"
        " pg_catalog.sum({count})::pg_catalog.int8 AS {count}, pg_catalog.sum({size})::pg_catalog.float4 AS {size}{sums}"
        " FROM members GROUP BY {chain})\n"
        "SELECT {columns}, {count}, {x}, {y}, {width}, {size}{totals}, {dimension}, {geometry} FROM numbered"
        " WHERE NOT EXISTS (SELECT FROM chained WHERE chained.{row} = numbered.{row})\n"
        "UNION ALL\nSELECT {of_first}, joined.{count}, measured.x, measured.y, measured.width, joined.{size}{joined_totals},"
        " members.{dimension}, joined.geom"
        " FROM members JOIN joined USING ({chain}) CROSS JOIN LATERAL (SELECT {measures}) AS measured (x, y, width, size)"
        " WHERE members.{place} = 1"
    ).format(**given)
