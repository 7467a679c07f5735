"""A layer as an address names it."""

from __future__ import annotations

from typing import NamedTuple

from .layer import Layer


class Member(NamedTuple):
    """One layer of a tile, by the name under which it was asked for."""

    name: str
    layer: Layer
