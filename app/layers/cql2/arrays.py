"""Array operators (OGC 21-065r2, 7.9): arrays as sets of their elements."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ..column import Column
from .kinds import MOMENTS, NUMBERS, Kind, kind_of
from .scalars import Scalar, compared
from .syntax import Call, FilterError, Items, Syntax
from .tree import ArrayLiteral, ArrayRelation, Literal, Property

RELATIONS = {
    "a_contains": "contains", "a_containedby": "contained by", "a_equals": "equals", "a_overlaps": "overlaps",
}  # fmt: skip
_BITS = {"int2": 15, "int4": 31, "int8": 63}
_LARGEST_SINGLE = Decimal("3.4e38")


def related(call: Call, sides: tuple[Syntax, ...], scalar: Callable[[Syntax], Scalar]) -> ArrayRelation:
    """The relation of an array column to a list, or to a column of the same type."""
    read = [_side(side, scalar) for side in sides]
    columns = [side.column for side in read if isinstance(side, Property)]
    if not columns:
        raise FilterError(call.place, f"one side of {call.name.upper()} must be a column of arrays.")
    element = _element(columns[0])
    if element is None or any(column.base_type != columns[0].base_type for column in columns):
        types = " and ".join(column.type for column in columns)
        raise FilterError(call.place, f"{call.name.upper()} cannot look into {types}.")
    left, right = (side if isinstance(side, Property) else _literal(call, side, element) for side in read)
    return ArrayRelation(RELATIONS[call.name], left, right)


def _side(side: Syntax, scalar: Callable[[Syntax], Scalar]) -> Property | list[Scalar]:
    members = [scalar(each) for each in side.args] if isinstance(side, Items) else [scalar(side)]
    match members:
        case [Scalar(expression=Property() as column)] if not isinstance(side, Items):
            return column
    for member in members:
        if member.constant is None:
            raise FilterError(member.place, "a list that an array is compared with holds literals only.")
    return members


def _element(array: Column) -> Column | None:
    """One element as a column of its own; None where filters do not look into it."""
    base = array.base_type.removeprefix("_")
    element = Column(array.name, base, base, "")
    return element if array.category == "A" and kind_of(element) is not Kind.OPAQUE else None


def _literal(call: Call, members: list[Scalar], element: Column) -> ArrayLiteral:
    beside = Scalar(call.place, kind_of(element), column=element, expression=Property(element))
    return ArrayLiteral(tuple(sorted({_text(member, beside, element) for member in members})), element.base_type)


def _text(member: Scalar, beside: Scalar, element: Column) -> str:
    """An element as text that PostgreSQL can read as exactly the array's type: arrays of two types have no operators."""
    found = compared(member.place, "=", beside, member).right
    assert isinstance(found, Literal)  # noqa: S101  # of a constant
    kind = beside.kind
    fits = kind not in MOMENTS or found.type == element.base_type
    if element.base_type in _BITS:
        most = 2 ** _BITS[element.base_type]
        fits = isinstance(found.value, int) and -most <= found.value < most
    elif element.base_type == "float4" and isinstance(member.constant, Decimal):
        fits = abs(member.constant) < _LARGEST_SINGLE
    if not fits:
        raise FilterError(member.place, f"{member.described} cannot be an element of {element.base_type}[].")
    return str(found.value).lower() if kind is Kind.BOOLEAN or kind in NUMBERS else str(found.value)
