"""Every Prometheus series of Flagstone. Labels are few and fixed: a label made of layer names would grow without end.

With several workers `PROMETHEUS_MULTIPROC_DIR` must be set before this module is imported: prometheus_client decides
then whether it counts in memory or in files that all workers' numbers are read from.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

_REGISTRY = CollectorRegistry()
"""Ours alone: a host application's series stay its own."""

_cache_events = Counter(
    "flagstone_cache_events_total",
    "Look-ups in the tile cache: hit, miss, or error where the cache gave no answer. "
    "shared: misses that took the answer of another request's query.",
    ["event"],
    registry=_REGISTRY,
)
# The children are looked up once: `labels` costs more than the count.
CACHE_HITS = _cache_events.labels("hit")
CACHE_MISSES = _cache_events.labels("miss")
CACHE_ERRORS = _cache_events.labels("error")
CACHE_SHARED = _cache_events.labels("shared")

CACHE_FAILURES = Counter(
    "flagstone_cache_failures_total",
    "Operations that the cache's backend refused or did not answer, and values in it that could not be read.",
    registry=_REGISTRY,
)
CACHE_BYTES = Gauge(
    "flagstone_cache_bytes",
    "Bytes in the memory caches of all workers, keys and overhead counted.",
    multiprocess_mode="livesum",
    registry=_REGISTRY,
)

_tiles = Counter(
    "flagstone_tiles_total",
    "Tiles served: data, empty, sampled where each cell shows one feature, or limited where a limit cut features; "
    "error where none could be made.",
    ["outcome"],
    registry=_REGISTRY,
)
TILES_WITH_DATA = _tiles.labels("data")
TILES_EMPTY = _tiles.labels("empty")
TILES_SAMPLED = _tiles.labels("sampled")
TILES_LIMITED = _tiles.labels("limited")
TILES_FAILED = _tiles.labels("error")

TILE_QUERY_SECONDS = Histogram(
    "flagstone_tile_query_seconds",
    "Time of a tile's query, from borrowing the connection to its last byte.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    registry=_REGISTRY,
)
PARTS_MISSING = Counter(
    "flagstone_tile_parts_missing_total",
    "Layers that failed or took too long and were left out of a composite tile.",
    registry=_REGISTRY,
)
POOL_REFUSALS = Counter(
    "flagstone_pool_refusals_total",
    "Requests for which no database connection became free in time.",
    registry=_REGISTRY,
)


def exposition() -> tuple[bytes, str]:
    """All series in Prometheus' text format, of all workers where they count in files; and the content type."""
    registry = _REGISTRY
    if _is_multiprocess():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library types only a part of itself
    return generate_latest(registry), CONTENT_TYPE_LATEST


def forget_worker(pid: int) -> None:
    """Drop the gauges of a worker that ended; for gunicorn's `child_exit`. Its counters keep counting in the sums."""
    if _is_multiprocess():
        mark_process_dead(pid)  # type: ignore[no-untyped-call]  # as above


def _is_multiprocess() -> bool:
    return values.ValueClass is not values.MutexValue
