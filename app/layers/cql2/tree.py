"""The checked tree of a condition. What is in it names existing columns, and its types fit together."""

from __future__ import annotations

from dataclasses import dataclass

from ..column import Column


class Expression:
    """A node. Its `repr` is canonical: equal conditions of a request have equal ones, different ones differ."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Property(Expression):
    """The value of a column."""

    column: Column


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A value: it becomes a bound parameter, never a part of a statement's text."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """`operator` is one of `= <> < > <= >=`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class And(Expression):
    """All of two or more."""

    operands: tuple[Expression, ...]


def both(*conditions: Expression | None) -> Expression | None:
    """The conjunction of those that are there; None where none is."""
    given = tuple(condition for condition in conditions if condition is not None)
    return And(given) if len(given) > 1 else given[0] if given else None
