"""Where a tile's rows are looked for, and the values of its statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..layers.band_layer import BandLayer, PiecedLayer
from ..layers.bounds import EVERYWHERE, Bounds
from ..layers.crs import length_in_layer, search_boxes
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from ..layers.tile import PIXELS, Tile
from ..layers.world import turned
from .dots_sql import dot_values
from .overview_rows import PIECE_SEARCH

WIDEST_ON_SPHERE = 90.0
_WIDEST_BUFFER = 2**29
"""Units around a tile to which geometry is cut that is not to be cut at the tile: MVT has 32 bits for a coordinate."""
_FARTHEST = Bounds(-1e30, -1e30, 1e30, 1e30)
"""A box that cuts nothing."""
_LAST_FAR_ZOOM = 10
"""Zooms below the coarsest one at which many rows may be narrower than a unit of the tile, which is 10 m there; below, to
look for them costs a tenth more than it saves."""
_FINE = 1024
"""Units along a tile from which on half a pixel is a whole unit."""


class Way(StrEnum):
    """How a row is found to meet the tile's buffered box."""

    INDEX = "by its box, with the spatial index"
    CAST = "a geography by its box in degrees, without index"
    TRANSFORM = "by its box in the grid's CRS, without index"
    EVERY_ROW = "every row: the tile is all there is, or there are fewer rows than the limit"


@dataclass(frozen=True, slots=True)
class Search:
    """A way, and its boxes: two where the tile crosses ±180 in the layer's CRS, none for `EVERY_ROW`.

    `around` are the same boxes a turn further east and west, where the layer has rows there; `comes_round` says that it
    has. `grid_srid` is the database's number of the grid's CRS, 0 where it has none. `looks_for_tiny` says that many rows
    may be too small for the tile to be seen.
    """

    way: Way
    boxes: tuple[Bounds, ...] = ()
    around: tuple[Bounds, ...] = ()
    comes_round: bool = False
    grid_srid: int = 0
    looks_for_tiny: bool = False

    @property
    def clips(self) -> bool:
        """Whether there is one certain box of the layer's CRS to cut heavy geometry to."""
        return self.way in (Way.INDEX, Way.CAST) and len(self.boxes) == 1

    @property
    def shape(self) -> tuple[Way, int, int, bool, int, bool]:
        """What of it decides the statement's text."""
        return self.way, len(self.boxes), len(self.around), self.comes_round, self.grid_srid, self.looks_for_tiny

    @property
    def searched(self) -> dict[str, Bounds]:
        """Its boxes by the names that the statement has for them."""
        names = ("search", *(f"search{number}" for number in range(2, 9)))
        return dict(zip(names, (*self.boxes, *self.around), strict=False))


def search(
    request: LayerRequest,
    layer: RowLayer,
    tile: Tile,
    *,
    comes_round: bool = False,
    grid_srid: int | None = None,
) -> Search:
    """The search for one layer of a tile.

    `comes_round` says that it has rows beyond the edges of its world, which belong on the other side. `grid_srid` is
    the database's number of the grid's CRS, where it is not EPSG's.

    Where no box of the layer's CRS is certain (a wide tile and a projection made for a small area), rows are
    transformed to be judged: the limit must take the first rows of the tile, not of the table.
    """
    grid = request.grid
    buffered = grid.buffered(tile, request.buffer / request.resolution)
    srid = grid.crs.srid if grid_srid is None else grid_srid
    far = tile.z - grid.minzoom <= _LAST_FAR_ZOOM and request.resolution >= _FINE and not isinstance(layer, BandLayer)
    boxes = search_boxes(buffered, grid.crs, layer.geometry.crs)
    if EVERYWHERE not in boxes:
        # A box on the sphere has great circles for edges; a wide one is not the box that is meant.
        wide = layer.geometry.is_geography and any(max(b.width, b.height) > WIDEST_ON_SPHERE for b in boxes)
        around = [each for box in boxes for each in turned(box, layer.geometry.crs)] if comes_round else ()
        return Search(Way.CAST if wide else Way.INDEX, boxes, tuple(around), comes_round, srid, far)
    rows = layer.estimated_rows
    # What is not cut is drawn wherever it lies, so only rows that meet the tile may come.
    few = request.clip and rows is not None and rows < request.limit / 2
    if grid.is_whole(tile.z) or few:
        return Search(Way.EVERY_ROW, (), (), comes_round, srid, far)
    return Search(Way.TRANSFORM, (buffered,), (), comes_round, srid, far)


def parameters(request: LayerRequest, layer: RowLayer, tile: Tile, found: Search) -> dict[str, object]:
    """The values of one tile, by the names that the statement uses."""
    grid, crs = request.grid, layer.geometry.crs
    box = grid.bounds(tile)
    values: dict[str, object] = {
        "envelope": _box2d(box),
        "limit": request.limit,
        "resolution": request.resolution,
        "buffer": request.buffer if request.clip or layer.geometry.only_points else _WIDEST_BUFFER,
        "name": request.mvt_name,
    }
    if isinstance(layer, BandLayer) and layer.dot is not None:
        values.update(dot_values(layer.dot, box, request.resolution))
    if isinstance(layer, PiecedLayer):
        values[PIECE_SEARCH] = polygon(
            grid.buffered(tile, request.buffer / request.resolution), found.grid_srid
        )
    srid = found.grid_srid if found.way is Way.TRANSFORM else crs.srid
    on_sphere = found.way is Way.INDEX and layer.geometry.is_geography
    for name, searched in found.searched.items():
        values[name] = polygon(searched, srid, densify=on_sphere)
    if not layer.geometry.only_points:
        values.update(_smallest(request, box))
        # The flags change values, not the text: all requests of a layer share its statements.
        half_pixel = length_in_layer(box.width / PIXELS / 2, box, grid.crs, crs)
        values["tolerance"] = half_pixel if request.simplify else 0.0
        if found.looks_for_tiny:
            values["tiny"], values["half_pixel"] = half_pixel / 4, round(request.resolution / PIXELS / 2)
        if found.clips:
            values.update(_clip(found.boxes[0] if request.clip else _FARTHEST, crs.srid))
    return values


def _smallest(request: LayerRequest, box: Bounds) -> dict[str, object]:
    """A pixel in the grid's CRS, and the box that the tile shows: what is smaller than the one and lies in the other."""
    # A coarse tile has few units: two places more than a unit apart never fall on one of them.
    part = max(1 / PIXELS, 1.5 / request.resolution)
    around = (request.buffer if request.clip else _WIDEST_BUFFER) / request.resolution
    shown = box.padded(box.width * around, box.height * around)
    return {
        "pixel_x": box.width * part,
        "pixel_y": box.height * part,
        "shown": polygon(shown, request.grid.crs.srid),
    }


def _clip(box: Bounds, srid: int) -> dict[str, object]:
    west, south, east, north = _written(box)
    corners = (f"{west} {south}", f"{east} {south}", f"{east} {north}", f"{west} {north}")
    points = {f"corner{number}": f"SRID={srid};POINT({corner})" for number, corner in enumerate(corners, start=1)}
    return {"clip": f"BOX({corners[0]},{corners[2]})", "clip_geometry": _ring(corners, srid), **points}


def _box2d(box: Bounds) -> str:
    west, south, east, north = _written(box)
    return f"BOX({west} {south},{east} {north})"


def polygon(box: Bounds, srid: int, *, densify: bool = False) -> str:
    """The box as EWKT. For geography its parallels get a point each degree: between two points an edge bends."""
    if not densify:
        west, south, east, north = _written(box)
        return _ring((f"{west} {south}", f"{east} {south}", f"{east} {north}", f"{west} {north}"), srid)
    box = Bounds(max(box.xmin, -180.0), max(box.ymin, -90.0), min(box.xmax, 180.0), min(box.ymax, 90.0))
    steps = max(1, int(box.width))
    along = [box.xmin + box.width * step / steps for step in range(steps + 1)]
    along[-1] = box.xmax
    return _ring([f"{x!r} {box.ymin!r}" for x in along] + [f"{x!r} {box.ymax!r}" for x in reversed(along)], srid)


def _written(box: Bounds) -> tuple[str, str, str, str]:
    """Each number as Python reads it back: to write one takes longer than most else that is done with it."""
    return repr(box.xmin), repr(box.ymin), repr(box.xmax), repr(box.ymax)


def _ring(corners: Sequence[str], srid: int) -> str:
    return f"SRID={srid};POLYGON(({','.join(corners)},{corners[0]}))"
