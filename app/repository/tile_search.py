"""Where a tile's rows are looked for, and the values of its statement."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..layers.bounds import EVERYWHERE, Bounds
from ..layers.crs import length_in_layer, search_boxes
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from ..layers.tile import Tile

PIXELS = 512
"""Pixels along the edge of a tile on the screen; half of one is the tolerance of simplification."""
_WIDEST_ON_SPHERE = 90.0


class Way(StrEnum):
    """How a row is found to meet the tile's buffered box."""

    INDEX = "by its box in the layer's CRS, with the spatial index"
    CAST = "a geography by its box in degrees, without index"
    TRANSFORM = "by its box in the grid's CRS, without index"
    EVERY_ROW = "every row: the tile is all there is, or there are fewer rows than the limit"


@dataclass(frozen=True, slots=True)
class Search:
    """A way, and its boxes: two where the tile crosses ±180 in the layer's CRS, none for `EVERY_ROW`."""

    way: Way
    boxes: tuple[Bounds, ...] = ()

    @property
    def clips(self) -> bool:
        """Whether there is one certain box of the layer's CRS to cut heavy geometry to."""
        return self.way in (Way.INDEX, Way.CAST) and len(self.boxes) == 1

    @property
    def shape(self) -> tuple[Way, int]:
        """What of it decides the statement's text."""
        return self.way, len(self.boxes)


def search(request: LayerRequest, layer: RowLayer, tile: Tile) -> Search:
    """The search for one layer of a tile.

    Where no box of the layer's CRS is certain (a wide tile and a projection made for a small area), rows are
    transformed to be judged: the limit must take the first rows of the tile, not of the table.
    """
    grid = request.grid
    buffered = grid.buffered(tile, request.buffer / request.resolution)
    boxes = search_boxes(buffered, grid.crs, layer.geometry.crs)
    if EVERYWHERE not in boxes:
        # A box on the sphere has great circles for edges; a wide one is not the box that is meant.
        wide = layer.geometry.is_geography and any(max(b.width, b.height) > _WIDEST_ON_SPHERE for b in boxes)
        return Search(Way.CAST if wide else Way.INDEX, boxes)
    rows = layer.estimated_rows
    if grid.is_whole(tile.z) or (rows is not None and rows < request.limit / 2):
        return Search(Way.EVERY_ROW)
    return Search(Way.TRANSFORM, (buffered,))


def parameters(request: LayerRequest, layer: RowLayer, tile: Tile, found: Search) -> dict[str, object]:
    """The values of one tile, by the names that the statement uses."""
    grid, crs = request.grid, layer.geometry.crs
    box = grid.bounds(tile)
    values: dict[str, object] = {
        "envelope": _box2d(box),
        "limit": request.limit,
        "resolution": request.resolution,
        "buffer": request.buffer,
        "name": request.mvt_name,
    }
    srid = grid.crs.srid if found.way is Way.TRANSFORM else crs.srid
    on_sphere = found.way is Way.INDEX and layer.geometry.is_geography
    for name, searched in zip(("search", "search2"), found.boxes, strict=False):
        values[name] = _polygon(searched, srid, densify=on_sphere)
    if not layer.geometry.only_points:
        values["tolerance"] = length_in_layer(box.width / PIXELS / 2, box, grid.crs, crs)
        if found.clips:
            values.update(_clip(found.boxes[0], crs.srid))
    return values


def _clip(box: Bounds, srid: int) -> dict[str, object]:
    corners = ((box.xmin, box.ymin), (box.xmax, box.ymin), (box.xmax, box.ymax), (box.xmin, box.ymax))
    points = {f"corner{number}": f"SRID={srid};POINT({x!r} {y!r})" for number, (x, y) in enumerate(corners, start=1)}
    return {"clip": _box2d(box), "clip_geometry": _polygon(box, srid), **points}


def _box2d(box: Bounds) -> str:
    return f"BOX({box.xmin!r} {box.ymin!r},{box.xmax!r} {box.ymax!r})"


def _polygon(box: Bounds, srid: int, *, densify: bool = False) -> str:
    """The box as EWKT. For geography its parallels get a point each degree: between two points an edge bends."""
    if densify:
        box = Bounds(max(box.xmin, -180.0), max(box.ymin, -90.0), min(box.xmax, 180.0), min(box.ymax, 90.0))
    steps = max(1, int(box.width)) if densify else 1
    along = [box.xmin + box.width * step / steps for step in range(steps + 1)]
    along[-1] = box.xmax
    ring = [(x, box.ymin) for x in along] + [(x, box.ymax) for x in reversed(along)] + [(box.xmin, box.ymin)]
    return f"SRID={srid};POLYGON(({','.join(f'{x!r} {y!r}' for x, y in ring)}))"
