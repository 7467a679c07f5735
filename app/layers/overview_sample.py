"""A sample of a layer's rows, by which it is planned which bands the layer needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

_TILE_BYTES_OF_TAG = 1.5
_TILE_PART_OF_TEXT = 0.6
"""What an attribute, and the text of one that no other feature has, come to in a compressed tile."""
_DISK_OF_PIECE_VERTEX = 4.6
"""Bytes of each vertex in pieces, packed, with rows and indexes of their own: 3 and 7 were measured, the more the farther vertices lie
from one another."""
_ROWS_OF_BLOCK, _MOST_BLOCKS = 24, 262_144
_DISK_OF_BLOCK = 215
"""Rows whose changes are noticed together, and bytes for that."""


class SampledRow(NamedTuple):
    """One row of the sample: the middle and the longer side of its box in units of the grid's CRS, and its vertices."""

    x: float
    y: float
    width: float
    points: int
    is_point: bool
    is_line: bool = False


class Attribute(NamedTuple):
    """A served column: bytes of a value as it is stored and as text, and the parts of values that are NULL and that no
    other row has. Means over all rows."""

    name: str
    stored: float
    text: float
    nulls: float
    distinct: float

    @property
    def in_tile(self) -> float:
        """Bytes that it adds to a feature of a compressed tile: MVT keeps equal values once."""
        return (1 - self.nulls) * _TILE_BYTES_OF_TAG + self.distinct * self.text * _TILE_PART_OF_TEXT


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows of a table, and how many the table has; of its heavy polygons the number, and the bytes and vertices of their
    geometry."""

    rows: tuple[SampledRow, ...]
    table_rows: int
    attributes: tuple[Attribute, ...] = ()
    table_bytes: int = 0
    heavy_rows: int = 0
    heavy_bytes: int = 0
    heavy_vertices: int = 0

    @property
    def factor(self) -> float:
        """Rows of the table that one row of the sample stands for."""
        return self.table_rows / len(self.rows) if self.rows else 0.0

    @property
    def attribute_bytes(self) -> float:
        """Of one feature, in a compressed tile."""
        return sum(each.in_tile for each in self.attributes)

    @property
    def blocks_bytes(self) -> float:
        """Disk of what is kept to find rows that changed."""
        return min(self.table_rows / _ROWS_OF_BLOCK, _MOST_BLOCKS) * _DISK_OF_BLOCK

    @property
    def pieces_bytes(self) -> int:
        """Disk that the heavy polygons in pieces will take."""
        return math.ceil(self.heavy_vertices * _DISK_OF_PIECE_VERTEX)
