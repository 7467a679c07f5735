"""The catalog for people: the layers that some words find, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..layers.layer import Layer

PAGE_LENGTH = 500
"""Layers on one page: a browser stays quick, and most databases fit on one."""
_LONGEST = 200
"""Characters of the words looked for that count."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Page `number` of `count`: `layers` of the `found` among `total` in which all `words` occur."""

    layers: tuple[Layer, ...]
    words: str
    found: int
    total: int
    number: int
    count: int


def listing(layers: Sequence[Layer], words: str, number: str) -> Listing:
    """The page of this number, as it stands in the address: what is no number is the first, too large the last."""
    words = words[:_LONGEST].strip()
    wanted = words.casefold().split()
    found = (
        [layer for layer in layers if all(word in _text(layer) for word in wanted)]
        if wanted
        else list(layers)
    )
    count = max(1, -(-len(found) // PAGE_LENGTH))
    asked = int(number[:9]) if number.isascii() and number.isdigit() else 1
    page = min(max(asked, 1), count)
    shown = found[(page - 1) * PAGE_LENGTH : page * PAGE_LENGTH]
    return Listing(tuple(shown), words, len(found), len(layers), page, count)


def _text(layer: Layer) -> str:
    return f"{layer.schema}.{layer.name} {layer.id} {layer.title or ''} {layer.description or ''}".casefold()
