"""Named composites as the catalog lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.composite import Composite
from ..layers.identity import Identity
from . import attribution
from .addresses import Addresses


def composite(found: Composite, identity: Identity, addresses: Addresses) -> dict[str, Any]:
    """One composite, with the layers that the identity may read; `name` is what each is called inside the tile."""
    document = {
        "id": found.name,
        "type": "Composite",
        "title": found.title,
        "description": found.description,
        "attribution": attribution.text_and_links(found.attribution),
        "layers": [{"id": member.layer.id, "name": member.alias} for member in found.members_for(identity)],
        "tileurl": addresses.tiles([found.name]),
        "tilejson": addresses.tilejson([found.name]),
        "style": addresses.style([found.name]),
        "viewer": addresses.viewer([found.name]),
    }
    return {name: value for name, value in document.items() if value is not None}


def listed(found: Sequence[Composite], words: str) -> list[Composite]:
    """Those in which all words occur, as the list of layers finds them."""
    wanted = words.casefold().split()
    return [each for each in found if all(word in _text(each) for word in wanted)]


def _text(found: Composite) -> str:
    return f"{found.name} {found.title or ''} {found.description or ''}".casefold()
