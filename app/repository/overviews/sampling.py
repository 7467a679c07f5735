"""A sample of a layer's rows, measured in a grid: enough to plan by, in bounded time."""

from __future__ import annotations

from dataclasses import dataclass
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
from .build import Plan, always
from .shapes_sql import HEAVY_POINTS
from .target import Target

ROWS = 50_000
_ATTRIBUTE_ROWS = 2_000
_BYTES = 64_000_000
"""Geometry that is read at most."""
_SECONDS = 60
_PAGE = 8192
_LIGHT_BYTES = 4000
"""Stored size up to which no polygon is heavy: compressed, a vertex takes 4 bytes at least."""


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


def plan(connection: Connection[Any], target: Target, allowance: Allowance) -> Planned:
    """What the layer needs, so that no tile holds more than it may. OverviewError where a sample takes too long."""
    found = sample(connection, target)
    expected = estimates(found, target.grid, allowance)
    if has_row_security(target.layer):
        plans, expected = planned_single_rows(target.layer, target.grid, found, expected)
        return Planned(Plan(plans, pieces=False), found, expected)
    bands = sorted({each.band for each in expected if each.band is not None}, key=lambda band: -band.zoom)
    return Planned(Plan(tuple(bands), found.heavy_rows > 0), found, expected)


def sample(connection: Connection[Any], target: Target) -> Sample:
    """Some ten thousand rows of the layer; all of them where there are few. OverviewError where that takes too long."""
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{_SECONDS}s"])
            grants.see_every_row(connection, target.layer)
            rows, size = _size(connection, target)
            before = statistics_samples.kept(connection, target, size)
            if before is not None:
                return before
            share = min(1.0, ROWS / max(rows, 1), _BYTES / max(size, 1))
            found = connection.execute(_measured(connection, target, share)).fetchall()
            attributes = _attributes(connection, target, min(1.0, _ATTRIBUTE_ROWS / max(rows, 1)))
            heavy = connection.execute(_heavy(connection, target)).fetchone()
    except QueryCanceled as error:
        raise OverviewError(f"A sample of {target.layer.id} took more than {_SECONDS} seconds.") from error
    heavy_rows, heavy_bytes, heavy_vertices = heavy or (0, 0, 0)
    made = tuple(SampledRow(*row) for row in found)
    return Sample(made, round(len(made) / share), attributes, size, int(heavy_rows), int(heavy_bytes), int(heavy_vertices))


def _size(connection: Connection[Any], target: Target) -> tuple[int, int]:
    """Rows, and bytes with those of TOAST. A view has no bytes, nor has a foreign table."""
    relation = identifier(target.layer.schema, target.layer.name)
    row = connection.execute(
        # As the planner does it: so many rows to a page, and pages as there are now.
        "SELECT c.reltuples::float8, c.relpages, pg_relation_size(c.oid) / %s, pg_total_relation_size(c.oid) FROM pg_class c WHERE c.oid = %s",
        [_PAGE, target.layer.oid],
    ).fetchone()
    tuples, known_pages, pages, size = row or (-1.0, 0, 0, 0)
    if target.layer.kind == "p":
        parts = connection.execute(
            "SELECT COALESCE(sum(pg_total_relation_size(relid)), 0) FROM pg_partition_tree(%s::oid::regclass) WHERE isleaf", [target.layer.oid]
        ).fetchone()
        size = int(parts[0]) if parts else 0
    if target.layer.kind in "rm" and tuples >= 0 and known_pages > 0:
        return round(tuples / known_pages * pages), int(size)
    counted = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(relation)).fetchone()
    return int(counted[0]) if counted else 0, int(size or 0)


def _source(connection: Connection[Any], target: Target, share: float) -> sql.Composed:
    """Rows that the layer shows, so many of them, as `source`."""
    sampled: sql.Composable = sql.SQL("")
    if share < 1:
        # Rows by themselves, not pages: neighbours often lie on one page, and a page of them says little of all cells.
        by_row = sql.SQL("TABLESAMPLE BERNOULLI ({}) REPEATABLE (1)") if target.layer.kind in "rm" else sql.SQL("WHERE random() < {} / 100.0")
        sampled = by_row.format(sql.Literal(share * 100))
    condition = always(connection, target)
    where = sql.SQL("") if condition is None else sql.SQL(" WHERE {}").format(condition)
    return sql.SQL("(SELECT * FROM {relation} {sampled}) AS source{where}").format(
        relation=identifier(target.layer.schema, target.layer.name), sampled=sampled, where=where
    )


def _measured(connection: Connection[Any], target: Target, share: float) -> sql.Composed:
    """Boxes alone are transformed: to plan by, that is near enough, and a heavy geometry would take seconds."""
    shapes, s = target.sql.shapes, target.sql.shapes.s
    return sql.SQL(
        "SELECT measured.x, measured.y, measured.width::float8, stored.points, stored.dimension = 0, stored.dimension = 1"
        " FROM (SELECT {s}.ST_Envelope({column}) AS geom, {s}.ST_NPoints({column}) AS points, {s}.ST_Dimension({column}) AS dimension"
        " FROM {source}) AS stored\n"
        "{placed}\nCROSS JOIN LATERAL (SELECT {measures}) AS measured (x, y, width, size)"
        " WHERE placed.geom IS NOT NULL AND NOT {s}.ST_IsEmpty(placed.geom)"
    ).format(
        s=s, column=shapes.column(), source=_source(connection, target, share), placed=shapes.placed(),
        measures=shapes.measures(sql.SQL("placed.geom")),
    )  # fmt: skip


def _attributes(connection: Connection[Any], target: Target, share: float) -> tuple[Attribute, ...]:
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
    row = connection.execute(sql.SQL("SELECT {} FROM {}").format(measured, _source(connection, target, share))).fetchone() or ()
    found = []
    for place, column in enumerate(columns):
        stored, text, nulls, distinct = row[place * 4 : place * 4 + 4]
        found.append(Attribute(column.name, stored * (1 - nulls), text * (1 - nulls), nulls, distinct))
    return tuple(found)


def _heavy(connection: Connection[Any], target: Target) -> sql.Composed:
    """How many polygons are worth storing in pieces for the zooms above the bands, and their bytes. All rows: of a million
    light ones a sample would miss them. The stored size says of most that they are not, without their being read."""
    shapes, s = target.sql.shapes, target.sql.shapes.s
    return sql.SQL(
        "SELECT count(*), COALESCE(sum(pg_column_size({column})), 0), COALESCE(sum({s}.ST_NPoints({column})), 0) FROM {source}"
        " WHERE CASE WHEN pg_column_size({column}) > {light}"
        " THEN {s}.ST_Dimension({column}) = 2 AND {s}.ST_NPoints({column}) > {heavy} ELSE false END"
    ).format(
        column=shapes.column(), source=_bare(connection, target), light=sql.Literal(_LIGHT_BYTES), s=s,
        heavy=sql.Literal(HEAVY_POINTS * 2),
    )  # fmt: skip


def _bare(connection: Connection[Any], target: Target) -> sql.Composed:
    condition = always(connection, target)
    where = sql.SQL("") if condition is None else sql.SQL(" WHERE {}").format(condition)
    return sql.SQL("(SELECT * FROM {} AS source{}) AS source").format(identifier(target.layer.schema, target.layer.name), where)
