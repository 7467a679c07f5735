"""A layer as an address names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .layer import Layer

if TYPE_CHECKING:
    from .composite import Composite


class Member(NamedTuple):
    """One layer of a tile. `name` is how it was asked for, and stands before parameters that are its own."""

    name: str
    layer: Layer
    alias: str | None = None
    """Its name inside the tile, where a named composite gives it one."""
    composite: Composite | None = None
    """The named composite that it was asked for by."""
