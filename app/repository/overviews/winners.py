"""Cells of the finest band whose winner is as it was: only rows that came compete with it, and it goes on standing for others.

Where the winner itself changed or is gone, or where it is not known how many rows of the cell are gone, every row of the
cell has to compete again: such a cell is heavy. Of large rows, drawn as they are, there may be many in a cell; those that
are as they were are left alone in a light one.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from ...layers.overview import Band, BandPlan, has_row_security, key_of
from ...layers.totals import totals
from ..identifier import identifier
from .blocks import BLOCK, SETTLED, named
from .target import Target
from .touched import places
from .trace import Trace

PLACES = (
    "INSERT INTO pg_temp.flagstone_found SELECT o.place FROM pg_temp.flagstone_old AS o JOIN pg_temp.flagstone_light AS l"
    " USING (cx, cy) WHERE o.competes OR NOT o.is_settled"
)
"""Rows of the band in light cells that are made again, or go."""


def judge(connection: Connection[Any], target: Target, band: Band, trace: Trace) -> None:
    """Say of each cell in flagstone_cells whether it is heavy."""
    layer, names = target.layer, target.sql.names
    if not trace.tells_rows or not layer.key or has_row_security(layer) or totals(layer):
        connection.execute("UPDATE pg_temp.flagstone_cells SET is_heavy = true")
    same = sql.SQL(" AND ").join(
        sql.SQL("source.{0} = band.{0}").format(identifier(name)) for name in key_of(layer)
    )
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE flagstone_old ON COMMIT DROP AS"
            " SELECT cell.*, band.ctid AS place, {keys}, band.{piece} AS \"~number\","
            " band.{count} AS \"~rows\", band.{width} < {small} AS competes,"
            " EXISTS (SELECT FROM {relation} AS source WHERE {same} AND {settled}) AS is_settled"
            " FROM {band} AS band CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy) WHERE band.ctid = ANY (ARRAY({places}))"
        ).format(
            keys=sql.SQL(", ").join(
                sql.SQL("band.{} AS {}").format(identifier(name), _kept(place)) for place, name in enumerate(key_of(layer))
            ),
            piece=identifier(names.piece), count=identifier(names.count), width=identifier(names.width),
            small=sql.Literal(band.plan.small), relation=target.relation, same=same,
            settled=trace.settled(sql.Identifier("source")), band=named(band.table), cell=target.sql.cell(band.plan),
            places=places(target, band, band.plan, heavy=False),
        )
    )  # fmt: skip
    connection.execute(
        "CREATE TEMPORARY TABLE flagstone_light ON COMMIT DROP AS\n"
        'WITH lying AS (SELECT cx, cy, bool_and(is_settled) FILTER (WHERE competes) AS stays,'
        ' max("~rows") FILTER (WHERE competes) AS stood,'
        ' count(*) FILTER (WHERE NOT competes AND NOT is_settled AND "~number" <= 1) AS large_gone FROM pg_temp.flagstone_old'
        ' GROUP BY cx, cy),\n'
        "single AS (SELECT (cells[0])[0] AS cx, (cells[0])[1] AS cy, cells, removed FROM pg_temp.flagstone_cells"
        " WHERE NOT is_heavy),\n"
        "counted AS (SELECT cx, cy, cells, stays, stood, removed - COALESCE(large_gone, 0) AS small_gone FROM single"
        " LEFT JOIN lying USING (cx, cy))\n"
        "SELECT cx, cy, cells, stood - small_gone AS stands FROM counted"
        " WHERE stays IS NOT FALSE AND small_gone >= 0 AND CASE WHEN stood IS NULL"
        " THEN small_gone = 0 ELSE stood > small_gone END"
        " AND NOT EXISTS (SELECT FROM pg_temp.flagstone_cells AS wide WHERE wide.is_heavy"
        " AND wide.cells @> point(counted.cx, counted.cy))"
    )
    connection.execute(
        "UPDATE pg_temp.flagstone_cells AS c SET is_heavy = true WHERE NOT is_heavy AND NOT EXISTS (SELECT FROM"
        " pg_temp.flagstone_light AS l WHERE (l.cx, l.cy) = ((c.cells[0])[0], (c.cells[0])[1]))"
    )


def compete(connection: Connection[Any], target: Target, plan: BandPlan) -> None:
    """Put the winners of light cells into flagstone_competing, each for the rows that it stands for yet."""
    count, keys = (
        identifier(target.sql.names.count),
        [(identifier(name), _kept(place)) for place, name in enumerate(key_of(target.layer))],
    )
    standing = sql.SQL(
        "(SELECT source.* FROM pg_temp.flagstone_old AS o JOIN pg_temp.flagstone_light AS l USING (cx, cy)"
        " JOIN {relation} AS source ON {same}"
        " WHERE o.competes)"
    ).format(
        relation=target.relation,
        same=sql.SQL(" AND ").join(sql.SQL("source.{} = o.{}").format(*key) for key in keys),
    )
    features = target.sql.features_of_table(
        plan.pixel,
        None,
        standing,
        sql.SQL("0 AS {}").format(identifier(BLOCK)),
        sql.SQL("NULL::bool AS {}").format(identifier(SETTLED)),
    )
    connection.execute(sql.SQL("INSERT INTO pg_temp.flagstone_competing {}").format(features))
    connection.execute(
        sql.SQL(
            "UPDATE pg_temp.flagstone_competing AS f SET {count} = l.stands FROM pg_temp.flagstone_old AS o"
            " JOIN pg_temp.flagstone_light AS l USING (cx, cy) WHERE o.competes AND f.{settled} IS NULL AND {same}"
        ).format(
            count=count,
            settled=identifier(SETTLED),
            same=sql.SQL(" AND ").join(sql.SQL("f.{} = o.{}").format(*key) for key in keys),
        )
    )


def _kept(place: int) -> sql.Identifier:
    # A key may be called as our own columns are.
    return sql.Identifier(f"~key{place}")
