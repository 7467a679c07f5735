"""A condition as SQL: columns are quoted names of the alias `source`, every value is a bound parameter.

The text depends on the shape of the condition only: operators, columns, types. Lists are arrays, so their length is no
part of it. Types and operators are pg_catalog's own: nothing on a search path is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from psycopg import sql

from ..layers.cql2.accents import MARKS
from ..layers.cql2.tree import (
    And,
    Arithmetic,
    ArrayLiteral,
    ArrayRelation,
    Comparison,
    Expression,
    In,
    IsNull,
    LayerGeometry,
    Like,
    Literal,
    LowerCase,
    Near,
    Not,
    Or,
    Property,
    Spatial,
    Unaccented,
)
from .identifier import identifier
from .postgis import PostGIS
from .spatial_sql import near, spatial

_ARRAYS = {"contains": "@>", "contained by": "<@", "overlaps": "&&"}
_KEPT = 64
"""Conditions that are kept compiled: each may be as large as the longest filter."""


@dataclass(frozen=True)
class Condition:
    """`text` is a boolean expression in parentheses; `values` are those of its parameters."""

    text: sql.Composed
    values: dict[str, object]


@lru_cache(maxsize=_KEPT)
def condition(expression: Expression, postgis: PostGIS) -> Condition:
    """The condition of a layer's rows."""
    writer = _Writer(postgis)
    written = sql.SQL("({})").format(writer.condition(expression))
    # One piece of text instead of one for each node: kept, it takes a tenth of the memory.
    return Condition(sql.Composed([sql.SQL(written.as_string(None))]), writer.values)


class _Writer:
    def __init__(self, postgis: PostGIS) -> None:
        self.values: dict[str, object] = {}
        self._postgis = postgis
        self._names = _names()

    def _bound(self, value: object) -> sql.Placeholder:
        name = next(self._names)
        self.values[name] = value
        return sql.Placeholder(name)

    # --- what is true, false or unknown ---------------------------------------------------------------------------

    def condition(self, node: Expression) -> sql.Composable:
        """In parentheses, unless nothing can follow that would be read into it."""
        match node:
            case And(operands):
                return self._joined(" AND ", operands)
            case Or(operands):
                return self._joined(" OR ", operands)
            case Not(operand):
                return sql.SQL("(NOT {})").format(self.condition(operand))
            case Comparison(operator, left, right):
                return sql.SQL("({} OPERATOR(pg_catalog.{}) {})").format(
                    self._beside(left, right), sql.SQL(operator), self._beside(right, left)
                )
            case In(operand, values, kind):
                return self._in(operand, values, kind)
            case Like(operand, pattern):
                return sql.SQL("({} OPERATOR(pg_catalog.~~) {})").format(
                    self._text(operand, pattern), self._text(pattern, operand)
                )
            case IsNull(LayerGeometry(name)):
                return sql.SQL("({} IS NULL)").format(identifier("source", name))
            case IsNull(Property(column)):
                return sql.SQL("({} IS NULL)").format(identifier("source", column.name))
            case IsNull(operand):
                return sql.SQL("({} IS NULL)").format(self._value(operand))
            case ArrayRelation(relation, left, right):
                return self._arrays(relation, self._array(left), self._array(right))
            case Near():
                return near(node, self._postgis, self._bound)
            case Spatial():
                return spatial(node, self._postgis, self._bound)
            case _:
                return self._value(node)

    def _joined(self, word: str, operands: tuple[Expression, ...]) -> sql.Composed:
        return sql.SQL("({})").format(sql.SQL(word).join([self.condition(each) for each in operands]))

    def _in(self, operand: Expression, values: tuple[str, ...], kind: str) -> sql.Composed:
        array = sql.SQL("{}::{}[]").format(self._bound(list(values)), identifier("pg_catalog", kind))
        if _folds(operand):
            array = sql.SQL("ARRAY(SELECT pg_catalog.lower(each) FROM pg_catalog.unnest({}) AS each)").format(array)
        return sql.SQL("({} OPERATOR(pg_catalog.=) ANY ({}))").format(self._value(operand), array)

    def _arrays(self, relation: str, left: sql.Composable, right: sql.Composable) -> sql.Composed:
        if relation == "equals":
            # As sets: neither the order nor how often an element is there counts.
            return sql.SQL("({} AND {})").format(
                self._arrays("contains", left, right), self._arrays("contained by", left, right)
            )
        return sql.SQL("({} OPERATOR(pg_catalog.{}) {})").format(left, sql.SQL(_ARRAYS[relation]), right)

    def _array(self, side: Property | ArrayLiteral) -> sql.Composable:
        if isinstance(side, Property):
            return identifier("source", side.column.name)
        return sql.SQL("{}::{}[]").format(self._bound(list(side.values)), identifier("pg_catalog", side.type))

    # --- values -----------------------------------------------------------------------------------------------------

    def _beside(self, node: Expression, other: Expression) -> sql.Composable:
        """A value beside another one, in lower case where that one is text without case."""
        written = self._value(node)
        if _folds(other) and not _folds(node) and not isinstance(node, LowerCase):
            return _lower(written)
        return written

    def _text(self, node: Expression, other: Expression) -> sql.Composable:
        """A value for LIKE: as text, because char(n) keeps its blanks in patterns."""
        return sql.SQL("{}::pg_catalog.text").format(self._beside(node, other))

    def _value(self, node: Expression) -> sql.Composable:
        match node:
            case Property(column):
                name = identifier("source", column.name)
                if column.base_type == "citext":
                    return _lower(name)
                # Only the database knows an enum's labels: text that is none of them must not be cast to it.
                return sql.SQL("{}::pg_catalog.text").format(name) if column.category == "E" else name
            case Literal(value, kind):
                written = value if isinstance(value, str) else _written(value)
                return sql.SQL("{}::{}").format(self._bound(written), identifier("pg_catalog", kind))
            case LowerCase(operand):
                return _lower(self._value(operand))
            case Unaccented(Property(column)):
                bare = _unaccented(identifier("source", column.name))
                return _lower(bare) if _folds(node) else bare
            case Arithmetic(operator, left, right, kind):
                return self._computed(operator, left, right, identifier("pg_catalog", kind))
            case And() | Or() | Not() | Comparison() | In() | Like() | IsNull() | Spatial() | Near() | ArrayRelation():
                return self.condition(node)
        raise TypeError(f"{type(node).__name__} has no SQL")

    def _computed(self, operator: str, left: Expression, right: Expression, kind: sql.Identifier) -> sql.Composed:
        one, other = (sql.SQL("{}::{}").format(self._value(each), kind) for each in (left, right))
        if operator in ("/", "%", "div"):
            other = sql.SQL("NULLIF({}, 0::{})").format(other, kind)
        match operator:
            case "+" | "-" | "*" | "/":
                return sql.SQL("({} OPERATOR(pg_catalog.{}) {})").format(one, sql.SQL(operator), other)
            case "%":
                return sql.SQL("pg_catalog.mod({}, {})").format(one, other)
            case "div":
                return sql.SQL("pg_catalog.div({}, {})").format(one, other)
            case "^":
                return sql.SQL("pg_catalog.power({}, {})").format(one, other)
        raise TypeError(f"{operator} has no SQL")


def _folds(node: Expression) -> bool:
    """Whether it is text without case, which the type citext knows only by operators of its own schema."""
    if isinstance(node, Unaccented):
        node = node.operand
    return isinstance(node, Property) and node.column.base_type == "citext"


def _lower(text: sql.Composable) -> sql.Composed:
    return sql.SQL("pg_catalog.lower({}::pg_catalog.text)").format(text)


def _unaccented(text: sql.Composable) -> sql.Composed:
    """By what PostgreSQL itself has, so that no extension is needed, and an index can be made of it."""
    return sql.SQL(
        "pg_catalog.normalize(pg_catalog.regexp_replace(pg_catalog.normalize({}::pg_catalog.text, 'NFD'), {}, '', 'g'), 'NFC')"
    ).format(text, sql.Literal(MARKS))


def _written(value: object) -> str:
    """As text, whatever Python type it has: so the types of a statement's parameters are always the same."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _names() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"filter{number}"
