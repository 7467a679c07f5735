"""What `/collections` is asked for: which of the collections, and which page of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..errors import BadParameter
from . import parameters
from .bbox import boxes_of
from .bounds import WORLD, Bounds
from .composite import Composite
from .instants import interval
from .layer import Layer
from .parameters import Arguments, only, shown, whole_number
from .relation import RelationLayer

TYPES = ("Function", "Table")
"""tipg's words for what makes a collection's rows. A view is a Table, a statement of the application a Function."""


class Page(NamedTuple):
    """The collections from `first` to before `last`; `size` is how many a page may have."""

    first: int
    last: int
    size: int


@dataclass(frozen=True, slots=True)
class CollectionsAsked:
    """`type` is one of TYPES, `boxes` are longitude and latitude; None and empty where everything is asked for."""

    type: str | None
    boxes: tuple[Bounds, ...]
    limit: str | None
    offset: int

    def has_type(self, each: Layer | Composite) -> bool:
        """Whether it is of the type; a composite is of neither."""
        if self.type is None:
            return True
        return isinstance(each, Layer) and isinstance(each, RelationLayer) is (self.type == "Table")

    def meets(self, extent: Bounds | None) -> bool:
        """Whether an extent meets the box; one that is not known may (OGC 17-069r4 /req/core/fc-bbox-response)."""
        if extent is None:
            return True
        if extent.xmin <= extent.xmax:
            return any(extent.intersects(box) for box in self.boxes)
        halves = (
            Bounds(extent.xmin, extent.ymin, WORLD.xmax, extent.ymax),
            Bounds(WORLD.xmin, extent.ymin, extent.xmax, extent.ymax),
        )
        return any(half.intersects(box) for box in self.boxes for half in halves)

    def page(self, most: int) -> Page:
        """The page of `most` collections; without a limit there is one."""
        first = min(self.offset, most)
        size = max(1, parameters.limit(self.limit, most))
        return Page(first, min(most, first + size), size)


def collections_asked(arguments: Arguments) -> CollectionsAsked:
    """What a query string asks for. BadParameter for a value that cannot be used; an empty one is as if it were not there."""
    kind, box, moment = only(arguments, "type"), only(arguments, "bbox"), only(arguments, "datetime")
    if kind and kind not in TYPES:
        raise BadParameter("type", f"type must be {' or '.join(TYPES)}, not {shown(kind)}.")
    if moment:
        # No collection states when its features were, and what is of no time is of any (17-069r4 /req/core/fc-time-response).
        interval("datetime", moment)
    limit, offset = only(arguments, "limit") or None, only(arguments, "offset") or "0"
    first = whole_number("offset", offset)
    if first < 0:
        raise BadParameter("offset", f"offset must be 0 or more, not {shown(offset)}.")
    parameters.limit(limit, 1)
    return CollectionsAsked(kind or None, boxes_of(box) if box else (), limit, first)
