"""`geom-column`: another geometry column of a table is a layer of its own, which takes the first one's place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from ..errors import BadParameter
from .composite import arguments_of
from .layer import Layer
from .member import Member
from .names import nearest
from .parameters import Arguments, only, shown
from .relation import RelationLayer
from .together import asked_together

_NAME = "geom-column"


def with_geometry(
    members: Sequence[Member], arguments: Arguments, visible: Callable[[], Iterable[Layer]]
) -> tuple[Member, ...]:
    """The members, drawn by the geometry column that the request names; each keeps the name it was asked by.

    `visible` gives the layers that may be read. Of a composite the members that have no such column stay as they are;
    BadParameter where none has it.
    """
    if not any(name == _NAME or name.endswith(f".{_NAME}") for name in arguments):
        return tuple(members)
    # A named composite says what its members are drawn by.
    free = [member for member in members if member.composite is None]
    if not free:
        return tuple(members)
    given = [arguments_of(member, arguments) for member in free]
    layers = asked_together(free, given, (_NAME,), partial(_layers, visible=visible))
    if len({layer.id for layer in layers}) < len(layers):
        raise BadParameter(_NAME, "geom-column makes two layers of the composite the same.")
    chosen = iter(layers)
    return tuple(member._replace(layer=next(chosen)) if member.composite is None else member for member in members)


def _layers(layers: Sequence[Layer], arguments: Arguments, *, visible: Callable[[], Iterable[Layer]]) -> list[Layer]:
    column = only(arguments, _NAME)
    if not column:
        return list(layers)
    siblings = [_siblings(layer, visible) for layer in layers]
    known = {name for each in siblings for name in each}
    if column not in known:
        close = nearest(column, known)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        named = ", ".join(layer.id for layer in layers)
        raise BadParameter(_NAME, f"There is no geometry column {shown(column)} in {named}.{hint}")
    return [each.get(column, layer) for layer, each in zip(layers, siblings, strict=True)]


def _siblings(layer: Layer, visible: Callable[[], Iterable[Layer]]) -> dict[str, RelationLayer]:
    """The layers of the same table by their geometry column; the layer itself as it was asked for."""
    if not isinstance(layer, RelationLayer):
        return {}
    others = (each for each in visible() if isinstance(each, RelationLayer) and each.oid == layer.oid)
    return {each.geometry.name: each for each in others} | {layer.geometry.name: layer}
