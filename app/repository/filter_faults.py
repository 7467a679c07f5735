"""Faults of rows that only a request's own filter brings to light: computed numbers, collations, geometries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from psycopg import errors as sql

from ..errors import BadParameter, FlagstoneError
from ..layers.cql2.tree import Arithmetic, Comparison, Expression, Like, Near, Spatial
from ..layers.request import LayerRequest

_TOLD: tuple[tuple[tuple[type[Exception], ...], tuple[type[Expression], ...], str], ...] = (
    (
        (sql.NumericValueOutOfRange, sql.DivisionByZero, sql.InvalidArgumentForPowerFunction, sql.FloatingPointException),
        (Arithmetic, Comparison),
        "what it computes has no result, or one out of range, for the values of a row.",
    ),
    (
        (sql.IndeterminateCollation, sql.CollationMismatch),
        (Comparison, Like),
        "two of the columns that it compares have different collations.",
    ),
    ((sql.FeatureNotSupported,), (Like,), "LIKE cannot be used with the collation of this column."),
    ((sql.UntranslatableCharacter,), (Expression,), "it holds characters that the database's encoding lacks."),
    (
        (sql.InternalError_, sql.InternalError),
        (Spatial, Near),
        "a spatial operator cannot be computed for the geometry of a row; S_INTERSECTS takes the most kinds of geometry.",
    ),
)


def explained(error: FlagstoneError, request: LayerRequest) -> FlagstoneError:
    """BadParameter where it was the request's filter that failed, else the error itself.

    What the layer's configuration or its view computes is not the request's fault: the filter must have such a part.
    """
    if request.filter is None or request.filter is request.layer.options.filter:
        return error
    kinds = {type(node) for node in _nodes(request.filter)}
    for causes, parts, said in _TOLD:
        if isinstance(error.__cause__, causes) and any(issubclass(kind, parts) for kind in kinds):
            return BadParameter("filter", f"The filter, or another condition on a column, cannot be used: {said}")
    return error


def _nodes(node: Expression) -> Iterator[Expression]:
    yield node
    for field in fields(node):  # type: ignore[arg-type]  # every node is a dataclass
        value = getattr(node, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Expression):
                yield from _nodes(part)
