"""Layers that return finished tiles: a request cannot choose among rows that they do not have.

To leave such a wish aside would show more than was asked for, so it is refused. What only says how rows are drawn, or which
of their attributes are sent, means nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadParameter
from .composite import MemberArguments
from .function import TileFunctionLayer
from .layer import Layer

CHOICES = ("ids", "datetime", "bbox")
"""Parameters that choose rows, each for those members that have what it is about; `filter` has to fit all of them."""


def no_rows(layer: Layer, name: str) -> BadParameter:
    """What is said where a parameter would choose rows of a layer that has finished tiles in place of them."""
    return BadParameter(name, f"Layer {layer.id} returns finished tiles: there are no rows that {name} could choose.")


def refuse_choices(
    functions: Sequence[tuple[TileFunctionLayer, MemberArguments]], *, others_may_take_them: bool
) -> None:
    """BadParameter where a choice is said to one of these functions alone that has no argument of its name, or to all of
    a request's members and none of them takes it."""
    for name in CHOICES:
        shared = []
        for layer, own in functions:
            if not any(own.all.get(name, ())):
                continue
            if name not in own.own:
                shared.append(layer)
            elif not takes(layer, name):
                with own.named_as_written():
                    raise no_rows(layer, name)
        if shared and not others_may_take_them and not any(takes(layer, name) for layer in shared):
            raise no_rows(shared[0], name)


def takes(layer: TileFunctionLayer, name: str) -> bool:
    """Whether a function is given what a query string says under this name."""
    return layer.whole_query is not None or any(argument.name == name for argument in layer.arguments)
