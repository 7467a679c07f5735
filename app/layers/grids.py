"""The tile matrix sets of one Flagstone: all that morecantile has, and those of a directory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property

import pyproj
from morecantile import TileMatrixSet, defaults

from .bounds import Bounds
from .crs import Crs
from .grid import Grid, Matrix
from .projection import CYLINDRICAL

# Not `morecantile.tms`: that holds the files of TILEMATRIXSET_DIRECTORY too, unchecked, in place of its own where an id
# is the same.
_OWN = {path.stem: path for path in sorted(defaults.morecantile_tms_dir.glob("*.json"))}
BUILT_IN = tuple(_OWN)
"""Ids of morecantile's own tile matrix sets."""


class Grids:
    """Tile matrix sets by id. morecantile's are each read when they are first asked for."""

    def __init__(self, custom: Mapping[str, TileMatrixSet] | None = None) -> None:
        self._grids = {grid_id: grid_of(grid_id, source, is_custom=True) for grid_id, source in (custom or {}).items()}
        self.custom_ids = tuple(self._grids)
        self._lock = threading.Lock()

    @cached_property
    def ids(self) -> tuple[str, ...]:
        return (*BUILT_IN, *self.custom_ids)

    def __contains__(self, grid_id: str) -> bool:
        return grid_id in self.ids

    def get(self, grid_id: str) -> Grid:
        """The grid of this id; KeyError where there is none."""
        grid = self._grids.get(grid_id)
        if grid is None:
            path = _OWN[grid_id]
            with self._lock:
                read = TileMatrixSet.model_validate_json(path.read_text())
                grid = self._grids.setdefault(grid_id, grid_of(grid_id, read))
        return grid

    def suitable(self, extent: Bounds | None) -> tuple[str, ...]:
        """Ids of the grids in which a layer of this extent (longitude and latitude) has anything to show."""
        return tuple(grid_id for grid_id in self.ids if self.get(grid_id).suits(extent))


def grid_of(grid_id: str, source: TileMatrixSet, *, is_custom: bool = False) -> Grid:
    """The grid that a document describes."""
    # Private, and the only way: the public members give text, and an origin whose axes are not put in order.
    projection = source.crs._pyproj_crs  # noqa: SLF001
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
        crs=_crs(projection),
        matrices=matrices,
        wraps=operation is not None and operation.method_name in CYLINDRICAL,
        source=source,
        is_custom=is_custom,
    )


def _crs(projection: pyproj.CRS) -> Crs:
    """With EPSG's number where it has one; else 0 and the whole definition."""
    epsg = projection.to_epsg() or (4326 if projection.to_authority() == ("OGC", "CRS84") else 0)
    return Crs(epsg, f"EPSG:{epsg}" if epsg else projection.to_wkt())
