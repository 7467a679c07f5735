"""Composites: several layers in one tile, and which parameters of a request are whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import BadParameter
from .bounds import Bounds
from .identity import Identity
from .layer import Layer
from .member import Member
from .parameters import Arguments

COLUMNS = frozenset({"columns", "properties"})
"""Two names of one parameter."""


@dataclass(frozen=True)
class Composite:
    """Layers under one name, as the layers file has them.

    `members` are those that the database has: the name of each inside the tile, and the layer with the options that it
    has here.
    """

    name: str
    members: tuple[tuple[str, Layer], ...]
    title: str | None = None
    description: str | None = None
    attribution: str | None = None
    bounds: Bounds | None = None

    @property
    def id(self) -> str:
        """How addresses name it, as they name a layer by its id."""
        return self.name

    def members_for(self, identity: Identity) -> tuple[Member, ...]:
        """The members that this identity may read; the others are not there for it."""
        return tuple(
            Member(name, layer, alias=name, composite=self) for name, layer in self.members if layer.readable_by(identity)
        )


class MemberArguments(NamedTuple):
    """The query string as it is meant for one member; `own` says how its own parameters were written."""

    all: Arguments
    own: Mapping[str, str]

    @contextmanager
    def named_as_written(self) -> Iterator[None]:
        """A fault of one of its own parameters is told by the name that the request gave it."""
        try:
            yield
        except BadParameter as error:
            written = self.own.get(error.parameter)
            if written is None:
                raise
            raise BadParameter(written, f"{written}: {error}") from error


def arguments_of(member: Member, arguments: Arguments) -> MemberArguments:
    """What a request says to one member: with its name in front before what is said to all, `roads.limit=5`.

    The name is the one that it was asked by, else its id.
    """
    own: dict[str, str] = {}
    for prefix in (f"{member.layer.id}.", f"{member.name}."):
        own.update({name[len(prefix) :]: name for name in arguments if name.startswith(prefix) and name != prefix})
    if not own:
        return MemberArguments(arguments, own)
    hidden = own.keys() | (COLUMNS if not COLUMNS.isdisjoint(own) else frozenset())
    general = {name: values for name, values in arguments.items() if name not in hidden}
    return MemberArguments({**general, **{name: arguments[written] for name, written in own.items()}}, own)


def canonical_names(members: Sequence[Member]) -> list[str]:
    """How addresses name these members: ids, and a named composite by its one name."""
    names = (member.layer.id if member.composite is None else member.composite.name for member in members)
    return list(dict.fromkeys(names))
