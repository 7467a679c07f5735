"""Several functions of one name: which of them a query string means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import BadParameter
from ..settings import Settings
from .composite import arguments_of
from .function import Argument, TileFunctionLayer
from .function_arguments import checked_arguments
from .function_request import answers_in, for_function, without_prefixed
from .grid import Grid
from .layer import Layer
from .member import Member
from .names import escape, layer_id
from .parameters import Arguments
from .row_function import RowFunctionLayer

FunctionLayer = TileFunctionLayer | RowFunctionLayer

_NO_SIGN = frozenset({"key", "f", "v", "json", "minzoom", "maxzoom", "collections"})
"""Names that tell a document or what stands in front something: no sign that a function is to be given them as JSON."""

_MOST_NAMED = 5
"""Functions that a message describes."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """One of several functions of a name, and what a query string is to it."""

    layer: FunctionLayer
    given: Arguments
    answers: bool
    """Whether it has tiles in the grid that is asked for."""

    @property
    def required(self) -> tuple[Argument, ...]:
        return tuple(each for each in self.layer.arguments if not each.has_default)

    @property
    def missing(self) -> tuple[Argument, ...]:
        return tuple(each for each in self.required if not self.given.get(each.name))

    @property
    def takes_all(self) -> bool:
        return isinstance(self.layer, TileFunctionLayer) and self.layer.whole_query is not None

    @property
    def used(self) -> int:
        """How many of the names that are given it takes."""
        if self.takes_all:
            return sum(1 for name in for_function(self.given) if name not in _NO_SIGN)
        return sum(1 for each in self.layer.arguments if self.given.get(each.name))

    @property
    def is_readable(self) -> bool:
        """Whether the values that are given are of its types, as far as those are known here."""
        try:
            checked_arguments(self.layer.arguments, self.given)
        except BadParameter:
            return False
        return True

    @property
    def size(self) -> int:
        """How many arguments it has, with those that the tile fills."""
        own = len(self.layer.arguments)
        if isinstance(self.layer, RowFunctionLayer):
            return own + len(self.layer.filled)
        return own + len(self.layer.place_types) + (self.layer.whole_query is not None)

    @property
    def rank(self) -> tuple[bool, int, bool, bool, int, str]:
        """The lower, the better it fits."""
        return (not self.answers, -self.used, not self.is_readable, self.takes_all, self.size, self.layer.id)


def with_overloads(
    members: Sequence[Member],
    arguments: Arguments,
    grid: Grid,
    settings: Settings,
    overloads: Callable[[Layer], Sequence[Layer]],
) -> tuple[Member, ...]:
    """The members, where a name without types stands for several functions the one that the query string fits.

    Of those whose required arguments are all given it is the one that takes most of what is given. Where several take
    as much: one whose types the values have, one that names its arguments before one that takes any, one of fewer
    arguments, the first by its types. One that has no tiles in this grid comes last. `overloads` gives the functions
    that share a layer's name and may be called. BadParameter, with what each wants, where none fits.
    """
    chosen = []
    for member in members:
        layers = _functions(overloads_of(member, overloads))
        layer = _fitting(member, layers, members, arguments, grid, settings) if layers else member.layer
        chosen.append(member._replace(layer=layer))
    if len({member.alias or member.layer.id for member in chosen}) < len(chosen):
        raise BadParameter("layer", "A composite names each layer once; two of these names lead to the same function.")
    return tuple(chosen)


def overloads_of(member: Member, overloads: Callable[[Layer], Sequence[Layer]]) -> list[Layer]:
    """The functions for which a member's name stands, where it is that of several; else none. `overloads` as above."""
    layers = list(overloads(member.layer)) if _is_by_name_alone(member) else []
    return layers if len(_functions(layers)) > 1 else []


def _functions(layers: Sequence[Layer]) -> list[FunctionLayer]:
    return [layer for layer in layers if isinstance(layer, (TileFunctionLayer, RowFunctionLayer))]


def _is_by_name_alone(member: Member) -> bool:
    """Whether the member was asked for by a function's name without types. A named composite says which one it means."""
    layer = member.layer
    if not _functions([layer]) or member.composite is not None or member.name == layer.id:
        return False
    return member.name in (escape(layer.name), layer_id(layer.schema, layer.name))


def _fitting(
    member: Member,
    layers: Sequence[FunctionLayer],
    members: Sequence[Member],
    arguments: Arguments,
    grid: Grid,
    settings: Settings,
) -> FunctionLayer:
    offers = []
    for layer in layers:
        given = without_prefixed(arguments_of(member._replace(layer=layer), arguments).all, members)
        offers.append(_Offer(layer, given, answers_in(layer, grid, settings)))
    offers.sort(key=lambda each: each.rank)
    for offer in offers:
        if not offer.missing:
            return offer.layer
    raise BadParameter(offers[0].missing[0].name, _none_fits(member, offers))


def _none_fits(member: Member, offers: Sequence[_Offer]) -> str:
    by_size = sorted(offers, key=lambda each: (each.size, each.layer.id))
    wants = [
        f"{each.layer.id} wants {' and '.join(f'{one.name} ({one.type})' for one in each.required)}"
        for each in by_size[:_MOST_NAMED]
    ]
    more = f"; and {len(offers) - _MOST_NAMED} more" if len(offers) > _MOST_NAMED else ""
    return f"No function {member.name} takes the arguments that are given: {'; '.join(wants)}{more}."
