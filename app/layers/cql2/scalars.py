"""Single values in a filter: what can be compared with what, and as what PostgreSQL type a value is bound."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from ...errors import BadParameter
from .. import values
from ..column import Column
from ..instants import Instant, instant
from ..parameters import shown
from .kinds import MOMENTS, TEXTS, Kind, bound_type, family
from .syntax import FilterError
from .tree import Comparison, Expression, In, Literal, Or

_EQUALITY = frozenset({"=", "<>"})
_UNORDERED = frozenset({Kind.BOOLEAN, Kind.LABEL})
_READ_FROM_TEXT = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIME, Kind.UUID})
_INT8 = 2**63


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a time. `at_end` is for a date that ends an interval: beside a timestamp it is the day's last moment."""

    instant: Instant
    at_end: bool = False


@dataclass(frozen=True, slots=True)
class Open:
    """An end of an interval that is open; `text` is what PostgreSQL calls it."""

    text: str


Constant = Decimal | str | bool | Moment | Open


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value that is a constant, a column, or made of them by `expression`."""

    place: str
    kind: Kind
    constant: Constant | None = None
    column: Column | None = None
    expression: Expression | None = None

    @property
    def described(self) -> str:
        """What it is, for a sentence."""
        if self.column is not None:
            return f"column {self.column.name!r} ({self.column.type})"
        match self.constant:
            case Decimal():
                return f"the number {shown(format(self.constant, 'f')).strip(chr(39))}"
            case str():
                return f"the text {shown(self.constant)}"
            case bool():
                return "a boolean"
        return str(self.kind)


def read_moment(place: str, text: str, kind: Kind | None = None) -> Scalar:
    """The date or timestamp that a text writes; of the one kind that is wanted, or either."""
    try:
        found = instant("the value", text)
    except BadParameter as error:
        raise FilterError(place, str(error)) from None
    read = Kind.DATE if found.is_day else Kind.TIMESTAMP
    if kind not in (None, read):
        wanted = "DATE takes a day as 2024-02-29" if kind is Kind.DATE else "TIMESTAMP takes a time as 2024-02-29T12:30:00Z"
        raise FilterError(place, f"{wanted}, not {shown(text)}.")
    return Scalar(place, read, Moment(found))


def compared(place: str, operator: str, left: Scalar, right: Scalar) -> Comparison:
    """The comparison; FilterError where the two have no like values, or an order is asked of what has none."""
    _check(place, operator, left, right)
    return Comparison(operator, operand(left, right), operand(right, left))


def among(place: str, value: Scalar, members: list[Scalar]) -> Expression:
    """Whether the value is one of the members. Constants become one array, so that lists of any length share a text."""
    for member in members:
        _check(place, "=", value, member)
    if value.constant is not None or any(member.constant is None for member in members):
        alternatives = tuple(compared(place, "=", value, member) for member in members)
        return alternatives[0] if len(alternatives) == 1 else Or(alternatives)
    found = [operand(member, value) for member in members]
    literals = [each for each in found if isinstance(each, Literal)]
    types = {literal.type for literal in literals}
    texts = {_array_text(literal) for literal in literals}
    return In(operand(value, members[0]), tuple(sorted(texts)), types.pop() if len(types) == 1 else "numeric")


def _array_text(literal: Literal) -> str:
    return str(literal.value).lower() if isinstance(literal.value, bool) else str(literal.value)


def _check(place: str, operator: str, left: Scalar, right: Scalar) -> None:
    for one, other in ((left, right), (right, left)):
        if one.kind is Kind.ARRAY:
            raise FilterError(one.place, f"{one.described} is compared by A_CONTAINS and its like, or IS NULL.")
        if one.kind is Kind.OPAQUE:
            raise FilterError(one.place, f"{one.described} can only be asked for with IS NULL.")
        if isinstance(one.constant, str) and other.kind in _READ_FROM_TEXT:
            return
    if right.kind not in family(left.kind):
        raise FilterError(place, f"{left.described} cannot be compared with {right.described}.")
    if operator not in _EQUALITY and _UNORDERED & {left.kind, right.kind}:
        unordered = left if left.kind in _UNORDERED else right
        raise FilterError(place, f"{unordered.described} has no order; it can be compared with = and <>.")


def operand(scalar: Scalar, beside: Scalar) -> Expression:
    """The value as it stands beside another one: a constant gets the type that leaves the other as it is."""
    match scalar.constant:
        case bool() as value:
            return Literal(value, "bool")
        case Decimal() as value:
            return _number(value, beside)
        case str() as text:
            return _text(scalar.place, text, beside)
        case Moment() as moment:
            return _moment(scalar.place, moment, beside.column)
        case Open(text):
            return Literal(text, _moment_type(beside.column, is_day=True))
    assert scalar.expression is not None  # noqa: S101  # either or
    return scalar.expression


def _number(value: Decimal, beside: Scalar) -> Literal:
    if beside.kind is Kind.DOUBLE:
        single = beside.column is not None and beside.column.base_type == "float4"
        return Literal(_nearest_single(float(value)) if single else float(value), "float8")
    return exact(value)


def exact(value: Decimal) -> Literal:
    """A number as int8 where it is one, else as numeric."""
    if value == value.to_integral_value() and -_INT8 <= value < _INT8:
        return Literal(int(value), "int8")
    text = format(value, "f")
    return Literal(text.rstrip("0").rstrip(".") if "." in text else text, "numeric")


def _nearest_single(value: float) -> float:
    """0.1 of four bytes is not 0.1 of eight: a column of four bytes is compared with the number nearest to it."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return value


def _text(place: str, text: str, beside: Scalar) -> Literal:
    column = beside.column
    if beside.kind in MOMENTS:
        found = read_moment(place, text).constant
        assert isinstance(found, Moment)  # noqa: S101  # it has just been read
        return _moment(place, found, column)
    if beside.kind in TEXTS or column is None:
        return Literal(text, "text" if column is None else bound_type(column))
    try:
        comparison = values.equals("the value", column, [text])
    except BadParameter as error:
        raise FilterError(place, str(error)) from None
    assert isinstance(comparison, Comparison) and isinstance(comparison.right, Literal)  # noqa: S101  # of one value
    return comparison.right


def _moment(place: str, moment: Moment, column: Column | None) -> Literal:
    found = moment.instant
    kind = _moment_type(column, is_day=found.is_day)
    if kind == "date":
        return Literal(found.start.date().isoformat(), kind)
    start = found.start
    if found.is_day and moment.at_end:
        # Not the next day's begin, which the year 9999 has not.
        start += timedelta(days=1, microseconds=-1)
    return Literal(start.isoformat() + ("+00:00" if kind == "timestamptz" else ""), kind)


def _moment_type(column: Column | None, *, is_day: bool) -> str:
    if column is None:
        return "timestamptz"
    if column.base_type == "date":
        return "date" if is_day else "timestamp"
    return column.base_type
