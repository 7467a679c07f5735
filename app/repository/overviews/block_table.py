"""The table of a layer's blocks: what their rows were when a band was made of them, and what they are now."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from ...layers.overview import BandPlan
from .. import own_schema
from ..identifier import identifier, text_literal
from . import registry
from .blocks import BLOCK, Blocks, as_array, named, read
from .target import Target
from .trace import Trace


def made_by(connection: Connection[Any], target: Target) -> list[str]:
    """Versions of what computes: another one may put the same row elsewhere."""
    row = connection.execute(
        sql.SQL(
            "SELECT {s}.PostGIS_Lib_Version(), {s}.PostGIS_GEOS_Version(), {s}.PostGIS_PROJ_Version()"
        ).format(s=target.sql.shapes.s)
    ).fetchone()
    return [str(version) for version in row or ()]


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


_NOWHERE = sql.SQL(
    "SELECT 0 AS block, 0 AS inside, NULL::box AS cells, NULL::numeric AS sum_x, NULL::numeric AS sum_y WHERE false"
)


def write(
    connection: Connection[Any],
    target: Target,
    number: int,
    plan: BandPlan | None,
    blocks: Blocks,
    features: sql.Composable | None,
) -> None:
    """The table of blocks for the features that a band has just been made of, `blocks` as measured. In the transaction, and
    the snapshot, of both. Without `features`, where there are pieces alone: they lie in no cells."""
    name = f"overview_{number}_blocks"
    bounds = blocks.bounds
    if isinstance(bounds, sql.Identifier):
        raise TypeError("These blocks have a table already.")
    trace = Trace.of(connection, target)
    connection.execute(
        sql.SQL(
            "CREATE TABLE {table} AS SELECT bound.block::int4, bound.value AS bound, COALESCE(seen.rows, 0) AS rows,"
            " COALESCE(seen.digest, 0) AS digest, COALESCE(inside.inside, 0) AS inside, inside.cells, inside.sum_x,"
            " inside.sum_y\n"
            "FROM unnest({bounds}) WITH ORDINALITY AS bound (value, block)\n"
            "LEFT JOIN ({seen}) AS seen ON seen.block = bound.block\n"
            "LEFT JOIN ({inside}) AS inside ON inside.block = bound.block ORDER BY bound.block"
        ).format(
            table=named(name), bounds=as_array(bounds), seen=seen(target, blocks, trace),
            inside=_NOWHERE if plan is None or features is None else inside(target, plan, features),
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

    A row that changes and changes back in between would leave nothing else behind. Rows that carry their transaction need no
    mark.
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
            " ON seen.block = b.block WHERE (b.rows, b.digest) IS DISTINCT FROM (COALESCE(seen.rows, 0), COALESCE(seen.digest,"
            " 0)))"
        ).format(table=named(name), seen=now)
    )
