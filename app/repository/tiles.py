"""Runs the tile query: values of a request in, encoded layer out."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from ..errors import DatabaseDown
from ..layers.relation import RelationLayer
from ..layers.request import TileRequest
from .pool import Pool, read_only
from .postgis import PostGIS
from .tile_search import Search, Way, parameters, search
from .tile_sql import tile_query

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
        self._texts: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, request: TileRequest, postgis: PostGIS) -> LayerTile:
        """Encode one layer of a tile.

        Raises LayerChanged, AccessDenied, TileTimeout, QueryFailed, PoolExhausted or DatabaseDown. A connection that
        broke while it lay in the pool (the database was restarted) is replaced and the query run once more.
        """
        found = search(request)
        values = parameters(request, found)
        text = self._text(request, found, postgis)
        # A tile that takes in much of a large layer is planned for its own box; all others share one generic plan.
        shares_plan = _is_small(request) or _has_few_rows(request.layer)
        prepare = found.way is Way.INDEX and not self._pool.transaction_pooling and shares_plan
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

    def _text(self, request: TileRequest, found: Search, postgis: PostGIS) -> bytes:
        names = "\x1f".join(column.name for column in request.columns)
        layer, srid, who = request.layer, request.grid.crs.srid, request.identity
        key = (layer.digest, who.role, srid, names, found.shape)
        with self._lock:
            text = self._texts.get(key)
            if text is not None:
                self._texts.move_to_end(key)
                return text
        text = tile_query(layer, who, srid, request.columns, found, postgis).as_bytes(None)
        with self._lock:
            self._texts[key] = text
            while len(self._texts) > _KEPT_TEXTS:
                self._texts.popitem(last=False)
        return text


def _is_small(request: TileRequest) -> bool:
    return request.tile.z - request.grid.minzoom >= 8


def _has_few_rows(layer: RelationLayer) -> bool:
    """Whether any plan reads it quickly, so that planning, 0.3 to 0.7 ms, would cost more than it saves."""
    return layer.estimated_rows is not None and layer.estimated_rows < 1000
