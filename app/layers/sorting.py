"""`sortby`: the order that a request wants, which decides what survives a limit and what is drawn first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import BadParameter
from .column import Column
from .columns import known_name, no_column
from .composite import MemberArguments
from .identity import Identity
from .layer import Layer, RowLayer
from .member import Member
from .order import SortKey
from .parameters import comma_list, only, shown
from .together import asked_together
from .values import is_sortable

_PARAMETER = "sortby"
# A plus sign that was not written %2B arrives as a space.
_SIGNS = "+- "


def orders_of(members: Sequence[Member], given: Sequence[MemberArguments], identity: Identity) -> list[tuple[SortKey, ...]]:
    """For each member the order of its rows: first as the request wants it, then by the layer's own rank."""
    asked = asked_together(
        members, given, (_PARAMETER,), lambda layers, arguments: _asked(layers, only(arguments, _PARAMETER), identity)
    )
    return [_with_rank(keys, member.layer, identity) for keys, member in zip(asked, members, strict=True)]


def _with_rank(keys: tuple[SortKey, ...], layer: Layer, identity: Identity) -> tuple[SortKey, ...]:
    """Who may not read a column of the rank must not learn of it from the order."""
    if not layer.options.rank or not isinstance(layer, RowLayer):
        return keys
    readable = layer.readers[identity.role or layer.login]
    asked = {key.column.name for key in keys}
    ranks = [key for key in layer.options.rank if key.column.name not in asked]
    return keys + tuple(key for key in ranks if readable is None or key.column.name in readable)


def _asked(layers: Sequence[Layer], text: str | None, identity: Identity) -> list[tuple[SortKey, ...]]:
    """For each layer what `-a,+b,c` says of its columns; every name must be a column of at least one layer."""
    if not text or not any(isinstance(layer, RowLayer) for layer in layers):
        return [()] * len(layers)
    columns = [{column.name: column for column in layer.columns_for(identity)} for layer in layers]
    known = {name for each in columns for name in each}
    descending: dict[str, bool] = {}
    for word in comma_list(_PARAMETER, text, _SIGNS):
        name, down = _named(word, known)
        if name not in known:
            raise no_column(_PARAMETER, name, layers, known)
        if descending.setdefault(name, down) != down:
            raise BadParameter(_PARAMETER, f"sortby names {shown(name)} in both directions.")
    return [tuple(_keys(each, descending.items())) for each in columns]


def _named(word: str, known: set[str]) -> tuple[str, bool]:
    # A column that is really named `-a` is found before the column `a`.
    name = known_name(word, known)
    if name in known or not word.startswith(tuple(_SIGNS)):
        return name, False
    return known_name(word[1:], known), word[0] == "-"


def _keys(columns: dict[str, Column], named: Iterable[tuple[str, bool]]) -> Iterable[SortKey]:
    for name, descending in named:
        column = columns.get(name)
        if column is None:
            continue
        if not is_sortable(column):
            raise BadParameter(_PARAMETER, f"Column {shown(name)} has the type {column.type}, which has no order.")
        yield SortKey(column, descending)
