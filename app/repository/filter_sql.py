"""A condition as SQL: columns are quoted names of the alias `source`, every value is a bound parameter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from psycopg import sql

from ..layers.cql2.tree import And, Comparison, Expression, Literal, Property
from .identifier import identifier


@dataclass(frozen=True)
class Condition:
    """`text` is a boolean expression in parentheses; `values` are those of its parameters."""

    text: sql.Composed
    values: dict[str, object]


@lru_cache(maxsize=256)
def condition(expression: Expression) -> Condition:
    """The condition of a layer's rows."""
    values: dict[str, object] = {}
    return Condition(sql.SQL("({})").format(_Writer(values).write(expression)), values)


class _Writer:
    def __init__(self, values: dict[str, object]) -> None:
        self._values = values
        self._names = _names()

    def write(self, node: Expression) -> sql.Composable:
        match node:
            case Property(column):
                return sql.SQL("source.{}").format(identifier(column.name))
            case Literal(value):
                name = next(self._names)
                self._values[name] = value
                return sql.Placeholder(name)
            case Comparison(operator, left, right):
                return sql.SQL("{} OPERATOR(pg_catalog.{}) {}").format(self.write(left), sql.SQL(operator), self.write(right))
            case And(operands):
                return sql.SQL("({})").format(sql.SQL(" AND ").join(self.write(each) for each in operands))
        raise TypeError(f"{type(node).__name__} has no SQL")


def _names() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"filter{number}"
