"""Many who listen to `/events`, and some who do not read: what they cost is bounded."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import followed_cities
from tests.conftest import MakeApp
from tests.servers.events import EventServer, StartEvents, Stream, open_socket, starting
from tests.test_events import CITIES, listeners, wait_until_told

MANY = 1000
MOST_KB = 64
"""Memory of one listener that is quiet."""


@pytest.fixture
def serve_events(tmp_path: Path) -> Iterator[StartEvents]:
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    return followed_cities.made(database, make_app)


def memory_kb(server: EventServer) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def scatter(dsn: str, times: int) -> None:
    """Changes whose events are long, one after the other."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for number in range(times):
            connection.execute(
                "INSERT INTO public.cities SELECT %s + i, '', ST_SetSRID(ST_MakePoint(i * 4, i), 4326)"
                " FROM generate_series(1, 40) AS i",
                [1000 * (number + 1)],
            )
            time.sleep(0.06)


def test_who_does_not_read_is_told_in_the_end_that_everything_changed(
    cities: str, serve_events: StartEvents
) -> None:
    server = serve_events(cities, FLAGSTONE_EVENTS_QUEUE=2)
    wait_until_told(server, cities)
    slow = open_socket(server, CITIES, receives=4096)
    with Stream(server.url, CITIES) as quick:
        before = memory_kb(server)
        scatter(cities, 60)
        quick.until("change")  # nobody waits for the slow one
        assert memory_kb(server) - before < 20_000
    told = b""
    latest = time.monotonic() + 15
    while b"event: all" not in told:
        assert time.monotonic() < latest
        told += slow.recv(65536)
    slow.close()
    assert 0 < told.count(b"event: change") < 60


def test_a_thousand_listeners_hear_of_one_change(cities: str, serve_events: StartEvents) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    server = serve_events(cities)
    wait_until_told(server, cities)
    crowd: list[socket.socket] = []
    try:
        before = memory_kb(server)
        crowd = [open_socket(server, CITIES) for _ in range(MANY)]
        followed_cities.wait_until(lambda: listeners(server) == MANY)
        each_kb = (memory_kb(server) - before) / MANY
        begun = time.monotonic()
        with psycopg.connect(cities, autocommit=True) as connection:
            connection.execute("INSERT INTO public.cities VALUES (7, 'Perth', 'SRID=4326;POINT(115.9 -32)')")
        seconds = heard_by_all(crowd, b"[115.9,-32.0,115.9,-32.0]") - begun
        print(f"{MANY} listeners heard after {1000 * seconds:.0f} ms, {each_kb:.0f} kB each")
        assert each_kb < MOST_KB
    finally:
        for each in crowd:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    followed_cities.wait_until(lambda: listeners(server) == 0)


def heard_by_all(crowd: list[socket.socket], what: bytes) -> float:
    """When the last one had heard it."""
    left = dict.fromkeys(crowd, b"")
    latest = time.monotonic() + 20
    with selectors.DefaultSelector() as selector:
        for each in crowd:
            selector.register(each, selectors.EVENT_READ)
        while left:
            assert time.monotonic() < latest, f"{len(left)} heard nothing"
            for key, _ in selector.select(1):
                found = key.fileobj
                assert isinstance(found, socket.socket)
                left[found] += found.recv(65536)
                if what in left[found]:
                    del left[found]
                    selector.unregister(found)
    return time.monotonic()
