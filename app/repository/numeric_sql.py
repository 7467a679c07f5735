"""A `numeric` as a double. PostgreSQL's own cast is an error for a number that no double is near to: one such row would
keep every tile that it is in from being made."""

from __future__ import annotations

import re

from psycopg import sql

from ..layers.column import Column

_BOUNDED = re.compile(r"numeric\(\d{1,2},\d{1,2}\)")
"""What `format_type` says of numbers that all are within a double's range."""

_GUARDED = sql.SQL(
    "CASE WHEN pg_catalog.abs({value}) OPERATOR(pg_catalog.>=) 5e-324::pg_catalog.numeric"
    " AND pg_catalog.abs({value}) OPERATOR(pg_catalog.<=) 1.7976931348623157e308::pg_catalog.numeric"
    " OR {value} OPERATOR(pg_catalog.=) 'NaN'::pg_catalog.numeric THEN {value}::pg_catalog.float8"
    " WHEN {value} OPERATOR(pg_catalog.>) 1::pg_catalog.numeric THEN 'Infinity'::pg_catalog.float8"
    " WHEN {value} OPERATOR(pg_catalog.<) (-1)::pg_catalog.numeric THEN '-Infinity'::pg_catalog.float8"
    " WHEN {value} IS NOT NULL THEN 0::pg_catalog.float8 END"
)


def as_double(value: sql.Composable, column: Column) -> sql.Composed:
    """The nearest double: infinite beyond the largest, 0 below the smallest."""
    if _BOUNDED.fullmatch(column.type):
        return sql.SQL("{}::pg_catalog.float8").format(value)
    # A domain over numeric first becomes a numeric: with its own type the comparisons would be looked for.
    return _GUARDED.format(value=sql.SQL("({}::pg_catalog.numeric)").format(value))
