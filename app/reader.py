"""The one place where cache and repository meet: tile request in, encoded tile out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from .caching.crew import Crew
from .caching.entry import Entry
from .caching.single_flight import SingleFlight
from .caching.slots import Slots
from .caching.tile_cache import TileCache
from .errors import ConfigurationError, FlagstoneError, LayerChanged, RequestError
from .layers.lifetime import Lifetimes
from .layers.request import LayerRequest
from .layers.tile import Tile
from .metrics import PARTS_MISSING, TILE_QUERY_SECONDS
from .repository.pool import Pool
from .repository.postgis import PostGIS
from .repository.tiles import Tiles
from .settings import SILENCE_S
from .source import Source

log = logging.getLogger(__name__)


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
        crew: Crew,
        *,
        tile_limit_s: float,
        skips_failures: bool,
        layer_changed: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tiles = tiles
        self._pool = pool
        self._postgis = postgis
        self._cache = cache
        self._flight = flight
        self._slots = slots
        self._lifetimes = lifetimes
        self._crew = crew
        self._tile_limit_s = tile_limit_s
        self._skips_failures = skips_failures
        self._layer_changed = layer_changed
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
        return self._flight.do(text, lambda: self._joined(text, source, tile, seconds))

    def _kept(self, text: str, seconds: int) -> Entry | None:
        """The entry, where it is not older than tiles may be now: who put it there may have been told otherwise."""
        return self._cache.get(text, self._clock() - seconds) if seconds > 0 else None

    def _part(self, text: str, part: LayerRequest, tile: Tile, until: float) -> Entry:
        """One layer of several that is not kept. It has the time `until` then (of time.monotonic)."""
        if self._pool.left_ms(until) is not None:
            # A part that ends early fails for itself alone: others would have had all the time.
            return self._made(text, part, tile, until)
        return self._flight.do(text, lambda: self._made(text, part, tile, until), until)

    def _made(self, text: str, part: LayerRequest, tile: Tile, until: float | None) -> Entry:
        # Read before the query runs: a change that commits meanwhile must find the entry older than itself.
        made_at = self._clock()
        with self._slots.slot(part.layer.id), TILE_QUERY_SECONDS.time():
            found = self._tiles.read(part, tile, self._postgis(), until)
        entry = Entry.of(
            found.raw, how=found.how, made_at=made_at, version="", media_type=found.media_type, tag=found.tag
        )
        self._cache.put(text, entry, self._lifetimes.seconds(part.layer, tile.z))
        return entry

    def _joined(self, text: str, source: Source, tile: Tile, seconds: int) -> Entry:
        """The parts as one tile, as old as the oldest of them."""
        entries, missing = self._parts(source, tile)
        made_at = min((entry.made_at for entry in entries), default=self._clock())
        joined = Entry.joined(entries, made_at)
        if missing:
            return joined._replace(missing=missing)
        # Another machine's clock may be ahead of this one's: what it made is not younger than now.
        age = max(0, int(self._clock() - made_at))
        self._cache.put(text, joined, seconds - age)
        return joined

    def _parts(self, source: Source, tile: Tile) -> tuple[list[Entry], tuple[str, ...]]:
        """The parts in their order, made side by side where they are not kept; and the MVT names of those that failed."""
        until = time.monotonic() + self._tile_limit_s
        parts = source.parts_at(tile.z)
        keys = source.part_keys(tile, self._pool.database)
        found: list[Entry | Exception | None] = [
            self._kept(key, self._lifetimes.seconds(part.layer, tile.z)) for key, part in zip(keys, parts, strict=True)
        ]
        wanted = [place for place, entry in enumerate(found) if entry is None]
        jobs = [partial(self._part, keys[place], parts[place], tile, until) for place in wanted]
        made = self._crew.all(jobs, until + SILENCE_S, stop_at_failure=not self._skips_failures)
        for place, outcome in zip(wanted, made, strict=True):
            found[place] = outcome
        entries = [each for each in found if isinstance(each, Entry)]
        failed = {place: each for place, each in enumerate(found) if isinstance(each, Exception)}
        for error in failed.values():
            if not (self._skips_failures and entries and _is_of_the_part(error)):
                raise error
        for place, error in failed.items():
            self._left_out(parts[place], tile, error)
        return entries, tuple(parts[place].mvt_name for place in failed)

    def _left_out(self, part: LayerRequest, tile: Tile, error: Exception) -> None:
        PARTS_MISSING.inc()
        log.warning("tile %d/%d/%d goes without layer %s: %s", *tile, part.layer.id, error)
        if isinstance(error, LayerChanged):
            self._layer_changed()


def _is_of_the_part(error: Exception) -> bool:
    """Whether the other layers of a composite can do without the one that failed so; what is wrong with the request,
    the settings or the program is not for one layer alone."""
    return isinstance(error, FlagstoneError) and not isinstance(error, (RequestError, ConfigurationError))
