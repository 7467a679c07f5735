"""A tile's address within a grid."""

from __future__ import annotations

from typing import NamedTuple

PIXELS = 512
"""Pixels along the edge of a tile on the screen."""


class Tile(NamedTuple):
    """Zoom (the id of the tile matrix), column and row, counted as the tile matrix set counts them."""

    z: int
    x: int
    y: int

    def __str__(self) -> str:
        return f"{self.z}/{self.x}/{self.y}"
