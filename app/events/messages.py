"""One change as those who listen get it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..layers.grid import Grid
from .places import Places

_DIGITS = 7
"""Of a degree: a centimetre."""


@dataclass(frozen=True)
class Change:
    """A layer changed in some places, or anywhere (None). `again`: it was told before, to maps that were too fast."""

    layer: str
    places: Places | None
    first_zoom: int
    last_zoom: int
    again: bool = False

    def told(self, grid: Grid) -> dict[str, Any]:
        """As JSON has it: boxes as [west, south, east, north], tiles as [zoom, first and last column, first and last row]."""
        where = self.places
        zooms = range(self.first_zoom, self.last_zoom + 1)
        return {
            "layer": self.layer,
            "grid": grid.id,
            "boxes": None
            if where is None
            else [[round(each, _DIGITS) for each in box.as_list()] for box in where.boxes],
            "tiles": None if where is None else [list(each) for each in where.tiles if each.z in zooms],
            "again": self.again,
        }


@dataclass(frozen=True)
class Event:
    """A change with its number, written once for all who get it."""

    id: str
    change: Change
    grid: Grid = field(repr=False)

    @cached_property
    def told(self) -> dict[str, Any]:
        """What it says."""
        return self.change.told(self.grid)

    @cached_property
    def encoded(self) -> bytes:
        """As a server-sent event."""
        return server_sent("change", self.told, self.id)


def server_sent(kind: str, data: Any, number: str) -> bytes:
    """An event of a stream (WHATWG HTML §9.2.6). JSON has no line breaks of its own."""
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
