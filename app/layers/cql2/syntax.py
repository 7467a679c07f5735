"""What a filter says, before names and types are looked at: the same for text and for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

LONGEST = 10_000
"""Characters of a filter."""
DEEPEST = 50
"""Operators and functions within one another."""
MOST_NODES = 1_000
_MOST_DIGITS = 300

Coordinates = tuple["float | Coordinates", ...]
"""A position as x, y (in the order of the CRS), or a tuple of what GeoJSON has in its arrays."""


class FilterError(ValueError):
    """A filter cannot be used. `place` is where: `character 7` of a text, counted from 1, or a path in JSON."""

    def __init__(self, place: str, said: str) -> None:
        super().__init__(f"at {place}: {said}")
        self.place = place
        self.said = said


@dataclass(frozen=True, slots=True)
class Word:
    """A value in the filter: text or a boolean."""

    place: str
    value: str | bool

    depth = 1
    size = 1


@dataclass(frozen=True, slots=True)
class Number:
    """A number, as exact as it was written."""

    place: str
    value: Decimal

    depth = 1
    size = 1


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a column."""

    place: str
    name: str

    depth = 1
    size = 1


@dataclass(frozen=True, slots=True)
class Shape:
    """A geometry. `type` is upper case; `parts` are those of a GEOMETRYCOLLECTION, `coordinates` of any other."""

    place: str
    type: str
    coordinates: Coordinates = ()
    parts: tuple[Shape, ...] = ()

    depth = 1
    size = 1


@dataclass(frozen=True, slots=True)
class Items:
    """Several values in brackets, or a JSON array."""

    place: str
    args: tuple[Syntax, ...]
    depth: int
    size: int


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or a function, by its name in CQL2 JSON, in lower case."""

    place: str
    name: str
    args: tuple[Syntax, ...]
    depth: int
    size: int


Syntax = Word | Number | Name | Shape | Items | Call


def call(place: str, name: str, *args: Syntax) -> Call:
    """A call within the limits of depth and size."""
    return Call(place, name.lower(), args, *_measured(place, args))


def items(place: str, *args: Syntax) -> Items:
    """A list within the limits of depth and size."""
    return Items(place, args, *_measured(place, args))


def _measured(place: str, args: tuple[Syntax, ...]) -> tuple[int, int]:
    depth = 1 + max((arg.depth for arg in args), default=0)
    size = 1 + sum(arg.size for arg in args)
    if depth > DEEPEST:
        raise FilterError(place, f"operators stand in one another more than {DEEPEST} deep.")
    if size > MOST_NODES:
        raise FilterError(place, f"a filter may have {MOST_NODES} names, values and operators.")
    return depth, size


def number(place: str, text: str) -> Number:
    """A decimal number of bounded size: PostgreSQL would compute with 100,000 digits for each row."""
    value = _decimal(text) if len(text) <= _MOST_DIGITS else None
    if value is None or not value.is_finite() or abs(value.adjusted()) > _MOST_DIGITS:
        raise FilterError(place, f"a number may have {_MOST_DIGITS} digits.")
    return Number(place, value)


def _decimal(text: str) -> Decimal | None:
    """The number; None where its exponent has more digits than Python's decimals can count."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def negative(place: str, value: Number) -> Number:
    """The number with the other sign; not by `-`, which would round it."""
    return Number(place, value.value.copy_negate())


def checked_length(text: str) -> str:
    """The text of a filter, where it is not longer than one may be, and something that PostgreSQL can hold."""
    if len(text) > LONGEST:
        raise FilterError(f"character {LONGEST + 1}", f"a filter may have {LONGEST} characters, not {len(text)}.")
    if not text.strip():
        raise FilterError("character 1", "the filter is empty.")
    return text


def checked_text(place: str, text: str) -> str:
    """Text that PostgreSQL can hold: without NUL and without halves of a UTF-16 pair."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise FilterError(place, "text may hold neither NUL nor lone surrogates.")
    return text
