"""Extents read from the rows themselves: one at a time, in the background, within a time limit."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, field

from psycopg import sql

from ..errors import FlagstoneError
from ..layers.bounds import Bounds
from ..layers.relation import RelationLayer
from ..settings import Settings
from .column_reader import column_reader
from .lonlat_extent import lonlat_extent
from .pool import Pool, read_only

log = logging.getLogger(__name__)

_GOOD_FOR_S = 600.0
_MOST_WAITING = 1000
_MOST_REMEMBERED = 20_000
"""Tables that are made anew every night leave their readings behind."""


@dataclass(slots=True)
class _Reading:
    """One layer's extent, being read or read; `bounds` stays while a newer one is read."""

    bounds: Bounds | None = None
    read_at: float = float("-inf")
    under_way: bool = False
    first_done: threading.Event = field(default_factory=threading.Event)


class ExactExtents:
    """Reads extents on a daemon thread that starts with the first question and ends with `close`."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._timeout_ms = settings.extent_timeout_ms
        self._readings: dict[str, _Reading] = {}
        self._queue: queue.Queue[tuple[RelationLayer, str] | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def extent(self, layer: RelationLayer, postgis_schema: str, *, wait_s: float = 0.0) -> Bounds | None:
        """What is known so far. What is unknown or some minutes old is read, in the order of the questions."""
        if self._timeout_ms == 0:
            return None
        with self._lock:
            if len(self._readings) >= _MOST_REMEMBERED:
                self._readings = {key: reading for key, reading in self._readings.items() if reading.under_way}
            # The digest holds all that decides what its rows are: a changed table is a new question.
            reading = self._readings.setdefault(layer.id + layer.digest, _Reading())
            old = time.monotonic() - reading.read_at >= _GOOD_FOR_S
            if old and not reading.under_way:
                reading.under_way = self._ask(layer, postgis_schema)
            wait = reading.under_way and wait_s > 0 and not reading.first_done.is_set()
        if wait:
            reading.first_done.wait(wait_s)
        return reading.bounds

    def close(self) -> None:
        """End the thread after the query that it runs; questions that wait are dropped."""
        with self._lock:
            thread, self._thread = self._thread, None
            dropped, self._queue = self._queue, queue.Queue(_MOST_WAITING)
            self._readings = {}
        if thread is not None:
            while not dropped.empty():
                dropped.get_nowait()
            dropped.put(None)

    def _ask(self, layer: RelationLayer, postgis_schema: str) -> bool:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._work, args=(self._queue,), name="flagstone-extents", daemon=True
            )
            self._thread.start()
        try:
            self._queue.put_nowait((layer, postgis_schema))
        except queue.Full:
            return False
        return True

    def _work(self, questions: queue.Queue[tuple[RelationLayer, str] | None]) -> None:
        while (question := questions.get()) is not None:
            layer, postgis_schema = question
            bounds = None
            try:
                bounds = self._read(layer, postgis_schema)
            except FlagstoneError as error:
                log.info("no extent of %s: %s", layer.id, error)
            except Exception:  # a fault here must not end the thread, and so all extents until the next start
                log.exception("no extent of %s", layer.id)
            with self._lock:
                reading = self._readings.get(layer.id + layer.digest)
                if reading is not None:
                    reading.bounds = bounds or reading.bounds
                    reading.read_at = time.monotonic()
                    reading.under_way = False
                    reading.first_done.set()

    def _read(self, layer: RelationLayer, postgis_schema: str) -> Bounds | None:
        def postgis(function: str) -> sql.Identifier:
            return sql.Identifier(postgis_schema, function)

        geometry: sql.Composable = sql.Identifier(layer.geometry.name)
        if layer.geometry.is_geography:
            geometry = sql.SQL("{}::{}").format(geometry, postgis("geometry"))
        query = sql.SQL(
            "SELECT {xmin}(box), {ymin}(box), {xmax}(box), {ymax}(box) FROM (SELECT {extent}({geometry}) FROM {relation}) AS whole (box)"
        ).format(
            xmin=postgis("st_xmin"), ymin=postgis("st_ymin"), xmax=postgis("st_xmax"), ymax=postgis("st_ymax"),
            extent=postgis("st_extent"), geometry=geometry, relation=sql.Identifier(layer.schema, layer.name),
        )  # fmt: skip
        # A transaction also for a plain table, because of the time limit.
        reader = column_reader(layer.readers, layer.geometry.name, layer.login)
        with read_only(self._pool, reader, f"the extent of {layer.id}", timeout_ms=self._timeout_ms) as connection:
            row = connection.execute(query, prepare=False).fetchone()
        return lonlat_extent(row or (), layer.geometry.crs)
