"""The pool lends the connection that came back last: the others would have every statement to prepare and to plan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from app.repository.pool import Pool
from app.settings import Settings


@pytest.fixture
def pool(database: str) -> Iterator[Pool]:
    made = Pool(Settings.of(DATABASE_URL=database, FLAGSTONE_POOL_SIZE=4, FLAGSTONE_POOL_MAX_IDLE_S=1))
    yield made
    made.close()


def backend(pool: Pool) -> int:
    with pool.borrowed("a test") as connection:
        return connection.info.backend_pid


def test_one_client_stays_on_one_connection(pool: Pool) -> None:
    with ExitStack() as several:
        pids = {several.enter_context(pool.borrowed("a test")).info.backend_pid for _ in range(4)}
    assert len(pids) == 4
    assert len({backend(pool) for _ in range(12)}) == 1


def test_what_came_back_last_is_lent_first(pool: Pool) -> None:
    with pool.borrowed("a test") as one:
        with pool.borrowed("a test") as other:
            first, second = one.info.backend_pid, other.info.backend_pid
        assert backend(pool) == second
    assert backend(pool) == first != second


def test_connections_that_nobody_needs_are_closed_and_the_warm_one_stays(pool: Pool) -> None:
    with ExitStack() as several:
        for _ in range(4):
            several.enter_context(pool.borrowed("a test"))
    warm, until = backend(pool), time.monotonic() + 20
    while pool.open().get_stats()["pool_size"] > 1:
        assert time.monotonic() < until
        assert backend(pool) == warm
        time.sleep(0.1)
    assert backend(pool) == warm
