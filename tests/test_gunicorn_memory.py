"""A worker's threads share one heap, so that none keeps what its largest answer took."""

import platform
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.conftest import Serve

_MAPPED = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (....)")
_HEAP_BYTES = 64 << 20
"""Addresses that glibc sets aside for the heap of a thread, from a multiple of as many: a part to use, and the rest."""


def heaps_of_threads(pid: int) -> int:
    """How many there are beside the one of the process."""
    parts = [
        (int(found[1], 16), int(found[2], 16), found[3])
        for found in _MAPPED.finditer(Path(f"/proc/{pid}/maps").read_text())
    ]
    return sum(
        used == "rw-p" and rest == "---p" and start % _HEAP_BYTES == 0 and end == begin and last - start == _HEAP_BYTES
        for (start, end, used), (begin, last, rest) in pairwise(parts)
    )


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_threads_share_a_heap(serve: Serve, sample_database: str) -> None:
    running = serve(DATABASE_URL=sample_database, WEB_CONCURRENCY="1")

    def read(_number: int) -> int:
        with urllib.request.urlopen(f"{running.url}/tables.json", timeout=20) as answer:
            return len(answer.read())

    with ThreadPoolExecutor(8) as readers:
        assert min(readers.map(read, range(40))) > 1000
    [worker] = psutil.Process(running.process.pid).children()
    assert worker.num_threads() > 4
    assert heaps_of_threads(worker.pid) == 0
