"""Expressions drawn at random: each can be written in both languages of CQL2, and judged by Python for a row."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

Row = dict[str, Any]
Truth = bool | None

_TEXTS = ["", "a", "A", "ab", "a%", "a_b", "O'Brien", '"quoted"', "back\\slash", "%s", "ä", "Ä", "𝄞", "null", "1", " a "]
_DAYS = [date(2024, 2, 29), date(2024, 3, 1), date(1999, 12, 31), date(9999, 12, 31), date(1, 1, 1)]
_TIMES = [datetime(2024, 2, 29, 12, 0, tzinfo=UTC), datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC),
          datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)]  # fmt: skip
_WHOLE = [0, 1, -1, 2, 3, 7, 10, -10, 2**31 - 1]
_HUGE = [2**53, 2**53 + 1, -(2**63), 2**63 - 1, 0, 5]
_EXACT = [Decimal("0.1"), Decimal("1.50"), Decimal("-3"), Decimal("12345678901234567890.5"), Decimal(0)]
_FLOATS = [0.5, -0.25, 1.0, 1024.0, 0.0]


def _rows() -> list[Row]:
    """Each column has each of its values, and NULL, beside others."""
    rows = []
    for number in range(48):
        rows.append({
            "id": number,
            "w": ([None, *_WHOLE])[number % 10], "h": ([None, *_HUGE])[number % 7], "n": ([None, *_EXACT])[number // 2 % 6],
            "f": ([None, *_FLOATS])[number // 3 % 6], "s": ([None, *_TEXTS])[number % 17], "t": ([None, *_TEXTS])[number // 3 % 17],
            "b": (None, True, False)[number % 3], "d": ([None, *_DAYS])[number % 6], "i": ([None, *_TIMES])[number // 2 % 5],
            "x": float(number % 8 * 10), "y": float(number // 8 * 10),
        })  # fmt: skip
    return rows


ROWS = _rows()


@dataclass(frozen=True)
class Node:
    text: str
    json: Any
    value: Any
    """A function of a row."""


def _value(node: Node, row: Row) -> Any:
    return node.value(row)


def _quoted(text: str) -> str:
    # A backslash before a quote would take the quote in: such text has no form of its own in CQL2 text.
    assume("\\'" not in text + "'")
    return "'" + text.replace("'", "''") + "'"


def _columns(names: str) -> st.SearchStrategy[Node]:
    return st.sampled_from(names).map(lambda name: Node(name, {"property": name}, lambda row: row[name]))


def _number_node(value: int | Decimal | float) -> Node:
    text = format(Decimal(str(value)), "f")
    return Node(text, _Raw(text), lambda _row: Fraction(Decimal(text)))


class _Raw(NamedTuple):
    """A number of a document, as it is to be written: json would round it."""

    text: str


def document_of(value: Any) -> str:
    match value:
        case _Raw(text):
            return text
        case dict():
            return "{" + ", ".join(f"{json.dumps(name)}: {document_of(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(document_of, value)) + "]"
    return json.dumps(value)


def _literals(values: list[Any]) -> st.SearchStrategy[Node]:
    return st.sampled_from(values).map(_number_node)


_exact_numbers = st.one_of(_columns("whn"), _literals([*_WHOLE, *_HUGE, *_EXACT]))


def _exact(node: Node) -> Node:
    return Node(node.text, node.json, lambda row: None if node.value(row) is None else Fraction(node.value(row)))


def _computed(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def made(left: Node, operator: str, right: Node) -> Node:
        def value(row: Row) -> Fraction | None:
            one, other = left.value(row), right.value(row)
            if one is None or other is None:
                return None
            match operator:
                case "+":
                    return Fraction(one + other)
                case "-":
                    return Fraction(one - other)
                case "*":
                    return Fraction(one * other)
            if other == 0:
                return None
            quotient = one / other
            whole = Fraction(int(quotient))
            return whole if operator == "div" else one - other * whole

        return Node(f"({left.text} {operator} {right.text})", {"op": operator, "args": [left.json, right.json]}, value)

    whole = st.one_of(_columns("wh"), _literals(_WHOLE)).map(_exact)
    return st.one_of(
        st.builds(made, children, st.sampled_from("+-*"), children),
        st.builds(made, whole, st.sampled_from(["%", "div"]), whole),
    )


exact_numbers = st.recursive(_exact_numbers.map(_exact), _computed, max_leaves=4)
inexact_numbers = st.one_of(_columns("f"), _literals(_FLOATS)).map(_exact)
_plain_texts = st.one_of(_columns("st"), st.sampled_from(_TEXTS).map(lambda text: Node(_quoted(text), text, lambda _row: text)))


def _without_accents(node: Node) -> Node:
    def value(row: Row) -> str | None:
        text: str | None = node.value(row)
        # All accents that there are in these texts.
        return None if text is None else text.replace("ä", "a").replace("Ä", "A")

    return Node(f"ACCENTI({node.text})", {"op": "accenti", "args": [node.json]}, value)


texts = st.one_of(_plain_texts, _plain_texts.map(_without_accents))
days = st.one_of(
    _columns("d"), st.sampled_from(_DAYS).map(lambda day: Node(f"DATE('{day:%Y-%m-%d}')".replace("DATE('1-", "DATE('0001-"), {"date": day.isoformat()}, lambda _row: day))
)
moments = st.one_of(_columns("i"), st.sampled_from(_TIMES).map(
    lambda at: Node(f"TIMESTAMP('{_iso(at)}')", {"timestamp": _iso(at)}, lambda _row: at)))  # fmt: skip


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def _known(*values: Any) -> bool:
    return all(value is not None for value in values)


def _comparison(pair: tuple[Node, Node], operator: str) -> Node:
    left, right = pair

    def value(row: Row) -> Truth:
        one, other = left.value(row), right.value(row)
        return _COMPARED[operator](one, other) if _known(one, other) else None

    return Node(f"{left.text} {operator} {right.text}", {"op": operator, "args": [left.json, right.json]}, value)


def _between(value: Node, low: Node, high: Node) -> Node:
    def judged(row: Row) -> Truth:
        it, least, most = value.value(row), low.value(row), high.value(row)
        return _and([it >= least if _known(it, least) else None, it <= most if _known(it, most) else None])

    return Node(f"{value.text} BETWEEN {low.text} AND {high.text}", {"op": "between", "args": [value.json, low.json, high.json]}, judged)


def _in(value: Node, members: list[Node]) -> Node:
    def judged(row: Row) -> Truth:
        it = value.value(row)
        return either([it == member.value(row) if _known(it, member.value(row)) else None for member in members])

    listed = ", ".join(member.text for member in members)
    return Node(f"{value.text} IN ({listed})", {"op": "in", "args": [value.json, [member.json for member in members]]}, judged)


def _is_null(value: Node) -> Node:
    return Node(f"{value.text} IS NULL", {"op": "isNull", "args": [value.json]}, lambda row: value.value(row) is None)


def _like(value: Node, pattern: list[str], folds: bool) -> Node:
    text = "".join(pattern)
    escaped = "".join({"%": ".*", "_": "."}.get(piece, re.escape(piece[-1])) for piece in pattern)

    def fold(word: str) -> str:
        # The column's collation is C: only ASCII has a lower case there.
        return re.sub("[A-Z]", lambda found: found.group().lower(), word)

    def judged(row: Row) -> Truth:
        it = value.value(row)
        if it is None:
            return None
        return re.fullmatch(fold(escaped) if folds else escaped, fold(it) if folds else it, re.DOTALL) is not None

    if folds:
        return Node(
            f"CASEI({value.text}) LIKE CASEI({_quoted(text)})",
            {"op": "like", "args": [{"op": "casei", "args": [value.json]}, {"op": "casei", "args": [text]}]}, judged,
        )  # fmt: skip
    return Node(f"{value.text} LIKE {_quoted(text)}", {"op": "like", "args": [value.json, text]}, judged)


def _box(west: int, south: int, width: int, height: int, form: str) -> Node:
    east, north = west + width, south + height
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    wkt = "POLYGON((" + ",".join(f"{x} {y}" for x, y in ring) + "))"

    def inside(row: Row) -> bool:
        strict = form == "s_within"
        if strict:
            return bool(west < row["x"] < east and south < row["y"] < north)
        return bool(west <= row["x"] <= east and south <= row["y"] <= north)

    box = {"bbox": [west, south, east, north]}, f"BBOX({west},{south},{east},{north})"
    shape = {"type": "Polygon", "coordinates": [ring]}, wkt
    written, text = box if form == "s_intersects" else shape
    return Node(
        f"{form.upper()}(geom, {text})", {"op": form, "args": [{"property": "geom"}, written]},
        lambda row: not inside(row) if form == "s_disjoint" else inside(row),
    )  # fmt: skip


def _instant_or_interval(one: datetime, other: datetime | None) -> tuple[str, Any, datetime, datetime]:
    if other is None:
        return f"TIMESTAMP('{_iso(one)}')", {"timestamp": _iso(one)}, one, one
    begin, end = sorted((one, other))
    return f"INTERVAL('{_iso(begin)}', '{_iso(end)}')", {"interval": [_iso(begin), _iso(end)]}, begin, end


_ALLEN: dict[str, Callable[[datetime, datetime, datetime, datetime], bool]] = {
    "t_after": lambda a, b, c, d: a > d, "t_before": lambda a, b, c, d: b < c, "t_equals": lambda a, b, c, d: (a, b) == (c, d),
    "t_disjoint": lambda a, b, c, d: b < c or d < a, "t_intersects": lambda a, b, c, d: not (b < c or d < a),
    "t_during": lambda a, b, c, d: c < a and b < d, "t_contains": lambda a, b, c, d: a < c and d < b,
    "t_meets": lambda a, b, c, d: b == c, "t_metby": lambda a, b, c, d: a == d, "t_starts": lambda a, b, c, d: a == c and b < d,
    "t_startedby": lambda a, b, c, d: a == c and d < b, "t_finishes": lambda a, b, c, d: b == d and c < a,
    "t_finishedby": lambda a, b, c, d: b == d and a < c, "t_overlaps": lambda a, b, c, d: a < c < b < d,
    "t_overlappedby": lambda a, b, c, d: c < a < d < b,
}  # fmt: skip


def _temporal(name: str, one: datetime, other: datetime | None, long: bool) -> Node:
    """The column i, or the interval from it to the end of time, against an instant or interval."""
    text, written, begin, end = _instant_or_interval(one, other)
    left = ("INTERVAL(i, '..')", {"interval": [{"property": "i"}, ".."]}) if long else ("i", {"property": "i"})
    forever = datetime.max.replace(tzinfo=UTC)

    def judged(row: Row) -> Truth:
        if row["i"] is None:
            # An open end alone can decide: nothing is after it.
            return _unknown(name, long)
        return bool(_ALLEN[name](row["i"], forever if long else row["i"], begin, end))

    return Node(f"{name.upper()}({left[0]}, {text})", {"op": name, "args": [left[1], written]}, judged)


_FALSE_WITH_AN_OPEN_END = {
    "t_before", "t_during", "t_equals", "t_finishedby", "t_finishes", "t_meets", "t_overlaps", "t_starts",
}  # fmt: skip


def _unknown(name: str, long: bool) -> Truth:
    return False if long and name in _FALSE_WITH_AN_OPEN_END else None


def _and(parts: list[Truth]) -> Truth:
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def either(parts: list[Truth]) -> Truth:
    return _not(_and([_not(part) for part in parts]))


def _not(part: Truth) -> Truth:
    return None if part is None else not part


_kinds = (exact_numbers, inexact_numbers, texts, days, moments)
_pairs = st.one_of(*(st.tuples(kind, kind) for kind in _kinds), st.tuples(_columns("f"), _literals([*_WHOLE, *_FLOATS])),
                   st.tuples(_columns("wn").map(_exact), _literals([0.5, 1.5, 3.0])))  # fmt: skip
_pieces = st.lists(st.sampled_from(["%", "_", "\\%", "\\_", "a", "A", "b", "B", "'", "ä", "%", '"', "\\\\", "O"]), max_size=5)
_one_kind = st.one_of(*(st.tuples(kind, kind, kind) for kind in _kinds))

predicates = st.one_of(
    st.builds(_comparison, _pairs, st.sampled_from(list(_COMPARED))),
    _one_kind.map(lambda three: _between(*three)),
    st.one_of(*(st.builds(_in, kind, st.lists(kind, min_size=1, max_size=4)) for kind in _kinds)),
    st.one_of(*_kinds, _columns("b")).map(_is_null),
    st.builds(_like, _columns("st"), _pieces, st.booleans()),
    st.builds(_box, st.integers(-20, 80), st.integers(-20, 60), st.integers(1, 60), st.integers(1, 60),
              st.sampled_from(["s_intersects", "s_within", "s_disjoint"])),
    st.builds(_temporal, st.sampled_from(list(_ALLEN)), st.sampled_from(_TIMES), st.one_of(st.none(), st.sampled_from(_TIMES)), st.booleans()),
    _columns("b"),
    st.sampled_from([Node("TRUE", True, lambda _row: True), Node("FALSE", False, lambda _row: False)]),
)  # fmt: skip


def _connected(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    def joined(word: str, parts: list[Node]) -> Node:
        judge = _and if word == "and" else either
        return Node(
            "(" + f" {word.upper()} ".join(part.text for part in parts) + ")",
            {"op": word, "args": [part.json for part in parts]},
            lambda row: judge([part.value(row) for part in parts]),
        )

    def negated(part: Node) -> Node:
        return Node(f"NOT ({part.text})", {"op": "not", "args": [part.json]}, lambda row: _not(part.value(row)))

    return st.one_of(
        st.builds(joined, st.sampled_from(["and", "or"]), st.lists(children, min_size=2, max_size=4)), st.builds(negated, children)
    )


expressions = st.recursive(predicates, _connected, max_leaves=8)
