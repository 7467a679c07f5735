"""How the rows of large layers are spread, from the planner's statistics: read in the background, once in a while.

Only how a tile is asked for may depend on it. Two workers know different things at the same time, and their tiles must
have the same bytes.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import FlagstoneError
from ..layers.band_layer import BandLayer
from ..layers.bounds import Bounds
from ..layers.layer import RowLayer
from ..layers.relation import RelationLayer
from ..layers.statistics import Spread
from .column_reader import column_reader
from .pool import Pool, read_only
from .postgis import PostGIS
from .statements import statement

log = logging.getLogger(__name__)

_COLUMNS = 64
"""PostGIS keeps at most about 100 by 100 cells."""
_FEWEST_ROWS = 1000
"""Any plan is good for fewer, and no tile holds too many of them."""
_TIMEOUT_MS = 2000
_GOOD_FOR_S = 600.0
_MOST_WAITING = 100
_MOST_REMEMBERED = 250
"""Layers: each takes some 17 kB."""


@dataclass(slots=True)
class _Reading:
    """One layer's spread; None where there are no statistics, or not yet."""

    spread: Spread | None = None
    read_at: float = float("-inf")
    under_way: bool = False


class LayerStatistics:
    """Reads on a daemon thread that starts with the first question and ends with `close`. Safe for threads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._readings: OrderedDict[str, _Reading] = OrderedDict()
        self._questions: queue.Queue[tuple[RelationLayer, PostGIS] | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def spread(self, layer: RowLayer, postgis: PostGIS) -> Spread | None:
        """What is known so far; never waits. What is unknown or some minutes old is read."""
        if not isinstance(layer, RelationLayer) or not _is_worth_asking(layer):
            return None
        with self._lock:
            key = layer.id + layer.digest
            reading = self._readings.setdefault(key, _Reading())
            self._readings.move_to_end(key)
            if not reading.under_way and time.monotonic() - reading.read_at >= _GOOD_FOR_S:
                reading.under_way = self._ask(layer, postgis)
            while len(self._readings) > _MOST_REMEMBERED:
                self._readings.popitem(last=False)
            return reading.spread

    def close(self) -> None:
        """End the thread after the query that it runs; questions that wait are dropped."""
        with self._lock:
            thread, self._thread = self._thread, None
            dropped, self._questions = self._questions, queue.Queue(_MOST_WAITING)
            self._readings.clear()
        if thread is not None:
            while not dropped.empty():
                dropped.get_nowait()
            dropped.put(None)

    def _ask(self, layer: RelationLayer, postgis: PostGIS) -> bool:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._work, args=(self._questions,), name="flagstone-statistics", daemon=True
            )
            self._thread.start()
        try:
            self._questions.put_nowait((layer, postgis))
        except queue.Full:
            return False
        return True

    def _work(self, questions: queue.Queue[tuple[RelationLayer, PostGIS] | None]) -> None:
        while (question := questions.get()) is not None:
            layer, postgis = question
            spread = None
            try:
                spread = self._read(layer, postgis)
            except FlagstoneError as error:
                log.info("no statistics of %s: %s", layer.id, error)
            except Exception:
                # A fault here must not end the thread, and so all statistics until the next start.
                log.exception("no statistics of %s", layer.id)
            with self._lock:
                reading = self._readings.get(layer.id + layer.digest)
                if reading is not None:
                    reading.spread, reading.read_at, reading.under_way = spread, time.monotonic(), False

    def _read(self, layer: RelationLayer, postgis: PostGIS) -> Spread | None:
        arguments = {"relation": layer.oid, "geometry": layer.geometry.name, "columns": _COLUMNS}
        reader = column_reader(layer.readers, layer.geometry.name, layer.login)
        # A transaction also for the login itself, because of the time limit and the search path.
        with read_only(self._pool, reader, f"the statistics of {layer.id}", timeout_ms=_TIMEOUT_MS) as connection:
            connection.execute("SET LOCAL search_path = pg_catalog")
            row = connection.execute(
                statement("spread", postgis=postgis.schema), arguments, prepare=False
            ).fetchone()
        return None if row is None else _spread(row, layer.estimated_rows or 0)


def _is_worth_asking(layer: RelationLayer) -> bool:
    """Views have no statistics; those of geography are about boxes in space. A band's tiles are within their bounds."""
    if isinstance(layer, BandLayer) or layer.geometry.is_geography:
        return False
    return layer.kind in "rmp" and (layer.estimated_rows or 0) >= _FEWEST_ROWS


def _spread(row: Sequence[Any], rows: int) -> Spread:
    west, south, east, north, parts = row
    return Spread.of(Bounds(west, south, east, north), [part * rows for part in parts])
