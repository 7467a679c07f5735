"""Holds the catalog's snapshot: loads it, swaps it whole, and asks the database again when that is due."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from ..errors import FlagstoneError, NotFound
from ..layers import grid_files
from ..layers.bounds import Bounds
from ..layers.identity import Identity
from ..layers.layer import Layer
from ..layers.member import Member
from ..layers.relation import RelationLayer
from ..layers.sql_layer import SqlLayer
from ..settings import Settings
from . import discovery
from .catalog import Catalog, relation
from .catalog_loads import CatalogLoads
from .extents import Extents
from .layers_file import LayersFileReader
from .pool import Pool
from .postgis import PostGIS

log = logging.getLogger(__name__)

_FIRST_RETRY_S = 1.0
_SLOWEST_RETRY_S = 30.0
_MOST_LOOK_UPS = 200
_EXTENT_WAIT_S = 0.3


class CatalogStore:
    """The one place that holds a catalog. One load at a time; a failed one keeps the snapshot and says so.

    Nothing starts before `open`, which belongs behind a fork. Without it everything works too, only that nothing
    is read ahead: that is how commands use it.
    """

    def __init__(self, pool: Pool, settings: Settings, registered: Sequence[SqlLayer] = ()) -> None:
        self._pool = pool
        self._settings = settings
        self._extents = Extents(pool, settings)
        self.layers_file = LayersFileReader(settings.layers_file, grid_files.ids(settings.tms_directory))
        self._registered = tuple(registered)
        self._snapshot: Catalog | None = None
        self._postgis: PostGIS | None = None
        self._alone: dict[tuple[str, Identity], Layer] = {}
        self._failure: str | None = None
        self._lock = threading.Lock()
        # A quarter of the threads: half of them may wait at the same time for tiles that others make.
        self._loads = CatalogLoads(self._load, seats=max(1, settings.threads // 4))
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def open(self) -> None:
        """Start to load in the background, now and at intervals. Does nothing where that is going on already."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._load_at_intervals, args=(self._stop,), name="flagstone-catalog", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Stop the background work; a query that is under way is not waited for."""
        self._stop.set()
        self._extents.close()
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout=0.2)

    @property
    def loaded(self) -> bool:
        """Whether there is a complete snapshot."""
        return self._snapshot is not None

    @property
    def snapshot(self) -> Catalog | None:
        """The complete snapshot as it is now, without waiting for one."""
        return self._snapshot

    @property
    def failure(self) -> str | None:
        """Why the last load failed; None where it did not."""
        return self._failure

    @property
    def postgis(self) -> PostGIS:
        """The database's PostGIS; asks the database where nothing did so yet."""
        return self._postgis or self.catalog().postgis

    def catalog(self) -> Catalog:
        """The complete snapshot. Waits for the first load, for some seconds; raises what made it fail."""
        return self._snapshot or self._loads.first()

    def layer(self, asked: str, identity: Identity) -> Layer:
        """The layer of an id or bare name for this identity; NotFound, DatabaseDown and the like.

        Before the first load it is looked up alone. After it, an unknown name makes the catalog load again, where
        the last load is some seconds ago: the table may be new. Few wait for that; the others hear what is known.
        """
        snapshot = self._snapshot
        if snapshot is None:
            return self._layer_alone(asked, identity) or self.catalog().layer(asked, identity)
        return snapshot.find(asked, identity) or self.reload_if_due().layer(asked, identity)

    def members(self, asked: str, identity: Identity) -> tuple[Member, ...]:
        """The layer of an id or bare name, or the layers of a named composite. An id goes before a composite, that
        before a bare name. NotFound, DatabaseDown and the like."""
        if asked in self.layers_file.last.composites:
            # Only the whole catalog knows which of a composite's layers there are.
            found = self.catalog().composite(asked, identity)
            if found is not None:
                return found.members_for(identity)
        try:
            return (Member(asked, self.layer(asked, identity)),)
        except NotFound:
            # The catalog may be another one by now, and the layers file with it.
            found = self.catalog().composite(asked, identity)
            if found is None:
                raise
            return found.members_for(identity)

    def table(self, asked: str, identity: Identity) -> RelationLayer:
        """As `layer`, of a relation of the database."""
        return relation(self.layer(asked, identity))

    def extent(self, layer: Layer, *, wait_s: float = _EXTENT_WAIT_S) -> Bounds | None:
        """The layer's bounds in longitude and latitude: declared, else from statistics, else from its rows.

        None where nothing is known yet. Rows are read in the background and waited for `wait_s`, so that the first
        map of a small view is in its place.
        """
        return self._extents.extents([layer], self.postgis.schema, wait_s=wait_s)[layer.id]

    def extents(self, layers: Sequence[Layer]) -> dict[str, Bounds | None]:
        """The extents of many layers by id; never waits for rows."""
        return self._extents.extents(layers, self.postgis.schema)

    def reload_if_due(self) -> Catalog:
        """The snapshot; a new one where the last load ended some seconds ago and a new one is quick."""
        if self._snapshot is not None:
            self._loads.renew(self._settings.catalog_miss_interval_s)
        return self.catalog()

    def reload_soon(self) -> None:
        """Have the catalog loaded again where the last load ended some seconds ago; nobody waits for it."""
        self._loads.renew(self._settings.catalog_miss_interval_s, wait=False)

    def reload(self) -> Catalog:
        """Load the catalog and swap it in. Who comes while a load runs waits for that one and shares its outcome."""
        return self._loads.whole()

    def _load(self) -> Catalog:
        try:
            file = self.layers_file
            catalog = discovery.load(self._pool, self._settings, self._snapshot, file.current(), file.name, self._registered)
        except Exception as error:
            self._failed(error)
            raise
        self._swap(catalog)
        return catalog

    def _swap(self, catalog: Catalog) -> None:
        if self._failure is not None:
            log.info("the catalog is loaded again, with %d layers", len(catalog.layers))
        before = self._snapshot
        for notice in catalog.notices:
            if before is None or notice not in before.notices:
                log.warning("%s", notice)
        if before is None:
            log.info(
                "%d layers in database %s, %d relations left out", len(catalog.layers), catalog.database, len(catalog.rejected)
            )
        self._postgis = catalog.postgis
        self._extents.forget()
        self._snapshot = catalog
        self._failure = None
        self._alone.clear()

    def _failed(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, FlagstoneError) else f"{type(error).__name__} in Flagstone itself"
        # One line for an outage, not one for each attempt.
        if reason != self._failure and not self._stop.is_set():
            kept = "the last one stays in use" if self._snapshot else "there is none yet"
            log.warning("the catalog could not be loaded, %s: %s", kept, reason)
        self._failure = reason
        self._alone.clear()  # while loads fail, what was looked up alone must not grow old

    def _layer_alone(self, asked: str, identity: Identity) -> Layer | None:
        found = self._alone.get((asked, identity))
        if found is None:
            file = self.layers_file
            found, self._postgis = discovery.look_up(
                self._pool, self._settings, asked, identity, file.current(), file.name, self._registered
            )
            if found is not None and len(self._alone) < _MOST_LOOK_UPS:
                self._alone[asked, identity] = found
        return found

    def _load_at_intervals(self, stop: threading.Event) -> None:
        interval = self._settings.catalog_interval_s
        retry = _FIRST_RETRY_S
        wait: float | None
        while not stop.is_set():
            try:
                self.reload()
            except FlagstoneError:
                wait, retry = retry, min(retry * 2, _SLOWEST_RETRY_S)
            except Exception:  # a fault of ours must not end the thread: the catalog would never change again
                log.exception("the catalog could not be loaded")
                wait = _SLOWEST_RETRY_S
            else:
                # Without an interval it waits until it is stopped: each request opens the store, which starts what has ended.
                wait, retry = interval or None, _FIRST_RETRY_S
            stop.wait(wait)
