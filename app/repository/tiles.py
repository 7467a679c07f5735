"""Runs the tile query: values of a request in, encoded layer out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from ..errors import DatabaseDown
from ..layers.bounds import EVERYWHERE, Bounds
from ..layers.crs import length_in_layer, search_boxes
from ..layers.relation import RelationLayer
from ..layers.request import TileRequest
from .pool import Pool, read_only
from .postgis import PostGIS
from .tile_sql import tile_query

PIXELS = 512
"""Pixels along the edge of a tile on the screen; half of one is the tolerance of simplification."""
_KEPT_TEXTS = 4000


@dataclass(frozen=True, slots=True)
class LayerTile:
    """One encoded MVT layer (not compressed), and whether the limit left rows out."""

    raw: bytes
    limited: bool


class Tiles:
    """The tile query on a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._texts: OrderedDict[tuple[str, str | None, int, str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, request: TileRequest, postgis: PostGIS) -> LayerTile:
        """Encode one layer of a tile.

        Raises LayerChanged, AccessDenied, TileTimeout, QueryFailed, PoolExhausted or DatabaseDown. A connection that
        broke while it lay in the pool (the database was restarted) is replaced and the query run once more.
        """
        boxes = _boxes(request)
        values = parameters(request, boxes)
        text = self._text(request, len(boxes), postgis)
        # A tile that takes in much of a large layer is planned for its own box; all others share one generic plan.
        shares_plan = _is_small(request) or _has_few_rows(request.layer)
        prepare = bool(boxes) and not self._pool.transaction_pooling and shares_plan
        try:
            return self._run(request, text, values, prepare)
        except DatabaseDown as error:
            if not isinstance(error.__cause__, OperationalError) or isinstance(error.__cause__.__cause__, PoolTimeout):
                raise
            self._pool.replace_broken()
            return self._run(request, text, values, prepare)

    def _run(self, request: TileRequest, text: bytes, values: Mapping[str, object], prepare: bool) -> LayerTile:
        layer = request.layer
        with read_only(self._pool, request.identity, f"layer {layer.id}", runs_code=layer.runs_code) as cursor:
            row = cursor.execute(text, values, prepare=prepare).fetchone()
        if row is None:
            return LayerTile(b"", False)
        return LayerTile(bytes(row[0] or b""), bool(row[1]))

    def _text(self, request: TileRequest, boxes: int, postgis: PostGIS) -> bytes:
        names = "\x1f".join(column.name for column in request.columns)
        layer, srid, who = request.layer, request.grid.crs.srid, request.identity
        key = (layer.digest, who.role, srid, names, boxes)
        with self._lock:
            text = self._texts.get(key)
            if text is not None:
                self._texts.move_to_end(key)
                return text
        text = tile_query(layer, who, srid, request.columns, boxes, postgis).as_bytes(None)
        with self._lock:
            self._texts[key] = text
            while len(self._texts) > _KEPT_TEXTS:
                self._texts.popitem(last=False)
        return text


def _boxes(request: TileRequest) -> tuple[Bounds, ...]:
    """The boxes to search in the layer's CRS; none where all of the relation has to be looked at."""
    buffered = request.grid.buffered(request.tile, request.buffer / request.resolution)
    boxes = search_boxes(buffered, request.grid.crs, request.layer.geometry.crs)
    if EVERYWHERE in boxes:
        return ()
    if request.layer.geometry.is_geography and any(box.width > 90 or box.height > 90 for box in boxes):
        # A box on the sphere has great circles for edges; a wide one is not the box that is meant.
        return ()
    return boxes


def _is_small(request: TileRequest) -> bool:
    return request.tile.z - request.grid.minzoom >= 8


def _has_few_rows(layer: RelationLayer) -> bool:
    """Whether any plan reads it quickly, so that planning, 0.3 to 0.7 ms, would cost more than it saves."""
    return layer.estimated_rows is not None and layer.estimated_rows < 1000


def parameters(request: TileRequest, boxes: tuple[Bounds, ...]) -> dict[str, object]:
    """The values of one tile, by the names that the statement uses."""
    layer, grid = request.layer, request.grid
    crs = request.layer.geometry.crs
    box = grid.bounds(request.tile)
    values: dict[str, object] = {
        "envelope": _box2d(box),
        "limit": request.limit,
        "resolution": request.resolution,
        "buffer": request.buffer,
        "name": request.mvt_name,
    }
    for name, found in zip(("search", "search2"), boxes, strict=False):
        values[name] = _polygon(found, crs.srid, densify=layer.geometry.is_geography)
    if not layer.geometry.only_points:
        values["tolerance"] = length_in_layer(box.width / PIXELS / 2, box, grid.crs, crs)
        clip = boxes[0] if boxes else EVERYWHERE
        values["clip"] = _box2d(clip)
        values["clip_geometry"] = _polygon(clip, crs.srid)
        corners = ((clip.xmin, clip.ymin), (clip.xmax, clip.ymin), (clip.xmax, clip.ymax), (clip.xmin, clip.ymax))
        for number, (x, y) in enumerate(corners, start=1):
            values[f"corner{number}"] = f"SRID={crs.srid};POINT({x!r} {y!r})"
    return values


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
