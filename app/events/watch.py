"""What the log of changes means for layers: reads it, with a position of its own in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext

from ..backend import Backend
from ..caching.versions import Asked, News
from ..following.follower import Follower
from ..layers.bounds import Bounds
from ..layers.grid import Grid
from ..layers.identity import ANONYMOUS
from ..layers.layer import Layer
from ..layers.overview import has_row_security
from ..layers.relation import RelationLayer
from ..layers.zooms import zooms
from ..repository.catalog import Catalog
from ..repository.changes.listening import Listener
from ..repository.changes.log import ChangeLog, Followed
from ..repository.pool import Pool
from .messages import ANYWHERE, Change, where_text
from .places import places


class Positions:
    """How far the log was read: what a follower needs of a store of versions, of which there are none here."""

    def __init__(self) -> None:
        self._positions: dict[int, str] = {}

    def current(self, asked: Sequence[Asked]) -> str | None:
        """Nothing is kept here, so nothing is current."""
        return None

    def positions(self, tables: Collection[int]) -> dict[int, str]:
        return {table: self._positions[table] for table in tables if table in self._positions}

    def apply(self, news: Mapping[int, News], position: str) -> None:
        self._positions.update(dict.fromkeys(news, position))

    def confirm(self, seconds: float) -> bool:
        return True

    def forget(self, tables: Collection[int]) -> None:
        for table in tables:
            self._positions.pop(table, None)


class Watch:
    """Calls `heard`, from a thread of its own, with what changed of the layers that anybody may see."""

    def __init__(self, backend: Backend, heard: Callable[[list[Change]], None]) -> None:
        settings = backend.settings
        self._backend = backend
        self._heard = heard
        self._grid: Grid = backend.grids.get(settings.default_grid)
        self._lock = threading.Lock()
        self._snapshot: Catalog | None = None
        self._by_table: dict[int, list[tuple[Layer, bool]]] = {}
        self._open_columns: set[tuple[int, str]] = set()
        self._layers: dict[str, Layer] = {}
        # Tiles are not made here: one connection reads the log, beside those that read the catalog.
        self._pool = Pool(settings.model_copy(update={"pool_size": 1, "pool_min_size": 1}))
        self._log = _Log(self._pool, settings.default_srid)
        self._follower = Follower(
            self._log,
            Positions(),
            lambda: backend.catalog.postgis.schema,
            buffer=settings.max_buffer_ratio,
            poll_s=settings.changes_poll_ms / 1000,
            age_s=settings.changes_max_age_ms / 1000,
            alone=lambda: nullcontext(True),
            coverage_changed=backend.catalog.reload_soon,
            heard=self._of_tables,
            listening=Listener(settings).telling if settings.changes_listen else None,
        )

    def open(self) -> None:
        """Begin to read the catalog and the log in the background."""
        self._backend.catalog.open()
        self._follower.open()

    def close(self) -> None:
        """Stop to read."""
        self._follower.close()
        self._pool.close()

    def renewed(self) -> list[Change]:
        """What another catalog makes of layers: those that are not what they were changed anywhere. Cheap to ask."""
        with self._lock:
            return self._renewed(self._backend.catalog.snapshot)

    def _renewed(self, snapshot: Catalog | None) -> list[Change]:
        if snapshot is None or snapshot is self._snapshot:
            return []
        before, self._layers = self._layers, {layer.id: layer for layer in snapshot.visible(ANONYMOUS)}
        by_table: dict[int, list[tuple[Layer, bool]]] = {}
        for layer in self._layers.values():
            if layer.follows is not None:
                for table in layer.follows.places | layer.follows.everywhere:
                    by_table.setdefault(table, []).append((layer, table in layer.follows.everywhere))
        self._by_table = by_table
        self._open_columns = {
            (layer.oid, layer.geometry.name)
            for layer in self._layers.values()
            if isinstance(layer, RelationLayer) and shows_every_row(layer)
        }
        first, self._snapshot = self._snapshot is None, snapshot
        if first:
            return []
        return [
            self._change(layer, ANYWHERE)
            for name, layer in self._layers.items()
            if _differ(before.get(name), layer)
        ]

    def _of_tables(self, news: Mapping[int, Sequence[Bounds] | None]) -> None:
        """Boxes that changed by table, or None for anywhere, become changes of layers."""
        # Whoever listens knows his layers by the catalog of now, and what comes for them goes by that one.
        changes = self.renewed()
        by_table = self._by_table
        buffer = self._backend.settings.max_buffer_ratio
        for table, boxes in news.items():
            layers = by_table.get(table, ())
            # Rows without geometry are drawn nowhere, yet a view may show what they say.
            where = None if boxes is None or not layers else places(self._grid, boxes, buffer)
            texts: dict[tuple[int, int], str] = {}
            for layer, everywhere in layers:
                if everywhere or where is None:
                    changes.append(self._change(layer, ANYWHERE))
                elif where.boxes:
                    shown = zooms(layer, self._grid, self._backend.settings)
                    if shown not in texts:
                        texts[shown] = where_text(where, *shown)
                    changes.append(self._change(layer, texts[shown], everybody=self._is_open(layer, table)))
        if changes:
            self._heard(changes)

    def _is_open(self, layer: Layer, table: int) -> bool:
        """Whether anybody may know where rows of this table lie, in all of the columns whose boxes are written down."""
        columns = self._log.geometry_columns.get(table)
        return (
            isinstance(layer, RelationLayer)
            and layer.oid == table
            and bool(columns)
            and all((table, column) in self._open_columns for column in columns or ())
        )

    def _change(self, layer: Layer, where: str, *, everybody: bool = True) -> Change:
        return Change(layer.id, self._grid.id, where, everybody)


class _Log(ChangeLog):
    """Remembers whose boxes are written down, by table."""

    def __init__(self, pool: Pool, default_srid: int | None) -> None:
        super().__init__(pool, default_srid)
        self.geometry_columns: dict[int, list[str]] = {}

    def coverage(self) -> list[Followed]:
        found = super().coverage()
        self.geometry_columns = {each.relation: each.geometry_columns for each in found}
        return found


def shows_every_row(layer: RelationLayer) -> bool:
    """Whether the layer shows each row of a table, all of it, to everybody: no view, no policy, no filter, no column apart."""
    return (
        layer.kind != "v"
        and not has_row_security(layer)
        and layer.options.filter is None
        and layer.readers.get(layer.login, frozenset()) is None
    )


def _differ(before: Layer | None, now: Layer) -> bool:
    if before is now:
        return False
    return before is None or before.digest != now.digest or before.follows != now.follows
