"""Arguments of a function out of a query string: each read as the type that it has, before anything is borrowed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from uuid import UUID

from ..errors import BadParameter
from .function import Argument
from .parameters import Arguments, comma_list, only, shown

_RANGES = {"int2": 2**15, "int4": 2**31, "int8": 2**63, "oid": 2**32}
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?", re.ASCII)
_NOT_FINITE = {"nan": "NaN", "infinity": "Infinity", "inf": "Infinity", "-infinity": "-Infinity", "-inf": "-Infinity"}
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), "true"),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), "false"),
}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_OFFSET = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
_TIME = re.compile(_CLOCK + _OFFSET, re.ASCII)
_INSTANT = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T ]{_CLOCK}{_OFFSET})?", re.ASCII)
_ENDLESS = frozenset({"infinity", "-infinity"})
_SURROGATE = re.compile("[\ud800-\udfff]")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}", re.ASCII)


def checked_arguments(arguments: Sequence[Argument], query: Arguments) -> tuple[tuple[str, str | None], ...]:
    """The value of each argument that the query string gives, as a text that PostgreSQL reads as that type.

    In the order of `arguments`; one that is not given and has a default is left out. BadParameter names one that is
    missing or mistyped. Equal values have equal texts, as far as the type is known here: numbers, booleans, text,
    dates and times, uuid, JSON and arrays of these. Of any other type PostgreSQL has to read the text.
    """
    found: list[tuple[str, str | None]] = []
    for argument in arguments:
        if query.get(argument.name):
            found.append((argument.name, _value(argument, query)))
        elif not argument.has_default:
            raise BadParameter(
                argument.name, f"The argument {argument.name} ({argument.type}) is missing; it has no default."
            )
    return tuple(found)


def _value(argument: Argument, query: Arguments) -> str:
    values = query[argument.name]
    refuse_unusable(argument.name, values)
    if argument.category == "A" and argument.base_type.startswith("_"):
        return _array(argument, list(values))
    return _read(argument.name, argument.base_type, argument.type, only(query, argument.name) or "")


def _array(argument: Argument, values: list[str]) -> str:
    """One value is a comma list, or an array as PostgreSQL writes it (`{1,2}`); several are its elements."""
    if len(values) == 1:
        if values[0].startswith("{") or values[0].startswith("["):
            return values[0]
        values = comma_list(argument.name, values[0]) if values[0] else []
    element = argument.base_type[1:]
    read = [_read(argument.name, element, element, value) for value in values]
    return "{" + ",".join('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in read) + "}"


def _read(name: str, base_type: str, type_name: str, text: str) -> str:
    reader = _READERS.get(base_type)
    if reader is None:
        return text
    try:
        return reader(text, base_type)
    except (ValueError, RecursionError):
        raise BadParameter(name, f"{name} must be {_WANTED[base_type]}, not {shown(text)}.") from None


def refuse_unusable(name: str, texts: Sequence[str]) -> None:
    """PostgreSQL's text holds no NUL and no half of a surrogate pair."""
    if any("\0" in text or _SURROGATE.search(text) for text in texts):
        raise BadParameter(name, f"{shown(name)} holds a character that no text of the database can hold.")


# --- one reader per kind of type: text in, the one way to write it out, ValueError for what is no such value -----------


def _integer(text: str, base_type: str) -> str:
    if not _INTEGER.fullmatch(text):
        raise ValueError(text)
    number, most = int(text), _RANGES[base_type]
    least = 0 if base_type == "oid" else -most
    if not least <= number < most:
        raise ValueError(text)
    return str(number)


def _float(text: str, base_type: str) -> str:
    if text.lower() in _NOT_FINITE:
        return _NOT_FINITE[text.lower()]
    if not _DECIMAL.fullmatch(text) or not math.isfinite(number := float(text)):
        raise ValueError(text)
    if base_type == "float4" and abs(number) > 3.4028235e38:
        raise ValueError(text)
    return repr(number)


def _decimal(text: str, base_type: str) -> str:
    """Digits stay as they are: a double would lose some."""
    if text.lower() in _NOT_FINITE:
        return _NOT_FINITE[text.lower()]
    if not _DECIMAL.fullmatch(text):
        raise ValueError(text)
    return text


def _boolean(text: str, base_type: str) -> str:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise ValueError(text)
    return value


def _as_it_is(text: str, base_type: str) -> str:
    return text


def _date(text: str, base_type: str) -> str:
    if text.lower() in _ENDLESS:
        return text.lower()
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text).isoformat()


def _instant(text: str, base_type: str) -> str:
    if text.lower() in _ENDLESS:
        return text.lower()
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text).isoformat()


def _time(text: str, base_type: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    return time.fromisoformat(text).isoformat()


def _uuid(text: str, base_type: str) -> str:
    if not _UUID.fullmatch(text):
        raise ValueError(text)
    return str(UUID(text))


def _json(text: str, base_type: str) -> str:
    json_value(text)
    return text


def json_value(text: str) -> object:
    """A JSON text's value; ValueError or RecursionError where it is none. Python alone would read NaN and Infinity.

    So it is where a number is out of the range of a double: few who read it later could.
    """
    return json.loads(text, parse_constant=_no_json, parse_float=_finite)


def _no_json(constant: str) -> object:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_READERS: dict[str, Callable[[str, str], str]] = {
    "int2": _integer, "int4": _integer, "int8": _integer, "oid": _integer,
    "float4": _float, "float8": _float, "numeric": _decimal,
    "bool": _boolean,
    "text": _as_it_is, "varchar": _as_it_is, "bpchar": _as_it_is, "name": _as_it_is,
    "date": _date, "timestamp": _instant, "timestamptz": _instant, "time": _time, "timetz": _time,
    "uuid": _uuid,
    "json": _json, "jsonb": _json,
}  # fmt: skip

_NUMBER = "a number"
_WANTED = {
    "int2": "a whole number from -32768 to 32767",
    "int4": "a whole number from -2147483648 to 2147483647",
    "int8": "a whole number of 64 bits",
    "oid": "a whole number from 0 to 4294967295",
    "float4": "a number of single precision", "float8": _NUMBER, "numeric": _NUMBER,
    "bool": "true or false",
    "date": "a date as 2024-12-31",
    "timestamp": "a time as 2024-12-31T23:59:59", "timestamptz": "a time as 2024-12-31T23:59:59Z",
    "time": "a time of day as 23:59:59", "timetz": "a time of day as 23:59:59Z",
    "uuid": "a UUID",
    "json": "JSON", "jsonb": "JSON",
}  # fmt: skip
