"""A sample of a layer's rows, measured in a grid: enough to plan by, in bounded time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import QueryCanceled

from ...errors import OverviewError
from ...layers.overview import has_row_security
from ...layers.overview_plan import Allowance, Estimate, estimates
from ...layers.overview_sample import Attribute, Sample, SampledRow
from ...layers.single_rows import planned_single_rows
from .. import statistics_samples
from ..identifier import identifier
from . import grants
from .plans import Plan
from .row_filter import always
from .shapes_sql import HEAVY_POINTS
from .target import Target

ROWS = 50_000
_ATTRIBUTE_ROWS = 2_000
_BYTES = 64_000_000
"""Geometry that is read at most."""
_PAGES_BYTES = 2 << 30
"""Of the rows' pages so much is read at most for these; and for heavy polygons, where time is bounded, of a table."""
_SECONDS = 60
"""That `plan` looks at a layer; a build, which reads all of it anyway, has no limit."""
_ONE = 1 << 20
_LIGHT_BYTES = 4000
"""Stored size up to which no polygon is heavy: compressed, a vertex takes 4 bytes at least."""
_SIZE = """
SELECT
    coalesce(sum(pg_total_relation_size(c.oid)), 0)::int8,
    coalesce(sum(pg_relation_size(c.oid)), 0)::int8,
    -- As the planner does it: so many rows to a page, and pages as there are now.
    CASE
        WHEN bool_and(pg_relation_size(c.oid) = 0 OR c.reltuples >= 0 AND c.relpages > 0)
        THEN sum(coalesce(
            c.reltuples / nullif(c.relpages, 0) * (pg_relation_size(c.oid) / current_setting('block_size')::int8), 0
        ))::float8
    END,
    coalesce(bool_and(c.relkind IN ('r', 'm')), false)
FROM pg_class c
WHERE c.oid = %(oid)s AND c.relkind <> 'p'
    OR c.oid IN (SELECT relid FROM pg_partition_tree(%(oid)s::oid::regclass) WHERE isleaf)
"""


@dataclass(frozen=True, slots=True)
class Planned:
    """What to build, and what that is decided by: one estimate for each zoom, coarsest first."""

    plan: Plan
    sample: Sample
    expected: tuple[Estimate, ...]

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to build."""
        return bool(self.plan.bands) or self.plan.pieces


def plan(connection: Connection[Any], target: Target, allowance: Allowance, *, is_bounded: bool = False) -> Planned:
    """What the layer needs, so that no tile holds more than it may. Where that is to be bounded in time, OverviewError if a
    sample takes too long."""
    found = sample(connection, target, is_bounded=is_bounded)
    expected = estimates(found, target.grid, allowance)
    if has_row_security(target.layer):
        plans, expected = planned_single_rows(target.layer, target.grid, found, expected)
        return Planned(Plan(plans, pieces=False), found, expected)
    bands = sorted({each.band for each in expected if each.band is not None}, key=lambda band: -band.zoom)
    return Planned(Plan(tuple(bands), found.heavy_rows > 0), found, expected)


def sample(connection: Connection[Any], target: Target, *, is_bounded: bool = False) -> Sample:
    """Some ten thousand rows of the layer; all of them where there are few. Without a bound all polygons are asked whether they
    are heavy: of a million light ones a sample may miss the few that are not."""
    try:
        with connection.transaction():
            if is_bounded:
                connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{_SECONDS}s"])
            grants.see_every_row(connection, target.layer)
            size = _size(connection, target)
            before = statistics_samples.kept(connection, target, size.bytes)
            if before is not None:
                return before
            share = min(1.0, ROWS / max(size.rows, 1), _BYTES / max(size.bytes, 1))
            found = connection.execute(_measured(connection, target, size, share)).fetchall()
            attributes = _attributes(connection, target, size, min(1.0, _ATTRIBUTE_ROWS / max(size.rows, 1)))
            part = min(1.0, _PAGES_BYTES / max(size.bytes, 1)) if is_bounded and size.has_pages else 1.0
            heavy = connection.execute(_heavy(connection, target, size, part)).fetchone()
    except QueryCanceled as error:
        if not is_bounded:
            raise
        raise OverviewError(
            f"A sample of {target.layer.id} took more than {_SECONDS} seconds. `flask overviews build` takes one without that"
            " limit."
        ) from error
    made = tuple(SampledRow(*row) for row in found)
    of_heavy = (round(number / part) for number in heavy or (0, 0, 0))
    return Sample(made, round(len(made) / share), attributes, size.bytes, *of_heavy)


@dataclass(frozen=True, slots=True)
class _Size:
    """Rows, about; bytes with those of TOAST and indexes, and of rows alone. A view has no bytes, nor has a foreign table."""

    rows: int
    bytes: int = 0
    of_rows: int = 0
    has_pages: bool = False
    """Whether PostgreSQL can take a sample of it without reading all of it."""


def _size(connection: Connection[Any], target: Target) -> _Size:
    found = _Size(0)
    if target.layer.kind in "rmp":
        total, of_rows, rows, has_pages = connection.execute(_SIZE, {"oid": target.layer.oid}).fetchone() or (0, 0, None, False)
        found = _Size(round(rows or 0), int(total), int(of_rows), has_pages)
        if rows is not None:
            return found
    counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(target.relation)).fetchone()
    return replace(found, rows=int(counted[0]) if counted else 0)


def _source(connection: Connection[Any], target: Target, size: _Size, share: float) -> sql.Composed:
    """Rows that the layer shows, so many of them, as `source`."""
    sampled: sql.Composable = sql.SQL("")
    if share < 1 and not size.has_pages:
        sampled = sql.SQL("WHERE random() < {}").format(sql.Literal(share))
    elif share < 1 and size.of_rows <= _PAGES_BYTES:
        # Rows by themselves, not pages: neighbours often lie on one page, and a page of them says little of all cells.
        sampled = sql.SQL("TABLESAMPLE BERNOULLI ({}) REPEATABLE (1)").format(sql.Literal(share * 100))
    elif share < 1:
        # To read all pages would take minutes. Of each that is read it is a row or none.
        pages = _PAGES_BYTES / size.of_rows
        sampled = sql.SQL("TABLESAMPLE SYSTEM ({}) REPEATABLE (1) WHERE (hashtext(ctid::text) & {}) < {}").format(
            sql.Literal(pages * 100), sql.Literal(_ONE - 1), sql.Literal(share / pages * _ONE)
        )
    return _shown(connection, target, sampled)


def _shown(connection: Connection[Any], target: Target, sampled: sql.Composable) -> sql.Composed:
    condition = always(connection, target)
    where = sql.SQL("") if condition is None else sql.SQL(" WHERE {}").format(condition)
    return sql.SQL("(SELECT * FROM {relation} {sampled}) AS source{where}").format(
        relation=target.relation, sampled=sampled, where=where
    )


def _measured(connection: Connection[Any], target: Target, size: _Size, share: float) -> sql.Composed:
    """Boxes alone are transformed: to plan by, that is near enough, and a heavy geometry would take seconds."""
    shapes, s = target.sql.shapes, target.sql.shapes.s
    return sql.SQL(
        "SELECT measured.x, measured.y, measured.width::float8, stored.points, stored.dimension = 0, stored.dimension = 1"
        " FROM (SELECT {s}.ST_Envelope({column}) AS geom, {s}.ST_NPoints({column}) AS points,"
        " {s}.ST_Dimension({column}) AS dimension"
        " FROM {source}) AS stored\n"
        "{placed}\nCROSS JOIN LATERAL (SELECT {measures}) AS measured (x, y, width, size)"
        " WHERE placed.geom IS NOT NULL AND NOT {s}.ST_IsEmpty(placed.geom)"
    ).format(
        s=s, column=shapes.column(), source=_source(connection, target, size, share), placed=shapes.placed(),
        measures=shapes.measures(sql.SQL("placed.geom")),
    )  # fmt: skip


def _attributes(connection: Connection[Any], target: Target, size: _Size, share: float) -> tuple[Attribute, ...]:
    """What the served columns take, and how often their values repeat."""
    columns = target.layer.columns
    if not columns:
        return ()
    measured = sql.SQL(", ").join(
        sql.SQL(
            "COALESCE(avg(pg_column_size({c})), 0)::float8, COALESCE(avg(octet_length({c}::text)), 0)::float8,"
            " 1 - count({c}) / greatest(count(*), 1)::float8, count(DISTINCT {c}::text) / greatest(count({c}), 1)::float8"
        ).format(c=sql.SQL("source.{}").format(identifier(column.name)))
        for column in columns
    )
    source = _source(connection, target, size, share)
    row = connection.execute(sql.SQL("SELECT {} FROM {}").format(measured, source)).fetchone() or ()
    found = []
    for place, column in enumerate(columns):
        stored, text, nulls, distinct = row[place * 4 : place * 4 + 4]
        found.append(Attribute(column.name, stored * (1 - nulls), text * (1 - nulls), nulls, distinct))
    return tuple(found)


def _heavy(connection: Connection[Any], target: Target, size: _Size, part: float) -> sql.Composed:
    """How many polygons are worth storing in pieces for the zooms above the bands, and their bytes. The stored size says of
    most that they are not, without their being read."""
    shapes, s = target.sql.shapes, target.sql.shapes.s
    sampled: sql.Composable = sql.SQL("")
    if part < 1:
        # What is large may lie beside the rows, on few pages of which a sample would miss most.
        way = sql.SQL("BERNOULLI" if size.of_rows <= _PAGES_BYTES else "SYSTEM")
        sampled = sql.SQL("TABLESAMPLE {} ({}) REPEATABLE (1)").format(way, sql.Literal(part * 100))
    return sql.SQL(
        "SELECT count(*), COALESCE(sum(pg_column_size({column})), 0), COALESCE(sum({s}.ST_NPoints({column})), 0) FROM"
        " (SELECT * FROM {source}) AS source WHERE CASE WHEN pg_column_size({column}) > {light}"
        " THEN {s}.ST_Dimension({column}) = 2 AND {s}.ST_NPoints({column}) > {heavy} ELSE false END"
    ).format(
        column=shapes.column(), source=_shown(connection, target, sampled), light=sql.Literal(_LIGHT_BYTES), s=s,
        heavy=sql.Literal(HEAVY_POINTS * 2),
    )  # fmt: skip
