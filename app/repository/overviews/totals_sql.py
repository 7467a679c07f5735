"""Numbers that are added up over the rows of a cell, from band to band: a total, the rows that have one, their mean."""

from __future__ import annotations

from psycopg import sql

from ...layers.totals import Total
from ..identifier import identifier


def own_total(each: Total) -> sql.Composed:
    """A row's own number, and 1 where it has one. What is no number cannot be added up: one would spoil the whole sum."""
    value = sql.SQL("source.{}").format(identifier(each.column.name))
    if each.column.base_type in ("float4", "float8", "numeric"):
        value = sql.SQL(
            "CASE WHEN {0}::pg_catalog.text <> ALL ('{{NaN,Infinity,-Infinity}}') THEN {0} END"
        ).format(value)
    return sql.SQL(
        ", ({0})::pg_catalog.numeric AS {1}, (CASE WHEN ({0}) IS NULL THEN 0 ELSE 1 END)::pg_catalog.int8 AS {2}"
    ).format(value, identifier(each.total), identifier(each.rows))


def of_cell(number: int) -> sql.Identifier:
    """The sum over a cell of one of the columns that are added up."""
    return identifier(f"flagstone~total{number}")


def mean(each: Total) -> sql.Composable:
    """The mean of one of them, where it is wanted, with a comma before it."""
    if each.mean is None:
        return sql.SQL("")
    return sql.SQL(", ({} / NULLIF({}, 0))::pg_catalog.float8 AS {}").format(
        identifier(each.total), identifier(each.rows), identifier(each.mean)
    )
