"""The one place where cache and repository meet: tile request in, encoded tile out."""

from __future__ import annotations

import time
from collections.abc import Callable

from .caching.entry import Entry
from .caching.key import CompositeKey, TileKey
from .caching.single_flight import SingleFlight
from .caching.slots import Slots
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
        slots: Slots,
        lifetimes: Lifetimes,
        *,
        tile_limit_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tiles = tiles
        self._pool = pool
        self._postgis = postgis
        self._cache = cache
        self._flight = flight
        self._slots = slots
        self._lifetimes = lifetimes
        self._tile_limit_s = tile_limit_s
        self._clock = clock

    def tile(self, requests: tuple[TileRequest, ...]) -> Entry:
        """The tile of one layer, or of several joined into one body."""
        if len(requests) == 1:
            return self._layer(requests[0])
        text = CompositeKey(tuple(map(self._key, requests))).text
        kept = self._kept(text, self.lifetime(requests))
        return kept or self._flight.do(text, lambda: self._joined(text, requests))

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

    def _kept(self, text: str, lifetime: int) -> Entry | None:
        """The entry, where it is not older than tiles may be now: who put it there may have been told otherwise."""
        return self._cache.get(text, self._clock() - lifetime) if lifetime > 0 else None

    def _layer(self, request: TileRequest, until: float | None = None) -> Entry:
        """One layer; as a part of several it has the time `until` then (of time.monotonic)."""
        text = self._key(request).text
        kept = self._kept(text, self._lifetimes.seconds(request.layer.id, request.tile.z))
        if kept is not None:
            return kept
        if self._pool.left_ms(until) is not None:
            # A part that ends early fails for itself alone: others would have had all the time.
            return self._made(text, request, until)
        return self._flight.do(text, lambda: self._made(text, request, until), until)

    def _made(self, text: str, request: TileRequest, until: float | None) -> Entry:
        # Read before the query runs: a change that commits meanwhile must find the entry older than itself.
        made_at = self._clock()
        with self._slots.slot(request.layer.id), TILE_QUERY_SECONDS.time():
            tile = self._tiles.read(request, self._postgis(), until)
        entry = Entry.of(tile.raw, limited=tile.limited, made_at=made_at, version="")
        self._cache.put(text, entry, self._lifetimes.seconds(request.layer.id, request.tile.z))
        return entry

    def _joined(self, text: str, requests: tuple[TileRequest, ...]) -> Entry:
        """MVT layers follow one another in a tile (MVT 2.1 §4.1), so raw parts are joined as they are.

        The joined body is compressed anew: Chromium and curl read only the first of two joined gzip members.
        """
        until = time.monotonic() + self._tile_limit_s
        parts = [self._layer(request, until) for request in requests]
        made_at = min(part.made_at for part in parts)
        raw = b"".join(part.raw() for part in parts)
        entry = Entry.of(raw, limited=any(part.limited for part in parts), made_at=made_at, version="")
        # Another machine's clock may be ahead of this one's: what it made is not younger than now.
        age = max(0, int(self._clock() - made_at))
        self._cache.put(text, entry, self.lifetime(requests) - age)
        return entry
