"""The one place where cache and repository meet: tile request in, encoded tile out."""

from __future__ import annotations

import time
from collections.abc import Callable

from .caching.entry import Entry
from .caching.key import CompositeKey, TileKey
from .caching.single_flight import SingleFlight
from .caching.tile_cache import TileCache
from .layers.lifetime import Lifetimes
from .layers.request import TileRequest
from .metrics import TILE_QUERY_SECONDS
from .repository.pool import Pool
from .repository.postgis import PostGIS
from .repository.tile_sql import VERSION
from .repository.tiles import Tiles


class Reader:
    """Gives tiles from the cache, and makes those that are missing, each once."""

    def __init__(
        self,
        tiles: Tiles,
        pool: Pool,
        postgis: Callable[[], PostGIS],
        cache: TileCache,
        flight: SingleFlight,
        lifetimes: Lifetimes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tiles = tiles
        self._pool = pool
        self._postgis = postgis
        self._cache = cache
        self._flight = flight
        self._lifetimes = lifetimes
        self._clock = clock

    def tile(self, requests: tuple[TileRequest, ...]) -> Entry:
        """The tile of one layer, or of several joined into one body."""
        if len(requests) == 1:
            return self._layer(requests[0])
        text = CompositeKey(tuple(map(self._key, requests))).text
        return self._cache.get(text) or self._flight.do(text, lambda: self._joined(text, requests))

    def lifetime(self, requests: tuple[TileRequest, ...]) -> int:
        """Seconds that the tile is kept: the shortest of its layers'."""
        return min(self._lifetimes.seconds(request.layer.id, request.tile.z) for request in requests)

    def _key(self, request: TileRequest) -> TileKey:
        return TileKey(
            database=self._pool.database,
            layer_id=request.layer.id,
            layer_digest=f"{VERSION}-{request.layer.digest}",
            mvt_name=request.mvt_name,
            grid=request.grid.id,
            z=request.tile.z,
            x=request.tile.x,
            y=request.tile.y,
            parameters=request.parameters,
            identity=request.identity,
        )

    def _layer(self, request: TileRequest) -> Entry:
        text = self._key(request).text
        return self._cache.get(text) or self._flight.do(text, lambda: self._made(text, request))

    def _made(self, text: str, request: TileRequest) -> Entry:
        # Read before the query runs: a change that commits meanwhile must find the entry older than itself.
        made_at = self._clock()
        with TILE_QUERY_SECONDS.time():
            tile = self._tiles.read(request, self._postgis())
        entry = Entry.of(tile.raw, limited=tile.limited, made_at=made_at, version="")
        self._cache.put(text, entry, self._lifetimes.seconds(request.layer.id, request.tile.z))
        return entry

    def _joined(self, text: str, requests: tuple[TileRequest, ...]) -> Entry:
        """MVT layers follow one another in a tile (MVT 2.1 §4.1), so raw parts are joined as they are.

        The joined body is compressed anew: Chromium and curl read only the first of two joined gzip members.
        """
        parts = [self._layer(request) for request in requests]
        made_at = min(part.made_at for part in parts)
        raw = b"".join(part.raw() for part in parts)
        entry = Entry.of(raw, limited=any(part.limited for part in parts), made_at=made_at, version="")
        left = self.lifetime(requests) - int(self._clock() - made_at)
        if left > 0:
            self._cache.put(text, entry, left)
        return entry
