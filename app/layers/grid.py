"""Tile matrix sets (OGC 17-083r4): which tiles exist and where they lie.

morecantile reads the documents; the matrices are copied out of it once (`grids`). Its own arithmetic makes up matrices
for zooms that a document does not list, and copies the whole document on each `get` (0.39 ms).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from morecantile import TileMatrixSet

from .bounds import WORLD, Bounds
from .crs import Crs, area_of_use, lonlat
from .tile import Tile
from .world import world

_SAME_EDGE = 1e-7
"""Part of the world's width by which the written edge of a grid may differ from the computed one."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One zoom of a grid. Origin and spans are in units of the grid's CRS; a span is the size of one tile."""

    zoom: int
    width: int
    height: int
    origin_x: float
    origin_y: float
    span_x: float
    span_y: float
    from_top: bool
    coalescing: tuple[tuple[int, int, int], ...] = ()
    """Rows (first, last) whose tiles stand for so many columns (variable matrix widths, OGC 17-083r4 §6.2.1.2)."""

    def column_factor(self, row: int) -> int:
        return next((factor for first, last, factor in self.coalescing if first <= row <= last), 1)

    def bounds(self, x: int, y: int) -> Bounds:
        factor = self.column_factor(y)
        span = self.span_x * factor
        left = self.origin_x + (x // factor) * span
        if self.from_top:
            top = self.origin_y - y * self.span_y
            return Bounds(left, self.origin_y - (y + 1) * self.span_y, left + span, top)
        bottom = self.origin_y + y * self.span_y
        return Bounds(left, bottom, left + span, self.origin_y + (y + 1) * self.span_y)


@dataclass(frozen=True)
class Grid:
    """A tile matrix set: its matrices by zoom, and its CRS."""

    id: str
    title: str
    crs: Crs
    matrices: dict[int, Matrix]
    wraps: bool
    """Whether x beyond the world's edge is the other side of the world (cylindrical projections)."""
    source: TileMatrixSet
    is_custom: bool = False
    """Whether it comes from a file of the installation, and not with morecantile."""

    @cached_property
    def key(self) -> str:
        """The id with a digest of all that decides where tiles lie, for cache keys: a file may change."""
        written = repr((self.crs, sorted(self.matrices.items())))
        return f"{self.id}-{blake2b(written.encode(), digest_size=6).hexdigest()}"

    @cached_property
    def minzoom(self) -> int:
        return min(self.matrices)

    @cached_property
    def maxzoom(self) -> int:
        return max(self.matrices)

    def has(self, tile: Tile) -> bool:
        """Whether the grid lists this tile."""
        matrix = self.matrices.get(tile.z)
        return matrix is not None and 0 <= tile.x < matrix.width and 0 <= tile.y < matrix.height

    def bounds(self, tile: Tile) -> Bounds:
        """The tile's box in the grid's CRS."""
        return self.matrices[tile.z].bounds(tile.x, tile.y)

    def buffered(self, tile: Tile, ratio: float) -> Bounds:
        """The box grown on each side by `ratio` of its size (buffer / resolution).

        It ends at the edge of the world, in a cylindrical grid at ±180 and in a geographic one at the poles too:
        beyond it PROJ wraps longitudes round and reflects latitudes, and the result is another box.
        """
        box = self.bounds(tile)
        padded = box.padded(box.width * ratio, box.height * ratio)
        if self.crs.is_geographic:
            return padded.clamped(WORLD) if box.intersects(WORLD) else padded
        edges = self._edges(tile.z)
        if edges is None or box.xmax <= edges[0] or box.xmin >= edges[1]:
            return padded
        return Bounds(max(padded.xmin, edges[0]), padded.ymin, min(padded.xmax, edges[1]), padded.ymax)

    def _edges(self, zoom: int) -> tuple[float, float] | None:
        """West and east of the world in a cylindrical grid, as the grid writes them where it ends there."""
        whole = world(self.crs) if self.wraps else None
        if whole is None:
            return None
        matrix = self.matrices[zoom]
        left, right = matrix.origin_x, matrix.origin_x + matrix.span_x * matrix.width
        near = whole.turn * _SAME_EDGE
        return (
            left if abs(left - whole.box.xmin) < near else whole.box.xmin,
            right if abs(right - whole.box.xmax) < near else whole.box.xmax,
        )

    def is_whole(self, zoom: int) -> bool:
        """Whether this zoom is one single tile."""
        matrix = self.matrices[zoom]
        return matrix.width == matrix.height == 1

    @cached_property
    def extent(self) -> Bounds:
        """The box of the coarsest matrix, in the grid's CRS."""
        matrix = self.matrices[self.minzoom]
        first, last = matrix.bounds(0, 0), matrix.bounds(matrix.width - 1, matrix.height - 1)
        return Bounds(
            min(first.xmin, last.xmin), min(first.ymin, last.ymin), max(first.xmax, last.xmax), max(first.ymax, last.ymax)
        )

    @cached_property
    def lonlat_extent(self) -> Bounds | None:
        """The grid's extent in longitude and latitude."""
        return lonlat(self.extent, self.crs)

    def suits(self, extent: Bounds | None) -> bool:
        """Whether a layer of this extent (longitude and latitude) has anything to show in the grid.

        It has to meet the grid's tiles, and the area that the grid's CRS is made for: the tiles of UTM zone 31 reach
        round half of the earth. What is not known speaks for the grid.
        """
        if extent is None:
            return True
        return all(
            place is None or _meet(extent, place) for place in (self.lonlat_extent, area_of_use(self.crs))
        )

    def document(self) -> dict[str, Any]:
        """The tile matrix set as JSON (OGC 17-083r4 Annex C)."""
        document: dict[str, Any] = self.source.model_dump(mode="json", exclude_none=True)
        return document


def _meet(one: Bounds, other: Bounds) -> bool:
    return any(a.intersects(b) for a in _halves(one) for b in _halves(other))


def _halves(box: Bounds) -> tuple[Bounds, ...]:
    """A box across ±180 has its west east of its east (RFC 7946 §5.2)."""
    if box.xmin <= box.xmax:
        return (box,)
    return (Bounds(box.xmin, box.ymin, WORLD.xmax, box.ymax), Bounds(WORLD.xmin, box.ymin, box.xmax, box.ymax))
