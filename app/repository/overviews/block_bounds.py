"""Where the blocks of a layer begin, so that about as many rows lie in each: found by a sample of its rows."""

from __future__ import annotations

import math
from typing import Any

from psycopg import Connection, sql

from .blocks import FAR, Blocks, as_array, as_float, corner
from .target import Target

ROWS = 24
"""Rows of a block: one that changed makes the cells of as many others uncertain."""
_MOST = 262_144
"""Blocks, whatever the number of rows: statements carry the bounds of all of them."""
_SAMPLED = 200_000


def measured(connection: Connection[Any], target: Target) -> Blocks:
    """Blocks for the rows that the table has now, by a sample of them. In a transaction of the caller."""
    relation, geom = target.relation, target.sql.shapes.column()
    x, y = corner(target, geom)
    found = connection.execute(sql.SQL("SELECT count(*) FROM {} AS source").format(relation)).fetchone()
    rows = int(found[0]) if found else 0
    share = min(1.0, _SAMPLED / max(rows, 1))
    chosen = sql.SQL("") if share == 1 else sql.SQL(" WHERE random() < {}").format(as_float(share))
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE flagstone_corners ON COMMIT DROP AS SELECT * FROM"
            " (SELECT {x} AS x, {y} AS y FROM {relation} AS source{chosen}) AS corner"
            " WHERE abs(x) < {far} AND abs(y) < {far}"
        ).format(x=x, y=y, relation=relation, chosen=chosen, far=as_float(FAR))
    )
    wanted = min(_MOST, math.ceil(rows / ROWS)) or 1
    strips = math.isqrt(wanted)
    parts = [place / strips for place in range(1, strips)]
    found = connection.execute(
        "SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY x), min(y), max(y), count(*) FROM pg_temp.flagstone_corners",
        [parts],
    ).fetchone()
    edges, low, high, sampled = found or (None, None, None, 0)
    made = Blocks(tuple(sorted(set(edges or ()))), low or 0.0, high or 0.0, ())
    bounds = connection.execute(
        sql.SQL(
            "SELECT strip * {span} FROM generate_series(0, {strips}) AS strip UNION SELECT key FROM"
            " (SELECT key, row_number() OVER (PARTITION BY floor(key / {span}) ORDER BY key) AS place FROM"
            " (SELECT width_bucket(x, {edges}) * {span} + (y - {low}) AS key FROM pg_temp.flagstone_corners) AS keyed) AS placed"
            " WHERE place %% {step} = 0 ORDER BY 1"
        ).format(
            span=as_float(made.span), strips=sql.Literal(len(made.strips)), edges=as_array(made.strips), low=as_float(made.low),
            step=sql.Literal(max(1, round(sampled / wanted))),
        ),
        [],
    ).fetchall()  # fmt: skip
    return Blocks(made.strips, made.low, made.high, tuple(bound for (bound,) in bounds))
