"""The checked tree of a condition. What is in it names existing columns, and its types fit together.

Temporal operators and BETWEEN are not here: they are comparisons, and become some when they are checked.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

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
    """A value: it becomes a bound parameter, never a part of a statement's text.

    `type` is the name in pg_catalog of the type that it is bound as. Text of any type has been checked before:
    PostgreSQL finds no fault in it.
    """

    value: str | int | float | bool
    type: str


@dataclass(frozen=True, slots=True)
class Arithmetic(Expression):
    """`operator` is one of `+ - * / % div ^`; it is computed in `type`, numeric or float8. Division by 0 is NULL."""

    operator: str
    left: Expression
    right: Expression
    type: str


@dataclass(frozen=True, slots=True)
class LowerCase(Expression):
    """Text in lower case, as the database's collation has it (CASEI)."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Unaccented(Expression):
    """Text without its accents (ACCENTI). Where it is also in lower case, that is done afterwards."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """`operator` is one of `= <> < > <= >=`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class In(Expression):
    """Whether the operand is one of some values: text of `type`, bound as one array however many there are.

    `type` is the name of a type in pg_catalog, as with a literal. Values are sorted and each is there once.
    """

    operand: Expression
    values: tuple[str, ...]
    type: str


@dataclass(frozen=True, slots=True)
class Like(Expression):
    """Text against a pattern with `%`, `_` and the backslash before one of them that means itself."""

    operand: Expression
    pattern: Expression


@dataclass(frozen=True, slots=True)
class IsNull(Expression):
    """Whether there is no value."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class And(Expression):
    """All of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or(Expression):
    """One of two or more."""

    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not(Expression):
    """The contrary; of what is unknown it is unknown."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class LayerGeometry(Expression):
    """The geometry of a row: the column, its type (`POINT`, `GEOMETRY` for any) and its CRS."""

    name: str
    type: str
    srid: int
    is_geography: bool = False


@dataclass(frozen=True, slots=True)
class GeometryLiteral(Expression):
    """A geometry in the layer's CRS as WKT, x before y.

    `around` is the same with edges of at most a degree, for the index of a geography column, whose edges bend; None
    where none is certain to lie around it.
    """

    wkt: str
    srid: int
    around: str | None = None


@dataclass(frozen=True, slots=True)
class Spatial(Expression):
    """`predicate` is one of `intersects equals disjoint touches within overlaps crosses contains`."""

    predicate: str
    left: LayerGeometry | GeometryLiteral
    right: LayerGeometry | GeometryLiteral


@dataclass(frozen=True, slots=True)
class Near(Expression):
    """Whether a row's geometry lies within a distance: in units of its CRS, in metres of a geography."""

    geometry: LayerGeometry
    literal: GeometryLiteral
    distance: float


@dataclass(frozen=True, slots=True)
class ArrayLiteral(Expression):
    """A set of elements as text; `type` is the name of the elements' type in pg_catalog."""

    values: tuple[str, ...]
    type: str


@dataclass(frozen=True, slots=True)
class ArrayRelation(Expression):
    """Arrays as sets: `relation` is one of `contains`, `contained by`, `equals`, `overlaps`."""

    relation: str
    left: Property | ArrayLiteral
    right: Property | ArrayLiteral


def both(*conditions: Expression | None) -> Expression | None:
    """The conjunction of those that are there; None where none is."""
    given = tuple(condition for condition in conditions if condition is not None)
    return And(given) if len(given) > 1 else given[0] if given else None


def columns_of(condition: Any) -> frozenset[str]:
    """The names of the columns that a condition asks for."""
    if isinstance(condition, Property):
        return frozenset({condition.column.name})
    if isinstance(condition, tuple):
        return frozenset().union(*map(columns_of, condition))
    if not isinstance(condition, Expression):
        return frozenset()
    return frozenset().union(*(columns_of(getattr(condition, field.name)) for field in fields(condition)))  # type: ignore[arg-type]  # every node is a dataclass
