"""Temporal operators as comparisons of begins and ends (OGC 21-065r2, 7.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .kinds import MOMENTS, Kind
from .scalars import Moment, Open, Scalar, compared, read_moment
from .syntax import Call, FilterError, Syntax, Word
from .tree import And, Comparison, Expression, Or

RELATIONS: dict[str, tuple[str, ...]] = {
    "t_after": ("s>e",),
    "t_before": ("e<s",),
    "t_contains": ("s<s", "e>e"),
    "t_disjoint": ("e<s", "s>e"),
    "t_during": ("s>s", "e<e"),
    "t_equals": ("s=s", "e=e"),
    "t_finishedby": ("s<s", "e=e"),
    "t_finishes": ("s>s", "e=e"),
    "t_intersects": ("s<=e", "e>=s"),
    "t_meets": ("e=s",),
    "t_metby": ("s=e",),
    "t_overlappedby": ("s>s", "s<e", "e>e"),
    "t_overlaps": ("s<s", "e>s", "e<e"),
    "t_startedby": ("s=s", "e>e"),
    "t_starts": ("s=s", "e<e"),
}
"""Begin (s) or end (e) of the first against begin or end of the second; all must hold, of t_disjoint one."""


class Period(NamedTuple):
    """Begin and end; of an instant they are the same."""

    start: Scalar
    end: Scalar


def period(node: Syntax, scalar: Callable[[Syntax], Scalar]) -> Period:
    """An operand: INTERVAL(…), a column or a literal. A DATE beside timestamps is the whole of its day."""
    if not (isinstance(node, Call) and node.name == "interval"):
        found = _moment(scalar(node))
        return Period(found, _at_end(found))
    if len(node.args) != 2:
        raise FilterError(node.place, "INTERVAL takes a begin and an end.")
    start, end = _bound(node.args[0], scalar, "-infinity"), _at_end(_bound(node.args[1], scalar, "infinity"))
    match start.constant, end.constant:
        case Moment(first), Moment(last) if first.start > last.start:
            raise FilterError(node.place, "the interval ends before it begins.")
    return Period(start, end)


def related(call: Call, left: Period, right: Period) -> Expression:
    """The relation between two periods."""
    parts = []
    for relation in RELATIONS[call.name]:
        one = left.start if relation[0] == "s" else left.end
        other = right.start if relation[-1] == "s" else right.end
        parts.append(compared(call.place, relation[1:-1], one, other))
    unique: tuple[Comparison, ...] = tuple(dict.fromkeys(parts))
    if len(unique) == 1:
        return unique[0]
    return Or(unique) if call.name == "t_disjoint" else And(unique)


def _bound(node: Syntax, scalar: Callable[[Syntax], Scalar], infinite: str) -> Scalar:
    if isinstance(node, Word) and isinstance(node.value, str):
        if node.value == "..":
            return Scalar(node.place, Kind.DATE, Open(infinite))
        return read_moment(node.place, node.value)
    return _moment(scalar(node))


def _moment(found: Scalar) -> Scalar:
    if found.kind not in MOMENTS:
        raise FilterError(found.place, f"{found.described} is neither a date nor a timestamp.")
    return found


def _at_end(found: Scalar) -> Scalar:
    if isinstance(found.constant, Moment):
        return Scalar(found.place, found.kind, Moment(found.constant.instant, at_end=True))
    return found
