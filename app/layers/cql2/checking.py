"""From syntax to the checked tree: names become columns of the layer, and types have to fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

from ..column import Column
from ..layer import RowLayer
from ..names import nearest
from ..parameters import shown
from . import arrays, temporal
from .accents import unaccented
from .arithmetic import OPERATORS, computed
from .kinds import TEXTS, Kind, kind_of
from .scalars import Scalar, among, compared, operand, read_moment
from .shapes import box_literal, geometry_literal
from .syntax import Call, FilterError, Items, Name, Number, Shape, Syntax, Word
from .systems import CRS84, FilterSystem
from .tree import (
    And,
    Expression,
    GeometryLiteral,
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

_COMPARISONS = ("=", "<>", "<", ">", "<=", ">=")
_PREDICATES = ("intersects", "equals", "disjoint", "touches", "within", "overlaps", "crosses", "contains")
_SPATIAL = {f"{prefix}{predicate}": predicate for prefix in ("s_", "") for predicate in _PREDICATES}
"""Without `s_` as pg_tileserv has them."""
_BOXES = ("bbox", "envelope")
_FUNCTIONS = (*(f"s_{predicate}" for predicate in _PREDICATES), "dwithin", *temporal.RELATIONS, *arrays.RELATIONS, "casei", "accenti", "date", "timestamp", "interval", "bbox")
_OWN_NAMES = ("geometry", "geom")
"""What the geometry may be called whatever its column's name is, so that one filter fits the layers of a composite."""


def checked(syntax: Syntax, layer: RowLayer, columns: Iterable[Column], system: FilterSystem = CRS84) -> Expression:
    """The condition for rows of the layer, on these of its columns. FilterError where it does not fit them."""
    return _Checker(layer, {column.name: column for column in columns}, system).condition(syntax)


class _Checker:
    def __init__(self, layer: RowLayer, columns: dict[str, Column], system: FilterSystem) -> None:
        self._layer = layer
        self._columns = columns
        self._system = system
        self._conditions: dict[str, Callable[[Call], Expression]] = {
            "and": lambda call: And(self._operands(call)),
            "or": lambda call: Or(self._operands(call)),
            "not": lambda call: Not(self.condition(_args(call, 1)[0])),
            "like": self._like,
            "between": self._between,
            "in": self._in,
            "isnull": self._is_null,
            **dict.fromkeys(_COMPARISONS, self._comparison),
            **dict.fromkeys(_SPATIAL, self._spatial),
            "dwithin": self._near,
            **dict.fromkeys(temporal.RELATIONS, self._temporal),
            **dict.fromkeys(arrays.RELATIONS, lambda call: arrays.related(call, _args(call, 2), self.scalar)),
        }
        self._scalars: dict[str, Callable[[Call], Scalar]] = {
            "casei": self._casei,
            "accenti": self._accenti,
            "date": lambda call: self._moment(call, Kind.DATE),
            "timestamp": lambda call: self._moment(call, Kind.TIMESTAMP),
            **dict.fromkeys(OPERATORS, self._arithmetic),
        }

    # --- conditions ---------------------------------------------------------------------------------------------

    def condition(self, node: Syntax) -> Expression:
        """What is true, false or unknown of a row."""
        if isinstance(node, Call) and node.name in self._conditions:
            return self._conditions[node.name](node)
        found = self.scalar(node)
        if found.kind is not Kind.BOOLEAN:
            raise FilterError(found.place, f"{found.described} is no condition.")
        return _expression(found)

    def _operands(self, call: Call) -> tuple[Expression, ...]:
        if len(call.args) < 2:
            raise FilterError(call.place, f"{call.name} takes two conditions or more.")
        return tuple(self.condition(arg) for arg in call.args)

    def _comparison(self, call: Call) -> Expression:
        left, right = _args(call, 2)
        return compared(call.place, call.name, self.scalar(left), self.scalar(right))

    def _between(self, call: Call) -> Expression:
        value, lowest, highest = (self.scalar(arg) for arg in _args(call, 3))
        return And((compared(call.place, ">=", value, lowest), compared(call.place, "<=", value, highest)))

    def _in(self, call: Call) -> Expression:
        value, members = _args(call, 2)
        if not isinstance(members, Items) or not members.args:
            raise FilterError(call.place, "IN takes a list of one value or more.")
        return among(call.place, self.scalar(value), [self.scalar(member) for member in members.args])

    def _is_null(self, call: Call) -> Expression:
        (operand,) = _args(call, 1)
        if isinstance(operand, Name) and self._is_geometry(operand):
            return IsNull(self._layer_geometry())
        return IsNull(_expression(self.scalar(operand)))

    def _like(self, call: Call) -> Expression:
        value, pattern = (self.scalar(arg) for arg in _args(call, 2))
        for each in (value, pattern):
            if each.kind not in TEXTS:
                raise FilterError(each.place, f"LIKE compares text; {each.described} is none.")
        written = pattern.expression.operand if isinstance(pattern.expression, LowerCase) else _expression(pattern)
        if not isinstance(written, Literal):
            raise FilterError(pattern.place, "the pattern of LIKE must be text in quotes, or CASEI or ACCENTI of it.")
        text = str(written.value)
        if (len(text) - len(text.rstrip("\\"))) % 2:
            raise FilterError(pattern.place, "the pattern ends with a backslash, which stands before a % or _ that means itself.")
        return Like(_expression(value), _expression(pattern))

    # --- values -------------------------------------------------------------------------------------------------

    def scalar(self, node: Syntax) -> Scalar:
        """A single value."""
        match node:
            case Word(place, bool() as value):
                return Scalar(place, Kind.BOOLEAN, value)
            case Word(place, text):
                return Scalar(place, Kind.TEXT, text)
            case Number(place, value):
                return Scalar(place, _kind_of_number(value), value)
            case Name():
                return self._property(node)
            case Call() if node.name in self._scalars:
                return self._scalars[node.name](node)
            case Call() if node.name in self._conditions:
                return Scalar(node.place, Kind.BOOLEAN, expression=self.condition(node))
            case Call():
                raise self._unknown(node)
            case Shape():
                raise FilterError(node.place, "a geometry can stand only in functions as S_INTERSECTS.")
        raise FilterError(node.place, "a list can stand only after IN.")

    def _property(self, name: Name) -> Scalar:
        column = self._columns.get(name.name)
        if column is not None:
            return Scalar(name.place, kind_of(column), column=column, expression=Property(column))
        if self._is_geometry(name):
            raise FilterError(name.place, f"{shown(name.name)} is a geometry; S_INTERSECTS and its like compare it.")
        if name.name.lower() == "null":
            raise FilterError(name.place, "nothing compares with NULL; IS NULL asks for it.")
        close = nearest(name.name, [*self._columns, self._layer.geometry.name])
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise FilterError(name.place, f"there is no column {shown(name.name)} in {self._layer.id}.{hint}")

    def _casei(self, call: Call) -> Scalar:
        found = self._text(call)
        written = _expression(found)
        return Scalar(call.place, Kind.TEXT, expression=written if isinstance(written, LowerCase) else LowerCase(written))

    def _accenti(self, call: Call) -> Scalar:
        """Accents go before capitals do, however the two are nested: a collation that knows no É does not lower it."""
        found = self._text(call)
        if isinstance(found.constant, str):
            return Scalar(call.place, Kind.TEXT, unaccented(found.constant))
        written = _expression(found)
        if isinstance(written, LowerCase):
            return Scalar(call.place, Kind.TEXT, expression=LowerCase(_unaccented(written.operand)))
        return Scalar(call.place, Kind.TEXT, expression=_unaccented(written))

    def _text(self, call: Call) -> Scalar:
        found = self.scalar(_args(call, 1)[0])
        if found.kind not in TEXTS:
            raise FilterError(found.place, f"{call.name.upper()} takes text; {found.described} is none.")
        return found

    def _moment(self, call: Call, kind: Kind) -> Scalar:
        (argument,) = _args(call, 1)
        if not isinstance(argument, Word) or not isinstance(argument.value, str):
            raise FilterError(call.place, f"{call.name.upper()} takes one text in quotes.")
        return read_moment(argument.place, argument.value, kind)

    def _arithmetic(self, call: Call) -> Scalar:
        return computed(call, [self.scalar(arg) for arg in call.args])

    # --- space and time -----------------------------------------------------------------------------------------

    def _spatial(self, call: Call) -> Expression:
        left, right = (self._geometry(arg) for arg in _args(call, 2))
        if isinstance(left, GeometryLiteral) and isinstance(right, GeometryLiteral):
            raise FilterError(call.place, f"one side of {call.name.upper()} must be the layer's geometry.")
        return Spatial(_SPATIAL[call.name], left, right)

    def _near(self, call: Call) -> Expression:
        """DWITHIN of pg_tileserv."""
        first, second, third = _args(call, 3)
        distance = float(third.value) if isinstance(third, Number) else -1.0
        if distance < 0:
            raise FilterError(third.place, "DWITHIN takes a distance, a number that is not negative.")
        match self._geometry(first), self._geometry(second):
            case (LayerGeometry() as row, GeometryLiteral() as literal) | (GeometryLiteral() as literal, LayerGeometry() as row):
                return Near(row, literal, distance)
        raise FilterError(call.place, "DWITHIN takes the layer's geometry and a literal.")

    def _geometry(self, node: Syntax) -> LayerGeometry | GeometryLiteral:
        match node:
            case Shape():
                return geometry_literal(node, self._system, self._layer.geometry)
            case Call(name=name) if name in _BOXES:
                return box_literal(node, self._system, self._layer.geometry)
            case Name() if self._is_geometry(node):
                return self._layer_geometry()
            case Name():
                found = self._property(node)
                raise FilterError(node.place, f"{found.described} is no geometry; {self._layer.geometry.name!r} is one.")
        raise FilterError(node.place, "a geometry as POINT(1 2), a BBOX or the layer's geometry must stand here.")

    def _is_geometry(self, name: Name) -> bool:
        return name.name == self._layer.geometry.name or (name.name in _OWN_NAMES and name.name not in self._columns)

    def _layer_geometry(self) -> LayerGeometry:
        geometry = self._layer.geometry
        return LayerGeometry(geometry.name, geometry.type, geometry.crs.srid, geometry.is_geography)

    def _temporal(self, call: Call) -> Expression:
        left, right = (temporal.period(arg, self.scalar) for arg in _args(call, 2))
        return temporal.related(call, left, right)

    def _unknown(self, call: Call) -> FilterError:
        if call.name in (*_BOXES, "interval"):
            return FilterError(call.place, f"{call.name.upper()} cannot stand here: it is no single value.")
        close = nearest(call.name, [name.upper() for name in _FUNCTIONS])
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        return FilterError(call.place, f"there is no function {shown(call.name)}.{hint}")


def _args(call: Call, count: int) -> tuple[Syntax, ...]:
    if len(call.args) != count:
        raise FilterError(call.place, f"{call.name} takes {count} argument{'s'[: count - 1]}, not {len(call.args)}.")
    return call.args


def _kind_of_number(value: Decimal) -> Kind:
    return Kind.INTEGER if value == value.to_integral_value() else Kind.DECIMAL


def _expression(scalar: Scalar) -> Expression:
    """The value where nothing stands beside it that could want another type of a constant."""
    return operand(scalar, scalar)


def _unaccented(written: Expression) -> Expression:
    if isinstance(written, Literal):
        return Literal(unaccented(str(written.value)), written.type)
    return written if isinstance(written, Unaccented) else Unaccented(written)
