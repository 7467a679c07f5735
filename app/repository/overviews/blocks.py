"""Blocks: the rows of a layer in some thousand rectangles of about as many rows each, counted when a band is made of them.

A later count that differs says in which rectangles rows came, went or became others: without triggers, and without
remembering each row. A row belongs to the block of the lower left corner of its box, in the layer's CRS: whatever the
geometry is, that corner is known from the head of its value. Where the rows of a block lie in the grid is remembered as
the box of their cells, whichever way the projection bends.

    block    number of the block, from 1
    bound    where it begins, see `Blocks.key`
    rows     rows, with or without a place in the grid
    digest   what tells these rows from others (`Trace`)
    inside   rows with a place in the grid
    cells    box of their cells in the finest band, column and row; sum_x, sum_y: the sums of these
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from ...layers.overview import BandPlan
from .. import own_schema
from ..identifier import identifier, text_literal
from . import registry
from .target import Target
from .trace import Trace

ROWS = 24
"""Rows of a block: one that changed makes the cells of as many others uncertain."""
_MOST = 262_144
_SAMPLED = 200_000
_FAR = 1e30
BLOCK, SETTLED = "flagstone~block", "flagstone~settled"
"""Columns beside a table's own; nobody calls a column so."""


@dataclass(frozen=True)
class Blocks:
    """Where blocks begin. `strips` are values of x; in each strip blocks are ranges of y, between `low` and `high`."""

    strips: tuple[float, ...]
    low: float
    high: float
    bounds: tuple[float, ...] | sql.Identifier
    """Themselves, or the table of blocks that has them: there may be a hundred thousand, which are not sent to and fro."""

    @property
    def span(self) -> float:
        """Distance of two strips on the line that `bounds` divide."""
        return self.high - self.low + 1.0

    def number(self, target: Target, geom: sql.Composable) -> sql.Composed:
        """The block of a geometry; NULL for NULL and empty ones."""
        if isinstance(self.bounds, sql.Identifier):
            bounds = sql.SQL("ARRAY(SELECT bound FROM {} ORDER BY block)").format(self.bounds)
        else:
            bounds = _array(self.bounds)
        return sql.SQL("pg_catalog.width_bucket({key}, {bounds})").format(
            key=self.key(target, geom), bounds=bounds
        )

    def column(self, target: Target) -> sql.Composed:
        """The block of a row of `source`, as a column of its feature."""
        return sql.SQL("{} AS {}").format(self.number(target, target.sql.shapes.column()), identifier(BLOCK))

    def key(self, target: Target, geom: sql.Composable) -> sql.Composed:
        """Place of a geometry on a line: strip after strip, in each from low to high y."""
        x, y = corner(target, geom)
        return sql.SQL(
            "pg_catalog.width_bucket({x}, {strips}) * {span} + (LEAST(GREATEST({y}, {low}), {high}) - {low})"
        ).format(
            x=x, y=y, strips=_array(self.strips), span=_float(self.span), low=_float(self.low), high=_float(self.high)
        )  # fmt: skip

    def rectangle(self, bound: float, end: float) -> tuple[float, float, float, float]:
        """xmin, ymin, xmax, ymax in the layer's CRS of where the corners of the rows of a block lie that begins at `bound`,
        the next one at `end`, if there is one (else infinity); a little more."""
        strip = math.floor(bound / self.span + 1e-12)
        slack = 1e-12 * self.span * (len(self.strips) + 1)
        left = self.strips[strip - 1] if strip > 0 else -_FAR
        right = self.strips[strip] if strip < len(self.strips) else _FAR
        bottom = bound - strip * self.span + self.low - slack if bound > strip * self.span else -_FAR
        top = end - strip * self.span + self.low + slack if end < (strip + 1) * self.span else _FAR
        return left, bottom, right, top

    def document(self) -> dict[str, Any]:
        """As JSON for the registry, without `bounds`: those are in the table."""
        return {"strips": list(self.strips), "low": self.low, "high": self.high}


def corner(target: Target, geom: sql.Composable) -> tuple[sql.Composed, sql.Composed]:
    """x and y of the lower left corner of a geometry's box, from the head of the value alone."""
    s = target.sql.shapes.s
    text = "{s}.{edge}(({g})::{s}.box2d::{s}.box3d)"
    return (
        sql.SQL(text).format(s=s, g=geom, edge=sql.SQL("ST_XMin")),
        sql.SQL(text).format(s=s, g=geom, edge=sql.SQL("ST_YMin")),
    )


def measured(connection: Connection[Any], target: Target) -> Blocks:
    """Blocks for the rows that the table has now, by a sample of them. In a transaction of the caller."""
    relation, geom = target.relation, target.sql.shapes.column()
    x, y = corner(target, geom)
    found = connection.execute(sql.SQL("SELECT count(*) FROM {} AS source").format(relation)).fetchone()
    rows = int(found[0]) if found else 0
    share = min(1.0, _SAMPLED / max(rows, 1))
    chosen = sql.SQL("") if share == 1 else sql.SQL(" WHERE random() < {}").format(_float(share))
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE flagstone_corners ON COMMIT DROP AS SELECT * FROM"
            " (SELECT {x} AS x, {y} AS y FROM {relation} AS source{chosen}) AS corner"
            " WHERE abs(x) < {far} AND abs(y) < {far}"
        ).format(x=x, y=y, relation=relation, chosen=chosen, far=_float(_FAR))
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
            span=_float(made.span), strips=sql.Literal(len(made.strips)), edges=_array(made.strips), low=_float(made.low),
            step=sql.Literal(max(1, round(sampled / wanted))),
        ),
        [],
    ).fetchall()  # fmt: skip
    return Blocks(made.strips, made.low, made.high, tuple(bound for (bound,) in bounds))


def read(table: str, document: dict[str, Any]) -> Blocks:
    """Blocks as a build left them."""
    return Blocks(tuple(document["strips"]), document["low"], document["high"], named(table))


def made_by(connection: Connection[Any], target: Target) -> list[str]:
    """Versions of what computes: another one may put the same row elsewhere."""
    row = connection.execute(
        sql.SQL(
            "SELECT {s}.PostGIS_Lib_Version(), {s}.PostGIS_GEOS_Version(), {s}.PostGIS_PROJ_Version()"
        ).format(s=target.sql.shapes.s)
    ).fetchone()
    return [str(version) for version in row or ()]


def named(table: str) -> sql.Identifier:
    """A table of schema flagstone."""
    return sql.Identifier(own_schema.SCHEMA, table)


def seen(target: Target, blocks: Blocks, trace: Trace) -> sql.Composed:
    """One row for each block that has rows now: block, rows, digest of them, and rows and digest of those that the trace
    says are as they were."""
    # The planner knows nothing of what comes out of a union, and guesses few groups: so each process adds up its own rows.
    # Of an expression over a geometry it would guess as many groups as there are rows, and send all of them to one.
    if trace.tells_rows:
        # A digest says nothing more, and to add it up would take a third of the time.
        return sql.SQL(
            "SELECT block, count(*)::int4 AS rows, 0::int8 AS digest, (count(*) FILTER (WHERE settled))::int4 AS settled,"
            " 0::int8 AS settled_digest FROM (SELECT {number} AS block, {settled} AS settled FROM {relation} AS source"
            " UNION ALL SELECT 0, false FROM {relation} AS source WHERE false) AS source GROUP BY block"
        ).format(
            number=blocks.number(target, target.sql.shapes.column()), settled=trace.settled(sql.Identifier("source")),
            relation=target.relation,
        )  # fmt: skip
    return sql.SQL(
        "SELECT block, count(*)::int4 AS rows, sum(hash) AS digest, count(*)::int4 AS settled, sum(hash) AS settled_digest FROM ("
        "SELECT {number} AS block, {hash} AS hash FROM {relation} AS source"
        " UNION ALL SELECT 0, 0::int8 FROM {relation} AS source WHERE false) AS source GROUP BY block"
    ).format(
        number=blocks.number(target, target.sql.shapes.column()), hash=trace.hash(sql.Identifier("source")),
        relation=target.relation,
    )  # fmt: skip


def inside(target: Target, plan: BandPlan, features: sql.Composable) -> sql.Composed:
    """Where the features of each block lie: block, inside, cells, sum_x, sum_y."""
    return sql.SQL(
        "SELECT block, count(*)::int4 AS inside, box(point(min(cx), min(cy)), point(max(cx), max(cy))) AS cells,"
        " sum(cx::int8) AS sum_x, sum(cy::int8) AS sum_y"
        " FROM (SELECT {block} AS block, cell.* FROM {features} AS f CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy)) AS f"
        " GROUP BY block"
    ).format(block=identifier(BLOCK), features=features, cell=target.sql.cell(plan))


def write(
    connection: Connection[Any],
    target: Target,
    number: int,
    plan: BandPlan,
    blocks: Blocks,
    features: sql.Composable,
) -> None:
    """The table of blocks for the features that a band has just been made of, `blocks` as measured. In the transaction, and
    the snapshot, of both."""
    name = f"overview_{number}_blocks"
    bounds = blocks.bounds
    if isinstance(bounds, sql.Identifier):
        raise TypeError("These blocks have a table already.")
    trace = Trace.of(connection, target)
    connection.execute(
        sql.SQL(
            "CREATE TABLE {table} AS SELECT bound.block::int4, bound.value AS bound, COALESCE(seen.rows, 0) AS rows,"
            " COALESCE(seen.digest, 0) AS digest, COALESCE(inside.inside, 0) AS inside, inside.cells, inside.sum_x, inside.sum_y\n"
            "FROM unnest({bounds}) WITH ORDINALITY AS bound (value, block)\n"
            "LEFT JOIN ({seen}) AS seen ON seen.block = bound.block\n"
            "LEFT JOIN ({inside}) AS inside ON inside.block = bound.block ORDER BY bound.block"
        ).format(
            table=named(name), bounds=_array(bounds), seen=seen(target, blocks, trace),
            inside=inside(target, plan, features),
        )
    )  # fmt: skip
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (block)").format(named(name)))
    connection.execute(sql.SQL("CREATE INDEX ON {} USING gist (cells)").format(named(name)))
    connection.execute(sql.SQL("ANALYZE {}").format(named(name)))
    comment = f"Flagstone: what the overview of {target.layer.id} in {target.grid.id} was made of, to find rows that change."
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(named(name), text_literal(comment)))
    own_schema.nobody(connection, name)
    registry.add_table(connection, number, "blocks", name, None, in_pieces=False, rows=len(bounds))
    registry.remember(
        connection,
        number,
        "blocks",
        blocks.document() | trace.document() | {"made_by": made_by(connection, target)},
    )


def doubt(connection: Connection[Any], target: Target, number: int) -> None:
    """Mark the blocks whose rows are others than when the bands were made, before pieces are made of them.

    A row that changes and changes back in between would leave nothing else behind. Rows that carry their transaction need no mark.
    """
    trace = Trace.of(connection, target)
    document = registry.remembered(connection, number, "blocks")
    if trace.tells_rows or document is None:
        return
    name = f"overview_{number}_blocks"
    now = seen(target, read(name, document), trace)
    connection.execute(
        sql.SQL(
            "UPDATE {table} SET digest = NULL WHERE block IN (SELECT b.block FROM {table} AS b LEFT JOIN ({seen}) AS seen"
            " ON seen.block = b.block WHERE (b.rows, b.digest) IS DISTINCT FROM (COALESCE(seen.rows, 0), COALESCE(seen.digest, 0)))"
        ).format(table=named(name), seen=now)
    )


def _float(value: float) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.float8").format(sql.Literal(repr(value)))


def _array(values: Sequence[float]) -> sql.Composed:
    # As text: a literal list would be parsed number by number.
    return sql.SQL("{}::pg_catalog.float8[]").format(sql.Literal("{" + ",".join(map(repr, values)) + "}"))
