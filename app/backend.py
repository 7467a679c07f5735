"""The object graph of one Flagstone, built without Flask: pool, catalog, cache, reader."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from .caching.beside import NOTHING, Beside
from .caching.crew import Crew
from .caching.host_lock import HostLock
from .caching.redis_versions import form_of
from .caching.single_flight import SingleFlight
from .caching.slots import Slots
from .caching.store import ByteStore
from .caching.tile_cache import TileCache
from .errors import ConfigurationError
from .following.follower import Follower
from .layers.cql2.from_text import prepare
from .layers.grid_files import read_directory
from .layers.grids import BUILT_IN, Grids
from .layers.lifetime import Lifetimes
from .layers.request import LayerRequest
from .layers.source_ids import SourceIds
from .layers.sql_layer import SqlLayer, named_like_a_grid
from .reader import Reader
from .repository.catalog_store import CatalogStore
from .repository.changes.listening import Listener
from .repository.changes.log import ChangeLog
from .repository.conninfo import names_several_servers
from .repository.pool import Pool
from .repository.second_look import SecondLook
from .repository.tiles import Tiles
from .settings import Settings
from .source import Source, Sources
from .stale import StaleTiles

log = logging.getLogger(__name__)

_PARSER_AFTER_S = 2.0
"""When the parser of filters is made: the first tiles have gone out by then, and most first filters not come yet."""


class Backend:
    """Everything that answers need, shared by the views, the commands and the tests. Nothing opens until it is used."""

    def __init__(
        self, settings: Settings, store: ByteStore, pool: Pool | None = None, registered: Sequence[SqlLayer] = (),
        beside: Beside = NOTHING,
    ) -> None:
        self.settings = settings
        directory = settings.tms_directory
        self.grids = Grids(read_directory(directory, BUILT_IN) if directory is not None else None)
        if settings.default_grid not in self.grids:
            raise ConfigurationError(
                f"FLAGSTONE_DEFAULT_TMS: {settings.default_grid!r} is none of {', '.join(self.grids.ids)}")
        for layer in registered:
            if layer.id in self.grids.custom_ids:
                raise ConfigurationError(f"layer {layer.id!r}: {named_like_a_grid(layer.id)}")
        self.pool = pool or Pool(settings)
        self.catalog = CatalogStore(self.pool, settings, registered)
        self.second_look = SecondLook(self.catalog)
        # Of 16 threads 8 may make tiles, 6 of them of one layer, and 6 wait for tiles that others make: two are always
        # free for tiles that are kept, for documents and for health checks.
        waiting = max(1, settings.threads * 3 // 8)
        places = max(1, settings.threads - waiting - 2)
        self.most_of_a_layer = waiting
        slots = Slots(most=places, most_of_one=waiting)
        # Helpers take slots and connections beside the requests' own; some slots are always left for other tiles.
        spare = 2 if places >= 6 else 1
        helpers = max(0, min(settings.threads // 4, settings.connections - 1, places - 1 - spare))
        self._crew = Crew(helpers, lambda: slots.has_room(spare))
        flight = SingleFlight(
            max_waiting=waiting,
            # Many who want one new tile all get it, where it takes no longer than a moment.
            for_a_moment=settings.threads - 3,
            # Longer than the tile itself may take, so that who waits gets its error and not one of its own.
            timeout_s=settings.longest_tile_s + 1,
        )
        self.sources = Sources()
        self.source_ids = SourceIds()
        self._parser: threading.Timer | None = None
        self.beside = beside
        versions = beside.versions
        follows = versions is not None and settings.changes_poll_ms > 0
        if follows and not self.pool.is_lent and names_several_servers(settings):
            # Of two servers one may be behind: a tile of that one would be kept as what the other one tells.
            log.warning("DATABASE_URL names several servers: changes are not followed, tiles have their time to live")
            follows = False
        self._lifetimes = Lifetimes(
            settings.cache_ttl_s, settings.cache_rules, settings.cache_followed_ttl_s if follows else None
        )
        self.tiles = Tiles(self.pool, most_bytes=settings.max_tile_bytes)
        self._stale = StaleTiles(settings.cache_stale_s, self.catalog.reload_soon)
        self.reader = Reader(
            self.tiles,
            self.pool,
            lambda: self.catalog.postgis,
            TileCache(store, max_bytes=settings.cache_max_tile_kb * 1024),
            flight,
            slots,
            self._lifetimes,
            self._crew,
            tile_limit_s=settings.tile_limit_s,
            skips_failures=settings.composite_failure == "skip",
            layer_changed=self.catalog.reload_soon,
            stale=self._stale,
            beside=beside if follows else beside._replace(versions=None),
        )
        self._follower: Follower | None = None
        self._changes: Pool | None = None
        if follows and versions is not None:
            # A connection of its own: where tiles take all of the others, the cache must not be in doubt as well.
            alone = {"pool_size": 1, "pool_min_size": 1}
            self._changes = self.pool if self.pool.is_lent else Pool(settings.model_copy(update=alone))
            self._follower = Follower(
                ChangeLog(self._changes, settings.default_srid),
                versions,
                lambda: self.catalog.postgis.schema,
                buffer=settings.max_buffer_ratio,
                poll_s=settings.changes_poll_ms / 1000,
                age_s=settings.changes_max_age_ms / 1000,
                alone=self._alone,
                coverage_changed=self.catalog.reload_soon,
                listening=Listener(settings).telling if settings.changes_listen and not self.pool.is_lent else None,
            )

    def _alone(self) -> AbstractContextManager[bool]:
        """Held by who reads the log of changes: with tiles in Redis one process of a host, else each for itself."""
        settings = self.settings
        if settings.cache_type == "memory":
            return nullcontext(True)
        if not self.pool.database:
            # It is known after the first connection. Two databases are two logs.
            self.pool.ping()
        return HostLock(f"{settings.redis_text} {settings.cache_key_prefix} {form_of(settings)} {self.pool.database}").held()

    def source(self, parts: tuple[LayerRequest, ...], version: str | None = None) -> Source:
        """What these parts give, tile by tile; `version` is what the address says."""
        return Source(parts, self._lifetimes, version)

    def open(self) -> None:
        """Connect and start to read the catalog in the background. After the fork only."""
        if not self.pool.is_lent:
            self.pool.open()
        self.catalog.open()
        if self._follower is not None:
            self._follower.open()
        if self._parser is None:
            self._parser = threading.Timer(_PARSER_AFTER_S, prepare)
            self._parser.daemon = True
            self._parser.start()

    def close(self) -> None:
        """Stop the background work and close every connection."""
        if self._follower is not None and self._changes is not None:
            self._follower.close()
            if not self._changes.is_lent:
                self._changes.close()
        self.catalog.close()
        if self._parser is not None:
            self._parser.cancel()
            self._parser = None
        self._crew.close()
        self._stale.close()
        self.tiles.close()
        self.pool.close()

    def ready(self) -> bool:
        """Whether the catalog is loaded and the database answers; raises DatabaseDown or PoolExhausted if not."""
        self.open()
        self.pool.ping()
        return self.catalog.loaded
