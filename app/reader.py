"""The one place where cache and repository meet: tile request in, encoded tile out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b

from .caching.beside import NOTHING, Beside
from .caching.crew import Crew
from .caching.entry import HEAD_BYTES, Entry
from .caching.single_flight import SingleFlight
from .caching.slots import Slots
from .caching.tile_cache import Has, TileCache
from .caching.versions import Asked, Found
from .errors import ConfigurationError, FlagstoneError, LayerChanged, RequestError
from .layers.lifetime import Lifetimes
from .layers.request import LayerRequest
from .layers.tile import Tile
from .metrics import PARTS_MISSING, TILE_QUERY_SECONDS
from .repository.pool import Pool
from .repository.postgis import PostGIS
from .repository.tiles import Tiles
from .settings import SILENCE_S
from .source import Source, asked_of, layer_key, tile_box
from .stale import StaleTiles

log = logging.getLogger(__name__)


_IN_DOUBT_S = 0.5
"""How much older than a request the making of its tile may be where nobody knows of changes."""


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
        stale: StaleTiles,
        beside: Beside = NOTHING,
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
        self._stale = stale
        self._beside = beside
        self._clock = clock

    def tile(self, source: Source, tile: Tile, has: Has | None = None) -> Entry:
        """The tile of a source: of one layer, or of several joined into one body. Its head alone, where the client has it."""
        text = source.key(tile, self._pool.database)
        seconds = source.seconds(tile.z)
        parts = source.parts_at(tile.z)
        # Read before the query runs: what commits meanwhile must find the entry of an older version.
        version, kept = self._looked(text, seconds, parts, tile, has)
        if kept is not None:
            return kept
        # Who comes after a change must not wait for a tile that was begun before it.
        flight = f"{text} {self._flight_word(version)}"

        def make() -> Entry:
            if len(parts) == 1:
                return self._made(text, parts[0], tile, None, version)
            return self._joined(text, source, tile, seconds, version)

        def made_once() -> Entry:
            leases = self._beside.leases
            if leases is None or seconds <= 0 or version is None:
                return self._flight.do(flight, make, subject=text)
            return self._flight.do(flight, lambda: leases.do(flight, make, lambda: self._kept(text, seconds, version)), subject=text)

        return self._stale.instead(text, lambda: self._old(text, seconds, parts, tile, version), made_once)

    def is_sure(self, source: Source, tile: Tile) -> bool:
        """Whether the tile can be kept now: nobody may have missed a change of what it is made of."""
        return self._version(source.parts_at(tile.z), tile) is not None

    def whole_version(self, source: Source) -> str | None:
        """One word for all that the tiles of a source are made of: any change of it makes another one. None where not all
        changes are followed, and in doubt."""
        versions, purges = self._beside.versions, self._beside.purges
        if versions is None or not source.is_followed:
            return None

        def current() -> str | None:
            found = versions.current(_all_rows(source.parts))
            if found is None:
                return None
            purged = "" if purges is None else "".join([purges.word_of(part.layer.id) for part in source.parts])
            # What the layers are is a part of it: a new definition, or a new overview.
            words = [layer_key(part, self._pool.database).prefix for part in source.parts]
            return blake2b("\0".join([*words, purged, found]).encode(), digest_size=9).hexdigest()

        return self._cache.version(current)

    def _looked(
        self, text: str, seconds: int, parts: Sequence[LayerRequest], tile: Tile, has: Has | None
    ) -> tuple[str | None, Entry | None]:
        """The version that the tile has now, and its entry where that is current."""
        together = self._beside.together
        if together is None or seconds <= 0:
            version = self._version(parts, tile)
            return version, self._kept(text, seconds, version, has)

        def find(head_will_do: bool) -> Found:
            word = self._word(parts, tile)
            found = together.current_with(self._asked(parts, tile), text, HEAD_BYTES if head_will_do else None)
            return found if found.version is None else found._replace(version=word + found.version)

        return self._cache.look(find, self._clock() - seconds, has)

    def _asked(self, parts: Sequence[LayerRequest], tile: Tile) -> list[Asked]:
        if self._beside.versions is None:
            return []
        return [each for part in parts for each in asked_of(part, tile)]

    def _word(self, parts: Sequence[LayerRequest], tile: Tile) -> str:
        """What purges say of the tile."""
        purges = self._beside.purges
        if purges is None:
            return ""
        return "".join([purges.word(part.layer.id, tile.z, partial(tile_box, part, tile)) for part in parts])

    def _version(self, parts: Sequence[LayerRequest], tile: Tile) -> str | None:
        """The version that a tile of now has; "" where nothing tells of changes, None where one may have been missed."""
        versions, asked = self._beside.versions, self._asked(parts, tile)
        if not asked and self._beside.purges is None:
            return ""

        def current() -> str | None:
            found = versions.current(asked) if asked and versions is not None else ""
            return found if found is None else self._word(parts, tile) + found

        return self._cache.version(current)

    def _kept(self, text: str, seconds: int, version: str | None, has: Has | None = None) -> Entry | None:
        """The entry, where it is current, and not older than tiles may be now: who put it there may have been told
        otherwise."""
        if seconds <= 0 or version is None:
            return None
        return self._cache.get(text, self._clock() - seconds, version, has)

    def _old(
        self, text: str, seconds: int, parts: Sequence[LayerRequest], tile: Tile, version: str | None
    ) -> Entry | None:
        """An entry that is not current any more and may be shown yet. What was purged may not."""
        word = self._cache.version(lambda: self._word(parts, tile)) if seconds > 0 else None
        if word is None:
            return None
        # When a change made it old is not known; it was not before it was made.
        lives = seconds if version == word else 0
        entry = self._cache.get(text, self._clock() - lives - self._stale.seconds, None)
        return entry if entry is not None and entry.version.startswith(word) else None

    def _part(self, text: str, part: LayerRequest, tile: Tile, until: float, version: str | None) -> Entry:
        """One layer of several that is not kept. It has the time `until` then (of time.monotonic)."""
        if self._pool.left_ms(until) is not None:
            # A part that ends early fails for itself alone: others would have had all the time.
            return self._made(text, part, tile, until, version)
        flight = f"{text} {self._flight_word(version)}"
        return self._flight.do(flight, lambda: self._made(text, part, tile, until, version), until, text)

    def _flight_word(self, version: str | None) -> str:
        """Who may share what is being made. In doubt only those who come at nearly the same time: nobody knows what changed
        since it was begun."""
        return version if version is not None else f"? {int(time.monotonic() / _IN_DOUBT_S)}"

    def _made(self, text: str, part: LayerRequest, tile: Tile, until: float | None, version: str | None) -> Entry:
        # Before the query runs, as the version.
        made_at = self._clock()
        with self._slots.slot(part.layer.id), TILE_QUERY_SECONDS.time():
            found = self._tiles.read(part, tile, self._postgis(), until, partial(self._stamp, part))
        entry = Entry.of(
            found.raw, how=found.how, made_at=made_at, version=version or "", media_type=found.media_type, tag=found.tag
        )
        if version is not None:
            self._put(text, entry, self._lifetimes.seconds(part.layer, tile.z))
        return entry

    def _stamp(self, part: LayerRequest) -> str | None:
        """One word for all rows of a layer, which changes with each of them; "" where nothing tells of changes, None in doubt."""
        versions, follows = self._beside.versions, part.layer.follows
        if versions is None or follows is None:
            return ""
        return self._cache.version(lambda: versions.current(_all_rows([part])))

    def _put(self, text: str, entry: Entry, seconds: int) -> None:
        self._cache.put(text, entry, seconds + self._stale.seconds if seconds > 0 else 0)

    def _joined(self, text: str, source: Source, tile: Tile, seconds: int, version: str | None) -> Entry:
        """The parts as one tile, as old as the oldest of them."""
        entries, missing = self._parts(source, tile)
        made_at = min((entry.made_at for entry in entries), default=self._clock())
        joined = Entry.joined(entries, made_at)
        if missing:
            return joined._replace(missing=missing)
        # Another machine's clock may be ahead of this one's: what it made is not younger than now.
        age = max(0, int(self._clock() - made_at))
        if version is not None:
            joined = joined._replace(version=version)
            self._put(text, joined, seconds - age)
        return joined

    def _parts(self, source: Source, tile: Tile) -> tuple[list[Entry], tuple[str, ...]]:
        """The parts in their order, made side by side where they are not kept; and the MVT names of those that failed."""
        until = time.monotonic() + self._tile_limit_s
        parts = source.parts_at(tile.z)
        keys = source.part_keys(tile, self._pool.database)
        versions = [self._version([part], tile) for part in parts]
        found: list[Entry | Exception | None] = [
            self._kept(key, self._lifetimes.seconds(part.layer, tile.z), version)
            for key, part, version in zip(keys, parts, versions, strict=True)
        ]
        wanted = [place for place, entry in enumerate(found) if entry is None]
        jobs = [partial(self._part, keys[place], parts[place], tile, until, versions[place]) for place in wanted]
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


def _all_rows(parts: Sequence[LayerRequest]) -> list[Asked]:
    """All of every table that these layers are made of."""
    follows = [part.layer.follows for part in parts if part.layer.follows is not None]
    return [Asked(table, None) for table in sorted({table for each in follows for table in each.places | each.everywhere})]


def _is_of_the_part(error: Exception) -> bool:
    """Whether the other layers of a composite can do without the one that failed so; what is wrong with the request,
    the settings or the program is not for one layer alone."""
    return isinstance(error, FlagstoneError) and not isinstance(error, (RequestError, ConfigurationError))
