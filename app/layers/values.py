"""Values of a query string as values of a column: what PostgreSQL could not read as its type is refused here."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from ..errors import BadParameter
from .column import Column
from .cql2.kinds import Kind, bound_type, kind_of
from .cql2.tree import Comparison, Expression, In, Literal, Property
from .instants import instant
from .parameters import shown, whole_number, yes_or_no

_Value = str | int | float | bool

_INTEGERS = {"int2": 15, "int4": 31, "int8": 63}
"""Bits of the value beside its sign."""
_NOT_COMPARED = frozenset({Kind.ARRAY, Kind.OPAQUE})
_ORDERED_TOO = frozenset({"interval", "inet", "cidr", "macaddr", "money", "oid", "timetz", "jsonb"})
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_MOST_DIGITS = 300
_LARGEST_SINGLE = 3.4028234663852886e38
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?", re.ASCII)


def is_sortable(column: Column) -> bool:
    """Whether PostgreSQL has an order for the column's type, whatever the search path."""
    return kind_of(column) not in _NOT_COMPARED or column.base_type in _ORDERED_TOO


def equals(parameter: str, column: Column, texts: Iterable[str]) -> Expression:
    """That the column has one of these values. BadParameter says what a value must be."""
    kind = kind_of(column)
    if kind in _NOT_COMPARED:
        raise BadParameter(
            parameter, f"Column {shown(column.name)} has the type {column.type}, which no value can be compared with."
        )
    found = {_READERS[kind](parameter, readable_text(parameter, text), column): None for text in texts}
    bound = bound_type(column)
    if len(found) == 1:
        return Comparison("=", Property(column), Literal(next(iter(found)), bound))
    return In(Property(column), tuple(sorted(str(value).lower() if kind is Kind.BOOLEAN else str(value) for value in found)), bound)


def readable_text(parameter: str, text: str) -> str:
    """The text, where PostgreSQL can hold it: no NUL, and no halves of a UTF-16 pair."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise BadParameter(parameter, f"{parameter} must be text without NUL and lone surrogates, not {shown(text)}.")
    return text


def _text(_parameter: str, text: str, _column: Column) -> str:
    return text


def _integer(parameter: str, text: str, column: Column) -> int:
    whole_number(parameter, text)
    most = 2 ** _INTEGERS[column.base_type]
    # So many digits are outside of every type, and Python refuses to read thousands.
    value = int(text) if len(text) <= 25 else most
    if not -most <= value < most:
        raise BadParameter(parameter, f"{parameter} must be {-most} to {most - 1}, not {shown(text)}.")
    return value


def _decimal(parameter: str, text: str) -> Decimal:
    if _DECIMAL.fullmatch(text) is None or len(text) > _MOST_DIGITS:
        raise BadParameter(parameter, f"{parameter} must be a decimal number, not {shown(text)}.")
    return Decimal(text)


def _floating(parameter: str, text: str, column: Column) -> float:
    value = float(_decimal(parameter, text))
    if math.isfinite(value) and column.base_type == "float4":
        # It is compared as a double, and 0.1 of four bytes is not 0.1 of eight.
        value = struct.unpack("f", struct.pack("f", value))[0] if abs(value) <= _LARGEST_SINGLE else math.inf
    if not math.isfinite(value):
        raise BadParameter(parameter, f"{parameter} must be a number that {column.type} can hold, not {shown(text)}.")
    return value


def _numeric(parameter: str, text: str, _column: Column) -> str:
    value = _decimal(parameter, text)
    if abs(value.adjusted()) > _MOST_DIGITS:
        raise BadParameter(parameter, f"{parameter} must be a number of at most {_MOST_DIGITS} digits, not {shown(text)}.")
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _bool(parameter: str, text: str, _column: Column) -> bool:
    return yes_or_no(parameter, text)


def _uuid(parameter: str, text: str, _column: Column) -> str:
    if _UUID.fullmatch(text) is None:
        raise BadParameter(parameter, f"{parameter} must be a UUID, not {shown(text)}.")
    plain = text.replace("-", "").lower()
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _time(parameter: str, text: str, _column: Column) -> str:
    if _TIME.fullmatch(text) is None:
        raise BadParameter(parameter, f"{parameter} must be a time of day as 23:59:59, not {shown(text)}.")
    return text


def _moment(parameter: str, text: str, column: Column) -> str:
    found = instant(parameter, text)
    if column.base_type == "date" and not found.is_day:
        raise BadParameter(parameter, f"{parameter} must be a date as 2024-02-29, not {shown(text)}.")
    return moment_text(found.start, column)


def moment_text(moment: datetime, column: Column) -> str:
    """A moment in UTC as a value of a date or time column. Those without a zone are taken for UTC."""
    if column.base_type == "date":
        return moment.date().isoformat()
    return moment.isoformat() + ("+00:00" if column.base_type == "timestamptz" else "")


_READERS: dict[Kind, Callable[[str, str, Column], _Value]] = {
    Kind.INTEGER: _integer,
    Kind.DECIMAL: _numeric,
    Kind.DOUBLE: _floating,
    Kind.TEXT: _text,
    # Only the database knows an enum's labels: they are compared as text, and another text is nobody's.
    Kind.LABEL: _text,
    Kind.BOOLEAN: _bool,
    Kind.DATE: _moment,
    Kind.TIMESTAMP: _moment,
    Kind.TIME: _time,
    Kind.UUID: _uuid,
}
