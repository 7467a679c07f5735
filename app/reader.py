"""The one place where cache and repository meet: tile request in, encoded tile out."""

from __future__ import annotations

import time
from collections.abc import Callable

from .caching.entry import Entry
from .caching.key import key_text
from .caching.single_flight import SingleFlight
from .caching.slots import Slots
from .caching.tile_cache import TileCache
from .layers.lifetime import Lifetimes
from .layers.request import LayerRequest
from .layers.tile import Tile
from .metrics import TILE_QUERY_SECONDS
from .repository.pool import Pool
from .repository.postgis import PostGIS
from .repository.tiles import Tiles
from .source import Source, layer_key


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

    def tile(self, source: Source, tile: Tile) -> Entry:
        """The tile of a source: of one layer, or of several joined into one body."""
        text = source.key(tile, self._pool.database)
        seconds = source.seconds(tile.z)
        kept = self._kept(text, seconds)
        if kept is not None:
            return kept
        parts = source.parts_at(tile.z)
        if len(parts) == 1:
            return self._flight.do(text, lambda: self._made(text, parts[0], tile, None))
        return self._flight.do(text, lambda: self._joined(text, parts, tile, seconds))

    def _kept(self, text: str, seconds: int) -> Entry | None:
        """The entry, where it is not older than tiles may be now: who put it there may have been told otherwise."""
        return self._cache.get(text, self._clock() - seconds) if seconds > 0 else None

    def _part(self, part: LayerRequest, tile: Tile, until: float) -> Entry:
        """One layer of several. It has the time `until` then (of time.monotonic)."""
        text = key_text(layer_key(part, self._pool.database).prefix, tile)
        kept = self._kept(text, self._lifetimes.seconds(part.layer, tile.z))
        if kept is not None:
            return kept
        if self._pool.left_ms(until) is not None:
            # A part that ends early fails for itself alone: others would have had all the time.
            return self._made(text, part, tile, until)
        return self._flight.do(text, lambda: self._made(text, part, tile, until), until)

    def _made(self, text: str, part: LayerRequest, tile: Tile, until: float | None) -> Entry:
        # Read before the query runs: a change that commits meanwhile must find the entry older than itself.
        made_at = self._clock()
        with self._slots.slot(part.layer.id), TILE_QUERY_SECONDS.time():
            found = self._tiles.read(part, tile, self._postgis(), until)
        entry = Entry.of(found.raw, limited=found.limited, made_at=made_at, version="")
        self._cache.put(text, entry, self._lifetimes.seconds(part.layer, tile.z))
        return entry

    def _joined(self, text: str, parts: tuple[LayerRequest, ...], tile: Tile, seconds: int) -> Entry:
        """MVT layers follow one another in a tile (MVT 2.1 §4.1), so raw parts are joined as they are.

        The joined body is compressed anew: Chromium and curl read only the first of two joined gzip members.
        """
        until = time.monotonic() + self._tile_limit_s
        entries = [self._part(part, tile, until) for part in parts]
        made_at = min((entry.made_at for entry in entries), default=self._clock())
        raw = b"".join(entry.raw() for entry in entries)
        joined = Entry.of(raw, limited=any(entry.limited for entry in entries), made_at=made_at, version="")
        # Another machine's clock may be ahead of this one's: what it made is not younger than now.
        age = max(0, int(self._clock() - made_at))
        self._cache.put(text, joined, seconds - age)
        return joined
