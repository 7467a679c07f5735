"""A source: what a map asks tile after tile. Checked once, it costs each of its tiles a look in a dictionary."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from .caching.key import LayerKey, composite_prefix, key_text
from .caching.versions import Asked
from .layers.bounds import Bounds
from .layers.crs import lonlat
from .layers.lifetime import Lifetimes
from .layers.request import LayerRequest
from .layers.tile import Tile
from .layers.tile_regions import regions_of
from .layers.zooms import existing_tile
from .repository.tile_sql import VERSION

_MOST_SOURCES = 500
_LONGEST = 2000
"""Bytes of an address that is worth remembering: whoever asks can write filters in endless ways."""


class Source:
    """Layers with their parameters in one grid. Its tiles are those of its layers, joined."""

    def __init__(self, parts: tuple[LayerRequest, ...], lifetimes: Lifetimes, version: str | None = None) -> None:
        self.parts = parts
        self.asked_version = version
        """The version that the address has, where such are given (`versioned.py`)."""
        self.grid = parts[0].grid
        self.first_zoom = min(part.first_zoom for part in parts)
        self.last_zoom = max(part.last_zoom for part in parts)
        self._lifetimes = lifetimes
        self._seconds: dict[int, int] = {}
        self._prefixes: dict[tuple[str, int], tuple[str, tuple[str, ...]]] = {}
        self._at_zoom: dict[int, tuple[LayerRequest, ...]] = {}

    @property
    def is_followed(self) -> bool:
        """Whether its tiles grow old by changes alone, not by time."""
        if self._lifetimes.followed is None:
            return False
        return all(part.layer.follows is not None and part.layer.follows.is_whole for part in self.parts)

    def tile(self, path: tuple[str, str, str]) -> Tile:
        """The tile that three parts of an address name; NotFound outside of the grid or of all layers' zooms."""
        return existing_tile(self.grid, path, self.first_zoom, self.last_zoom)

    def parts_at(self, zoom: int) -> tuple[LayerRequest, ...]:
        """The layers that have tiles at this zoom."""
        parts = self._at_zoom.get(zoom)
        if parts is None:
            parts = tuple(part for part in self.parts if part.first_zoom <= zoom <= part.last_zoom)
            self._at_zoom[zoom] = parts
        return parts

    def seconds(self, zoom: int) -> int:
        """How long a tile of this zoom is kept: the shortest time of its layers."""
        seconds = self._seconds.get(zoom)
        if seconds is None:
            seconds = self._seconds[zoom] = min(
                (self._lifetimes.seconds(part.layer, zoom) for part in self.parts_at(zoom)), default=0
            )
        return seconds

    def grows_old_by_changes(self, zoom: int) -> bool:
        """Whether no time to live of anybody's choice says more of its tiles than its changes do."""
        return self.is_followed and self.seconds(zoom) == self._lifetimes.followed

    def key(self, tile: Tile, database: str) -> str:
        """The text under which a tile is kept that has everything of its zoom."""
        return key_text(self._prefixes_at(tile.z, database)[0], tile)

    def part_keys(self, tile: Tile, database: str) -> list[str]:
        """The texts under which the parts of a tile are kept, in the order of `parts_at`."""
        return [key_text(prefix, tile) for prefix in self._prefixes_at(tile.z, database)[1]]

    def _prefixes_at(self, zoom: int, database: str) -> tuple[str, tuple[str, ...]]:
        """What the keys of the whole begin with, and those of each part."""
        found = self._prefixes.get((database, zoom))
        if found is None:
            keys = [layer_key(part, database) for part in self.parts_at(zoom)]
            parts = tuple([key.prefix for key in keys])
            whole = parts[0] if len(parts) == 1 else composite_prefix(parts)
            found = self._prefixes[database, zoom] = (whole, parts)
        return found


def asked_of(part: LayerRequest, tile: Tile) -> tuple[Asked, ...]:
    """What of which tables decides whether a tile of one layer is current."""
    follows = part.layer.follows
    if follows is None:
        return ()
    everywhere = [Asked(table, None) for table in sorted(follows.everywhere)]
    if not follows.places:
        return tuple(everywhere)
    cells = regions_of(part.grid, tile, part.buffer / part.resolution)
    return (*[Asked(table, cells) for table in sorted(follows.places)], *everywhere)


def tile_box(part: LayerRequest, tile: Tile) -> Bounds | None:
    """Where a tile of one layer lies, with its buffer, in longitude and latitude; None where nobody can say."""
    return lonlat(part.grid.buffered(tile, part.buffer / part.resolution), part.grid.crs)


def layer_key(part: LayerRequest, database: str) -> LayerKey:
    """What decides the bytes of one layer's tiles."""
    return LayerKey(
        database=database,
        layer_id=part.layer.id,
        layer_digest=f"{VERSION}-{part.layer.digest}",
        mvt_name=part.mvt_name,
        grid=part.grid.key,
        parameters=part.parameters,
        identity=part.identity,
    )


class Sources:
    """The sources asked for last, of one snapshot of the catalog: another one makes all of them unknown."""

    def __init__(self) -> None:
        self._snapshot: object | None = None
        self._sources: OrderedDict[Hashable, Source] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, snapshot: object | None, address: tuple[Hashable, ...]) -> Source | None:
        """The source that was checked under this address in this snapshot."""
        with self._lock:
            if snapshot is not self._snapshot:
                return None
            source = self._sources.get(address)
            if source is not None:
                self._sources.move_to_end(address)
            return source

    def keep(self, snapshot: object | None, address: tuple[Hashable, ...], source: Source) -> None:
        """Remember a source; while there is no snapshot nothing is."""
        if snapshot is None or sum(len(part) for part in address if isinstance(part, (str, bytes))) > _LONGEST:
            return
        with self._lock:
            if snapshot is not self._snapshot:
                self._snapshot = snapshot
                self._sources.clear()
            self._sources[address] = source
            while len(self._sources) > _MOST_SOURCES:
                self._sources.popitem(last=False)
