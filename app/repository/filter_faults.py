"""Faults that only a request's own conditions bring to light: of computed numbers, collations, geometries, encodings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

from psycopg import errors as sql

from ..errors import BadParameter, FlagstoneError
from ..layers.cql2.tree import (
    Arithmetic,
    Comparison,
    Expression,
    Like,
    Near,
    Property,
    Spatial,
    Unaccented,
)
from ..layers.request import LayerRequest


def _compares_columns(node: Expression) -> bool:
    return isinstance(node, (Comparison, Like)) and sum(isinstance(part, Property) for part in _nodes(node)) > 1


def _is(*kinds: type[Expression]) -> Callable[[Expression], bool]:
    return lambda node: isinstance(node, kinds)


_NUMBERS = (sql.NumericValueOutOfRange, sql.DivisionByZero, sql.InvalidArgumentForPowerFunction, sql.FloatingPointException)
_NO_RESULT = "what it computes has no result, or one out of range, for the values of a row."
_GEOMETRY = (sql.InternalError_, sql.InternalError)

_TOLD: tuple[tuple[tuple[type[Exception], ...], Callable[[Expression], bool], str], ...] = (
    (_NUMBERS, _is(Arithmetic), _NO_RESULT),
    (_NUMBERS, _compares_columns, _NO_RESULT),
    (
        (sql.IndeterminateCollation, sql.CollationMismatch), _compares_columns,
        "two of the columns that it compares have different collations.",
    ),
    ((sql.FeatureNotSupported,), _is(Like), "LIKE cannot be used with the collation of this column."),
    ((sql.FeatureNotSupported,), _is(Unaccented), "ACCENTI cannot be used with the collation of this column."),
    # So PostgreSQL calls it that it cannot normalize, where its parser has long accepted the statement.
    ((sql.SyntaxError,), _is(Unaccented), "ACCENTI needs a database whose encoding is UTF8."),
    (
        _GEOMETRY, lambda node: isinstance(node, (Spatial, Near)) and getattr(node, "predicate", "") != "intersects",
        "a spatial operator cannot be computed for the geometry of a row; S_INTERSECTS takes the most kinds of geometry.",
    ),
    (_GEOMETRY, _is(Spatial), "it cannot be computed for the geometry of a row."),
)  # fmt: skip
"""What the database calls the fault, which part of a condition can have it, and what is said of it. The first that fits."""


def explained(error: FlagstoneError, request: LayerRequest) -> FlagstoneError:
    """BadParameter where it was a condition of the request that failed, else the error itself.

    What the layer's configuration or its view computes is not the request's fault: it must have asked for such a part.
    """
    cause = error.__cause__
    if isinstance(cause, (UnicodeEncodeError, sql.UntranslatableCharacter)):
        names = [name for name, condition in request.asked if any(_lacks(text, cause) for text in _texts(condition))]
        return _refused(names, "it holds characters that the database's encoding lacks.") if names else error
    for causes, has_it, said in _TOLD:
        if isinstance(cause, causes):
            names = [name for name, condition in request.asked if any(map(has_it, _nodes(condition)))]
            if names:
                return _refused(names, said)
    return error


def _refused(names: list[str], said: str) -> BadParameter:
    """Where several can be at fault the database does not tell which is."""
    return BadParameter(names[0], f"{' or '.join(names)} cannot be used: {said}")


def _lacks(text: str, error: UnicodeEncodeError | sql.UntranslatableCharacter) -> bool:
    """Whether a text is what could not be written; the database itself does not say which character it is."""
    if isinstance(error, UnicodeEncodeError):
        return error.object[error.start : error.end] in text
    return not text.isascii()


def _nodes(node: Expression) -> Iterator[Expression]:
    yield node
    for value in _values(node):
        if isinstance(value, Expression):
            yield from _nodes(value)


def _texts(node: Expression) -> Iterator[str]:
    """Everything in a condition that is text: what is compared with, and names."""
    for part in _nodes(node):
        yield from (value for value in _values(part) if isinstance(value, str))


def _values(node: Expression) -> Iterator[object]:
    for field in fields(node):  # type: ignore[arg-type]  # every node is a dataclass
        value = getattr(node, field.name)
        yield from value if isinstance(value, tuple) else (value,)
