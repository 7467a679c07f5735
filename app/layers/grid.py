"""Tile matrix sets (OGC 17-083r4): which tiles exist and where they lie.

morecantile reads the documents; the matrices are copied out of it once. Its own arithmetic makes up matrices for
zooms that a document does not list, and copies the whole document on each `get` (0.39 ms).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from morecantile import TileMatrixSet, tms

from .bounds import WORLD, Bounds
from .crs import CYLINDRICAL, Crs, lonlat
from .tile import Tile


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
    """Whether x beyond the grid's edge is the other side of the world (cylindrical projections)."""
    source: TileMatrixSet

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
        if not self.wraps:
            return padded
        matrix = self.matrices[tile.z]
        left, right = matrix.origin_x, matrix.origin_x + matrix.span_x * matrix.width
        return Bounds(max(padded.xmin, left), padded.ymin, min(padded.xmax, right), padded.ymax)

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

    def document(self) -> dict[str, Any]:
        """The tile matrix set as JSON (OGC 17-083r4 Annex C)."""
        document: dict[str, Any] = self.source.model_dump(mode="json", exclude_none=True)
        return document


class Grids:
    """The tile matrix sets that morecantile has; each is read when it is first asked for."""

    def __init__(self) -> None:
        self._grids: dict[str, Grid] = {}
        self._lock = threading.Lock()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return tuple(tms.list())

    def __contains__(self, grid_id: str) -> bool:
        return grid_id in self.ids

    def get(self, grid_id: str) -> Grid:
        """The grid of this id; KeyError where there is none."""
        grid = self._grids.get(grid_id)
        if grid is None:
            if grid_id not in self.ids:
                raise KeyError(grid_id)
            with self._lock:
                grid = self._grids.setdefault(grid_id, _read(grid_id))
        return grid


def _read(grid_id: str) -> Grid:
    source = tms.get(grid_id)
    # Private, and the only way: the public members give text, and an origin whose axes are not put in order.
    projection = source.crs._pyproj_crs  # noqa: SLF001
    epsg = projection.to_epsg() or (4326 if projection.to_authority() == ("OGC", "CRS84") else 0)
    operation = projection.coordinate_operation
    matrices = {}
    for matrix in source.tileMatrices:
        origin = source._matrix_origin(matrix)  # noqa: SLF001
        matrices[int(matrix.id)] = Matrix(
            zoom=int(matrix.id),
            width=matrix.matrixWidth,
            height=matrix.matrixHeight,
            origin_x=origin.x,
            origin_y=origin.y,
            span_x=matrix.cellSize * matrix.tileWidth,
            span_y=matrix.cellSize * matrix.tileHeight,
            from_top=matrix.cornerOfOrigin == "topLeft",
            coalescing=tuple(
                (width.minTileRow, width.maxTileRow, width.coalesce) for width in matrix.variableMatrixWidths or ()
            ),
        )
    return Grid(
        id=grid_id,
        title=source.title or grid_id,
        crs=Crs(epsg, f"EPSG:{epsg}" if epsg else projection.to_wkt()),
        matrices=matrices,
        wraps=operation is not None and operation.method_name in CYLINDRICAL,
        source=source,
    )
