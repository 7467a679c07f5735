"""Resident memory of a worker after many tiles of many tables."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import psutil

from . import tables
from .drawing import tile_at
from .line import Line
from .stand import Stand

_LINES = 8
"""Connections at once: as many as a worker has threads, so that each of its database connections is used."""
_CACHE_MB = 1
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class WorkerMemory:
    """Bytes resident in one worker, what its cache may hold taken off: at its start, and after so many tiles."""

    tables: int
    tiles: int
    at_start: int
    after: int


def measure(stand: Stand, dsn: str, table_count: int, tile_count: int, done: Callable[[int], None]) -> WorkerMemory:
    """`done` is told how many tiles came."""
    # The cache is as small as it can be, and full after the first tiles; its bound is then taken off.
    app = stand.gunicorn(dsn, WEB_CONCURRENCY="1", FLAGSTONE_CACHE_MEMORY_MB=str(_CACHE_MB))
    with Line(app.port) as line:
        line.get("/tables.json")  # waits until the whole catalog is there
    worker = psutil.Process(app.process.pid).children()[0]
    at_start = worker.memory_info().rss
    with ThreadPoolExecutor(_LINES) as readers:
        for read in readers.map(lambda part: _read(app.port, part, table_count, tile_count), range(_LINES)):
            done(read)
    after = worker.memory_info().rss - _CACHE_MB * MEGABYTE
    app.stop()
    return WorkerMemory(table_count, tile_count, at_start, after)


def _read(port: int, part: int, table_count: int, tile_count: int) -> int:
    """Every eighth tile. Tables and zooms take turns."""
    read = 0
    with Line(port) as line:
        for turn in islice(range(tile_count), part, None, _LINES):
            number = turn % table_count + 1
            zoom = 6 + turn // table_count % 11
            x, y = tile_at(*tables.place(number), zoom)
            # A neighbour each time round, so that no tile comes out of the cache.
            x += turn // (table_count * 11) % 2**zoom
            status, _ = line.get(f"/tiles/{tables.name(number)}/{zoom}/{x % 2**zoom}/{y}")
            if status not in (200, 204):
                raise RuntimeError(f"a tile of {tables.name(number)} answered {status}")
            read += 1
    return read
