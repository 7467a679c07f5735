import os
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from app import metrics

CHECKOUT = Path(__file__).parent.parent

# Two workers that count and end, one of them in order; the third process reads.
WORKERS = """
import os, sys
from app import metrics

def worker(end):
    pid = os.fork()
    if pid == 0:
        metrics.CACHE_HITS.inc(2)
        metrics.CACHE_BYTES.set(1000)
        metrics.TILE_QUERY_SECONDS.observe(0.02)
        os._exit(0)
    os.waitpid(pid, 0)
    if end:
        metrics.forget_worker(pid)

worker(end=False)
worker(end=True)
body, kind = metrics.exposition()
sys.stdout.buffer.write(body)
"""


def samples(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_exposition_lists_every_series_and_nobody_elses() -> None:
    body, content_type = metrics.exposition()
    found = samples(body.decode())
    assert content_type.startswith("text/plain; version=")
    assert all(name.startswith("flagstone_") for name in found)
    for event in ("hit", "miss", "error", "shared"):
        assert f"flagstone_cache_events_total{{event={event}}}" in found
    for outcome in ("data", "empty", "sampled", "limited", "error"):
        assert f"flagstone_tiles_total{{outcome={outcome}}}" in found
    for name in ("cache_failures_total", "cache_bytes", "tile_query_seconds_count", "pool_refusals_total"):
        assert f"flagstone_{name}" in found


def test_workers_are_added_up(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WORKERS], cwd=CHECKOUT, env=environment, capture_output=True, check=True, text=True
    )
    found = samples(done.stdout)
    assert found["flagstone_cache_events_total{event=hit}"] == 4
    assert found["flagstone_tile_query_seconds_count"] == 2
    assert found["flagstone_cache_bytes"] == 1000, "the gauge of the worker that ended is gone"
