"""A table of an overview: made with its indexes, then given to who may read it."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from ...layers.overview import Band, BandPlan, has_row_security, key_of
from .. import own_schema, single_rows_sql
from ..identifier import identifier, text_literal
from . import grants, registry
from .target import Target


def make(connection: Connection[Any], target: Target, name: str, rows: sql.Composable, plan: BandPlan) -> Band:
    """A table of these rows with its indexes, for a band or, where the plan has no pixel, for pieces."""
    table, names = sql.Identifier(own_schema.SCHEMA, name), target.sql.names
    execute = connection.execute
    execute(sql.SQL("CREATE TABLE {} AS {}").format(table, rows))
    execute(sql.SQL("CREATE INDEX ON {} USING gist ({})").format(table, identifier(names.geometry)))
    if not plan.pixel:
        # Whether a row of the table is heavy, every tile asks.
        execute(sql.SQL("CREATE INDEX ON {} ({})").format(table, sql.SQL(", ").join(map(identifier, key_of(target.layer)))))
    if has_row_security(target.layer):
        for rows_of_widths in single_rows_sql.indexes(names, plan):
            execute(sql.SQL("CREATE INDEX ON {} {}").format(table, rows_of_widths))
    if plan.pixel:
        # Where a feature lost the part that its middle lay in, its geometry does not lead to its cell.
        execute(sql.SQL("CREATE INDEX ON {} ({}) WHERE {}").format(table, identifier(names.x), target.sql.is_aside()))
    execute(sql.SQL("ANALYZE {}").format(table))
    row = execute(
        sql.SQL("SELECT count(*), COALESCE(bool_or({}), false), {}::regclass::oid FROM {}").format(
            target.sql.in_pieces(), sql.Literal(f'{own_schema.SCHEMA}."{name}"'), table
        )
    ).fetchone()
    rows_made, in_pieces, oid = row or (0, False, 0)
    return Band(plan, name, int(oid), bool(in_pieces), int(rows_made))


def publish(connection: Connection[Any], target: Target, number: int, kind: str, band: Band) -> None:
    """Comment, grants and the row of the registry: from the end of the transaction on it is served."""
    layer, table = target.layer, sql.Identifier(own_schema.SCHEMA, band.table)
    said = f"zoom {band.plan.zoom}" if kind == "band" else "heavy polygons in pieces"
    comment = f"Flagstone: overview of {layer.id} in {target.grid.id}, {said}."
    connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(table, text_literal(comment)))
    own_schema.alone(connection)
    grants.copy(connection, layer, band.table)
    grants.secure(connection, layer, band.table)
    registry.add_table(
        connection, number, kind, band.table, band.plan if kind == "band" else None,
        in_pieces=band.in_pieces, rows=band.rows,
    )  # fmt: skip
