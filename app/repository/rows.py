"""Where the rows of a layer come from: what stands behind FROM in its tile query."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from ..layers.layer import RowLayer
from ..layers.relation import RelationLayer
from ..layers.row_function import Filled, FilledArgument, RowFunctionLayer
from ..layers.sql_layer import SqlRowLayer, SqlTileLayer
from . import sql_text
from .identifier import identifier
from .placeholders import CalledRows, argument_key, casts, key


def rows_of(layer: RowLayer, given: Collection[str], postgis_schema: str) -> sql.Composable:
    """The rows of a layer; TypeError for a kind of layer that nobody taught it.

    `given` are the arguments of a function that the request names: what it does not, PostgreSQL fills in.
    """
    if isinstance(layer, RelationLayer):
        return identifier(layer.schema, layer.name)
    if isinstance(layer, CalledRows):
        rows = _called(layer, given, postgis_schema)
        return rows if layer.is_typed else _in_one_system(rows, layer, postgis_schema)
    raise TypeError(f"{type(layer).__name__} has no rows")


def unknown_system(layer: CalledRows, given: Collection[str], postgis_schema: str) -> bytes:
    """A statement that gives one SRID of the layer's rows that the database has no definition of; no row where it has
    all. Its parameters are those of the tile."""
    return sql.SQL(
        "SELECT row.srid FROM (SELECT {postgis}.ST_SRID(called.{geometry}) AS srid FROM {rows} AS called) AS row"
        " WHERE row.srid NOT IN (0, {srid})"
        " AND NOT EXISTS (SELECT FROM {systems} AS known WHERE known.srid = row.srid) LIMIT 1"
    ).format(
        postgis=identifier(postgis_schema), geometry=identifier(layer.geometry.name), srid=sql.Literal(layer.geometry.crs.srid),
        rows=_called(layer, given, postgis_schema), systems=identifier(postgis_schema, "spatial_ref_sys"),
    ).as_bytes(None)  # fmt: skip


def _called(layer: CalledRows, given: Collection[str], postgis_schema: str) -> sql.Composed:
    """The rows as the function or the statement gives them."""
    if isinstance(layer, SqlRowLayer):
        return sql.SQL("(\n{}\n)").format(statement_of(layer, postgis_schema))
    return _call(layer, given)


def _in_one_system(rows: sql.Composable, layer: CalledRows, postgis_schema: str) -> sql.Composed:
    """The rows with their geometry in the layer's reference system, whatever it is in: to compare boxes, PostGIS does not
    look at that, and what lies elsewhere would be missing without a word."""
    postgis = identifier(postgis_schema)
    columns = [sql.SQL("called.{}").format(identifier(name)) for name in layer.returned]
    geometry = sql.SQL(
        "CASE {postgis}.ST_SRID(called.{geometry}) WHEN {srid} THEN called.{geometry}"
        " WHEN 0 THEN {postgis}.ST_SetSRID(called.{geometry}, {srid})"
        " ELSE {postgis}.ST_Transform(called.{geometry}, {srid}) END AS {geometry}"
    ).format(postgis=postgis, geometry=identifier(layer.geometry.name), srid=sql.Literal(layer.geometry.crs.srid))
    return sql.SQL("(SELECT {} FROM {} AS called)").format(sql.SQL(", ").join([*columns, geometry]), rows)


def statement_of(layer: SqlRowLayer | SqlTileLayer, postgis_schema: str) -> sql.SQL:
    """A registered statement, its placeholders as parameters with casts: a value is never part of the text."""
    types = casts(postgis_schema) | {argument.name: argument.type for argument in layer.arguments}
    return sql.SQL(
        sql_text.parse(layer.declared.sql).written(lambda name: f"(%({key(name)})s::{_doubled(types[name])})", _doubled)
    )


def _call(layer: RowFunctionLayer, given: Collection[str]) -> sql.Composed:
    arguments = [_argument(each.name, each.type, _filled_key(each)) for each in layer.filled]
    arguments += [_argument(each.name, each.type, argument_key(layer, each.name)) for each in layer.arguments if each.name in given]
    call = sql.SQL("{}({})").format(identifier(layer.schema, layer.name), sql.SQL(", ").join(arguments))
    if layer.is_bare:
        geometry = identifier(layer.geometry.name)
        return sql.SQL("(SELECT called.{geometry} FROM {call} AS called ({geometry}))").format(call=call, geometry=geometry)
    return call


def _argument(name: str, type_: str, parameter: str) -> sql.Composed:
    return sql.SQL("{} => {}::{}").format(identifier(name), sql.Placeholder(parameter), sql.SQL(_doubled(type_)))


def _filled_key(argument: FilledArgument) -> str:
    return key("sphere") if argument.filled is Filled.BOUNDS and argument.is_geography else key(argument.filled.value)


def _doubled(text: str) -> str:
    """psycopg reads a single % as the start of a parameter."""
    return text.replace("%", "%%")
