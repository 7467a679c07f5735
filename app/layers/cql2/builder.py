"""Makes syntax of what the parser finds: one method for each rule of `cql2.lark`. It is shared by all threads."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

from lark import Token, Transformer

from .syntax import (
    Call,
    Coordinates,
    FilterError,
    Name,
    Number,
    Shape,
    Syntax,
    Word,
    call,
    checked_text,
    items,
    negative,
    number,
)

Children = list[Any]


class Builder(Transformer[Token, Syntax]):
    """The parser calls a rule's method when all of the rule's parts are there."""

    def or_(self, parts: Children) -> Call:
        return call(parts[0].place, "or", *_operands(parts))

    def and_(self, parts: Children) -> Call:
        return call(parts[0].place, "and", *_operands(parts))

    def not_(self, parts: Children) -> Call:
        return call(_place(parts[0]), "not", parts[1])

    # --- predicates ---------------------------------------------------------------------------------------------

    def comparison(self, parts: Children) -> Call:
        return call(_place(parts[1]), str(parts[1]), parts[0], parts[2])

    def like(self, parts: Children) -> Call:
        value, negated, word, pattern = parts
        place = _place(word)
        if word.type == "ILIKE":
            value, pattern = call(value.place, "casei", value), call(pattern.place, "casei", pattern)
        return _unless(negated, call(place, "like", value, pattern))

    def between(self, parts: Children) -> Call:
        value, negated, word, lowest, _and, highest = parts
        return _unless(negated, call(_place(word), "between", value, lowest, highest))

    def in_(self, parts: Children) -> Call:
        value, negated, word, *members = parts
        return _unless(negated, call(_place(word), "in", value, items(_place(word), *members)))

    def is_null(self, parts: Children) -> Call:
        value, word, negated, _null = parts
        return _unless(negated, call(_place(word), "isnull", value))

    # --- arithmetic ---------------------------------------------------------------------------------------------

    def sum(self, parts: Children) -> Syntax:
        return _folded(parts)

    def product(self, parts: Children) -> Syntax:
        return _folded(parts)

    def power(self, parts: Children) -> Syntax:
        return _folded(parts)

    def signed(self, parts: Children) -> Syntax:
        sign, operand = parts
        if isinstance(operand, Number):
            return negative(_place(sign), operand) if sign == "-" else operand
        return call(_place(sign), str(sign), operand)

    # --- values -------------------------------------------------------------------------------------------------

    def number(self, parts: Children) -> Number:
        return number(_place(parts[0]), str(parts[0]))

    def moment(self, parts: Children) -> Call:
        text, place = str(parts[0]), _place(parts[0])
        if "T" not in text:
            return call(place, "date", Word(place, text))
        seconds = "" if text.count(":") == 2 else ":00"
        return call(place, "timestamp", Word(place, f"{text.removesuffix('Z')}{seconds}Z"))

    def string(self, parts: Children) -> Word:
        text = str(parts[0])[1:-1].replace("\\'", "''").replace("''", "'")
        return Word(_place(parts[0]), checked_text(_place(parts[0]), text))

    def true(self, parts: Children) -> Word:
        return Word(_place(parts[0]), value=True)

    def false(self, parts: Children) -> Word:
        return Word(_place(parts[0]), value=False)

    def property(self, parts: Children) -> Name:
        return Name(_place(parts[0]), str(parts[0]))

    def quoted(self, parts: Children) -> Name:
        return Name(_place(parts[0]), str(parts[0])[1:-1].replace('""', '"'))

    def call(self, parts: Children) -> Call:
        return call(_place(parts[0]), str(parts[0]), *(part for part in parts[1:] if part is not None))

    def brackets(self, parts: Children) -> Syntax:
        return parts[0] if len(parts) == 1 else items(parts[0].place, *parts)

    # --- geometries ---------------------------------------------------------------------------------------------

    def shape(self, parts: Children) -> Shape:
        word, inside = parts
        # `POINTZ` and `POINT Z` alike: a third coordinate is read and left out.
        kind = str(word).upper().split()[0].removesuffix("ZM").removesuffix("Z").removesuffix("M")
        if isinstance(inside, Token):
            raise FilterError(_place(word), "an empty geometry meets nothing.")
        if any(isinstance(part, Shape) for part in inside):
            return Shape(_place(word), kind, parts=inside)
        if kind == "POINT" and len(inside) == 1:
            inside = inside[0]
        if kind == "MULTIPOINT":
            # Both ways are in use: (1 2, 3 4) and ((1 2), (3 4)).
            inside = tuple(each if isinstance(each[0], float) else each[0] for each in inside)
        return Shape(_place(word), kind, inside)

    def group(self, parts: Children) -> Coordinates:
        return tuple(parts)

    def position(self, parts: Children) -> Coordinates:
        return tuple(parts)

    def ordinate(self, parts: Children) -> float:
        sign, word = parts
        value = float(word)
        if not math.isfinite(value):
            raise FilterError(_place(word), "a coordinate must be finite.")
        return -value if sign == "-" else value


def _place(token: Token) -> str:
    return f"character {(token.start_pos or 0) + 1}"


def _operands(parts: Children) -> list[Syntax]:
    return [part for part in parts if not isinstance(part, Token)]


def _unless(negated: Token | None, found: Call) -> Call:
    return found if negated is None else call(_place(negated), "not", found)


def _folded(parts: Children) -> Syntax:
    """`a - b - c` is `(a - b) - c`."""
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    found: Syntax = reduce(lambda left, pair: call(_place(pair[0]), str(pair[0]), left, pair[1]), pairs, parts[0])
    return found
