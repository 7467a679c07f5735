"""Numbers computed of numbers."""

from __future__ import annotations

from decimal import Decimal

from .kinds import NUMBERS, Kind
from .scalars import Scalar, operand
from .syntax import Call, FilterError
from .tree import Arithmetic, Expression, Literal

OPERATORS = ("+", "-", "*", "/", "%", "div", "^")


def computed(call: Call, operands: list[Scalar]) -> Scalar:
    """The number. Whole and decimal numbers stay exact, as numeric; with a floating point number, and for powers, it is
    one too. `/` is no whole division; `%` and `div` cut towards zero."""
    for each in operands:
        if each.kind not in NUMBERS:
            raise FilterError(each.place, f"{call.name} takes numbers; {each.described} is none.")
    if len(operands) == 1 and call.name in ("+", "-"):
        operands = [Scalar(call.place, Kind.INTEGER, Decimal(0)), operands[0]]
    if len(operands) != 2:
        raise FilterError(call.place, f"{call.name} takes two numbers.")
    inexact = any(each.kind is Kind.DOUBLE for each in operands)
    kind = Kind.DOUBLE if call.name == "^" or (inexact and call.name not in ("%", "div")) else Kind.DECIMAL
    left, right = (_of_kind(each, kind) for each in operands)
    made = Arithmetic(call.name, left, right, "float8" if kind is Kind.DOUBLE else "numeric")
    return Scalar(call.place, kind, expression=made)


def _of_kind(scalar: Scalar, kind: Kind) -> Expression:
    if isinstance(scalar.constant, Decimal) and kind is Kind.DOUBLE:
        return Literal(float(scalar.constant), "float8")
    return operand(scalar, Scalar(scalar.place, kind))
