"""Why a function gave no tile: it tried to write, its arguments cannot be read, or it failed by itself.

What the database said stays in the log; here only its error code counts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

import psycopg
from psycopg import errors as sql

from ..errors import AccessDenied, BadParameter, FlagstoneError, LayerChanged, QueryFailed
from ..layers.function import Argument, TakesArguments, TileFunctionLayer
from ..layers.layer import Layer
from ..layers.request import LayerRequest
from ..layers.sql_layer import SqlRowLayer, SqlTileLayer
from .function_sql import readable_question
from .pool import Pool, read_only

log = logging.getLogger(__name__)

_WROTE = (sql.ReadOnlySqlTransaction, sql.ActiveSqlTransaction, sql.InvalidTransactionTermination, sql.InvalidTransactionState)

_MISSING = (sql.UndefinedObject, sql.InvalidSchemaName)
_UNREADABLE = (
    sql.InvalidTextRepresentation, sql.NumericValueOutOfRange, sql.InvalidDatetimeFormat, sql.DatetimeFieldOverflow,
    sql.UntranslatableCharacter,  # `"\u0000"` is JSON, and becomes no text
)  # fmt: skip


def explained(
    error: FlagstoneError, request: LayerRequest, layer: Layer, pool: Pool, until: float
) -> FlagstoneError:
    """The error that a function's call ended with, as whoever asked should see it.

    Text of the query string that PostgreSQL cannot read as the argument's type is told from an error inside of the
    function by reading it once more, alone.
    """
    cause = error.__cause__
    name = layer.id
    code = _code(layer)
    if isinstance(cause, _WROTE):
        return AccessDenied(f"The {code} of layer {name} tries to write, or to change its transaction; a tile only reads.")
    if not isinstance(error, (QueryFailed, LayerChanged)) or not isinstance(cause, psycopg.Error):
        return error
    unreadable = _unreadable(request, layer, pool, until)
    if unreadable is not None:
        return BadParameter(unreadable, f"The argument {unreadable} of layer {name} has a value that its type does not allow.")
    if isinstance(cause, _UNREADABLE) and (asked := _asked_as_json(request, layer)):
        # Such a function gets text that nobody has checked; a cast inside of it is where that is found out.
        return BadParameter(asked[0], f"The {code} of layer {name} cannot read what it was given: {', '.join(asked)[:200]}.")
    if isinstance(cause, sql.InvalidParameterValue) and request.arguments:
        given = ", ".join(argument for argument, _ in request.arguments)
        return BadParameter(request.arguments[0][0], f"The {code} of layer {name} refuses its arguments: {given}.")
    if isinstance(cause, (sql.DataError, sql.RaiseException, sql.FeatureNotSupported)):
        return QueryFailed(f"The {code} of layer {name} failed; the log of Flagstone says why.")
    return error


def of_unknown_system(
    question: bytes, values: Mapping[str, object], request: LayerRequest, pool: Pool, until: float
) -> QueryFailed | None:
    """That rows are in a reference system which the database does not know, where the question finds one such."""
    layer = request.layer
    try:
        with read_only(pool, request.identity, f"layer {layer.id}", runs_code=True, until=until) as connection:
            row = connection.execute(question, values, prepare=False).fetchone()
    except (QueryFailed, LayerChanged):
        return None  # the rows fail by themselves, so this is not what is wrong with them
    if row is None:
        return None
    log.error("layer %s returns rows of SRID %d, which spatial_ref_sys lacks", layer.id, row[0])
    return QueryFailed(
        f"The {_code(layer)} of layer {layer.id} returns rows of SRID {row[0]}, a reference system that the database does not know."
    )


def _code(layer: Layer) -> str:
    return "statement" if isinstance(layer, (SqlRowLayer, SqlTileLayer)) else "function"


def _asked_as_json(request: LayerRequest, layer: Layer) -> list[str]:
    """The names in the query string of a function that takes all of it as one JSON object."""
    if not isinstance(layer, TileFunctionLayer) or layer.whole_query is None or not request.arguments:
        return []
    return list(json.loads(request.arguments[0][1] or "{}"))


def _unreadable(request: LayerRequest, layer: Layer, pool: Pool, until: float) -> str | None:
    """The first argument whose text PostgreSQL refuses, for whatever reason its type has."""
    types = {argument.name: argument for argument in layer.arguments} if isinstance(layer, TakesArguments) else {}
    if isinstance(layer, TileFunctionLayer) and layer.whole_query is not None:
        types[layer.whole_query.name] = layer.whole_query
    for name, text in request.arguments:
        fault = _refusal(types[name], text, request, pool, until)
        # A regclass fails as a type does that was dropped; but that one does not take NULL either.
        if fault is not None and not (isinstance(fault, _MISSING) and _refusal(types[name], None, request, pool, until)):
            return name
    return None


def _refusal(argument: Argument, text: str | None, request: LayerRequest, pool: Pool, until: float) -> BaseException | None:
    """Why PostgreSQL cannot read this text as the argument's type; None where it can."""
    question, values = readable_question(argument, text)
    try:
        with read_only(pool, request.identity, f"argument {argument.name}", runs_code=True, until=until) as connection:
            connection.execute(question, values, prepare=False)
    except (QueryFailed, LayerChanged) as error:
        return error.__cause__
    return None
