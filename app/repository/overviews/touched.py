"""Cells that are touched, in the temporary table flagstone_cells of `dirty`, and the rows of a band in them."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from ...layers.overview import Band, BandPlan, has_row_security
from .. import single_rows_sql
from ..identifier import identifier
from .blocks import named
from .target import Target


def outline(connection: Connection[Any], target: Target, plan: BandPlan) -> None:
    """Give the cells their area in the grid's CRS, a little more: it leads to rows, whose own cells decide."""
    origin = target.grid.matrices[target.grid.minzoom]
    connection.execute(
        sql.SQL(
            "UPDATE pg_temp.flagstone_cells SET area = {s}.ST_MakeEnvelope("
            "{ox} + ((cells[1])[0] - 0.01) * {cell}, {oy} - ((cells[0])[1] + 1.01) * {cell},"
            " {ox} + ((cells[0])[0] + 1.01) * {cell}, {oy} - ((cells[1])[1] - 0.01) * {cell}, {srid})"
        ).format(
            s=target.sql.shapes.s, ox=sql.Literal(origin.origin_x), oy=sql.Literal(origin.origin_y), cell=sql.Literal(plan.cell),
            srid=sql.Literal(target.grid_srid),
        )
    )  # fmt: skip
    connection.execute("ANALYZE pg_temp.flagstone_cells")


def places(target: Target, band: Band, plan: BandPlan, *, heavy: bool = True) -> sql.Composed:
    """Where in a band the rows are whose middles lie in the heavy, or the light, cells, which are those of `plan`."""
    names, s = target.sql.names, target.sql.shapes.s
    if has_row_security(target.layer):
        # Where a policy stands before the band, comparisons of numbers alone lead to its rows: see `single_rows_sql`.
        return sql.SQL("\nUNION\n").join(
            sql.SQL(
                "SELECT band.ctid AS place FROM pg_temp.flagstone_cells AS chosen JOIN {band} AS band"
                " ON band.{x} BETWEEN {s}.ST_XMin(chosen.area) AND {s}.ST_XMax(chosen.area)"
                " AND band.{y} BETWEEN {s}.ST_YMin(chosen.area) AND {s}.ST_YMax(chosen.area) AND {of_class}"
                " CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy)"
                " WHERE chosen.is_heavy = {heavy} AND chosen.cells @> point(cell.cx, cell.cy)"
            ).format(
                band=named(band.table), x=identifier(names.x), y=identifier(names.y), s=s, of_class=of_class,
                cell=target.sql.cell(plan), heavy=sql.Literal(heavy),
            )
            for of_class in single_rows_sql.classes(names, band.plan)
        )  # fmt: skip
    return sql.SQL(
        "SELECT band.ctid AS place FROM pg_temp.flagstone_cells AS chosen JOIN {band} AS band"
        " ON band.{geometry} OPERATOR({s}.&&) chosen.area CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy)"
        " WHERE chosen.is_heavy = {heavy} AND chosen.cells @> point(cell.cx, cell.cy)\n"
        "UNION\nSELECT band.ctid FROM pg_temp.flagstone_cells AS chosen JOIN {band} AS band"
        " ON band.{x} BETWEEN {s}.ST_XMin(chosen.area) AND {s}.ST_XMax(chosen.area) AND {is_aside}"
        " CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy)"
        " WHERE chosen.is_heavy = {heavy} AND chosen.cells @> point(cell.cx, cell.cy)"
    ).format(
        band=named(band.table), geometry=identifier(names.geometry), s=s, cell=target.sql.cell(plan), x=identifier(names.x),
        is_aside=target.sql.is_aside(), heavy=sql.Literal(heavy),
    )  # fmt: skip
