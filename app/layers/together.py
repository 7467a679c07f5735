"""Which members of a composite are asked alike: what one of them lacks, another may have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from .composite import MemberArguments
from .layer import Layer
from .member import Member
from .parameters import Arguments

_T = TypeVar("_T")


def asked_together(
    members: Sequence[Member],
    given: Sequence[MemberArguments],
    names: Collection[str],
    read: Callable[[Sequence[Layer], Arguments], Sequence[_T]],
) -> list[_T]:
    """For each member what `read` makes of these parameters for all members that share their values.

    A parameter that one member has of its own is read for that member alone.
    """
    found: dict[int, _T] = {}
    for places in _groups(given, names):
        with given[places[0]].named_as_written():
            read_now = read([members[place].layer for place in places], given[places[0]].all)
        found.update(zip(places, read_now, strict=True))
    return [found[place] for place in range(len(members))]


def _groups(given: Sequence[MemberArguments], names: Collection[str]) -> Iterator[list[int]]:
    shared: list[int] = []
    for place, each in enumerate(given):
        if each.own.keys().isdisjoint(names):
            shared.append(place)
        else:
            yield [place]
    if shared:
        yield shared
