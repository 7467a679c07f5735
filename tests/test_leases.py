"""Of all workers one makes a tile: each `Leases` here is a worker of its own."""

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from app.caching.leases import Leases
from app.errors import BadParameter, TileTimeout, Unavailable
from tests.servers.redis import RedisServer


class Shelf:
    """Where finished tiles lie. Making one takes until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.tile: str | None = None
        self.began = threading.Event()
        self.let_go = threading.Event()
        self.error: Exception | None = None

    def make(self) -> str:
        self.runs += 1
        self.began.set()
        assert self.let_go.wait(20)
        if self.error is not None:
            raise self.error
        self.tile = f"tile {self.runs}"
        return self.tile

    def look(self) -> str | None:
        return self.tile


@pytest.fixture
def worker(redis_url: str, request: pytest.FixtureRequest) -> Callable[[], Leases]:
    prefix = re.sub(r"\W", "_", request.node.name)
    return lambda: Leases(redis.Redis.from_url(redis_url), prefix, wait_s=30)


def test_equal_misses_of_many_workers_are_made_once(worker: Callable[[], Leases]) -> None:
    shelf = Shelf()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(worker().do, "a", shelf.make, shelf.look) for _ in range(8)]
        assert shelf.began.wait(10)
        time.sleep(0.2)
        shelf.let_go.set()
        assert {answer.result(20) for answer in answers} == {"tile 1"}
    assert shelf.runs == 1


def test_different_tiles_do_not_wait_for_each_other(worker: Callable[[], Leases]) -> None:
    slow = Shelf()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(worker().do, "slow", slow.make, slow.look)
        assert slow.began.wait(10)
        assert worker().do("quick", lambda: "made", lambda: None) == "made"
        slow.let_go.set()
        assert answer.result(20) == "tile 1"


def test_a_tile_that_takes_longer_than_a_lease_lives_is_still_made_once(worker: Callable[[], Leases]) -> None:
    shelf = Shelf()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(worker().do, "a", shelf.make, shelf.look) for _ in range(2)]
        assert shelf.began.wait(10)
        time.sleep(2.6)
        shelf.let_go.set()
        assert {answer.result(20) for answer in answers} == {"tile 1"}
    assert shelf.runs == 1


def test_a_lease_ends_soon_after_its_owner(worker: Callable[[], Leases], redis_url: str) -> None:
    """A worker that was killed renews nothing."""
    leases = worker()
    client = redis.Redis.from_url(redis_url)
    client.set(leases._lease("a"), "of the dead", px=2000)
    begun = time.monotonic()
    assert leases.do("a", lambda: "made", lambda: None) == "made"
    assert 1 < time.monotonic() - begun < 10


def test_a_tile_that_took_too_long_is_not_tried_by_all_who_waited(worker: Callable[[], Leases]) -> None:
    shelf = Shelf()
    shelf.error = TileTimeout("too long")
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(worker().do, "a", shelf.make, shelf.look) for _ in range(4)]
        assert shelf.began.wait(10)
        time.sleep(0.2)
        shelf.let_go.set()
        errors = [answer.exception(20) for answer in answers]
    assert shelf.runs == 1
    assert sorted(type(error).__name__ for error in errors) == ["TileTimeout", "Unavailable", "Unavailable", "Unavailable"]
    with pytest.raises(Unavailable):
        worker().do("a", shelf.make, shelf.look)


def test_what_is_wrong_with_one_request_hinders_no_other(worker: Callable[[], Leases]) -> None:
    def refused() -> str:
        raise BadParameter("limit", "no number")

    with pytest.raises(BadParameter):
        worker().do("a", refused, lambda: None)
    assert worker().do("a", lambda: "made", lambda: None) == "made"


def test_nobody_waits_longer_than_a_tile_may_take(redis_url: str, request: pytest.FixtureRequest) -> None:
    client = redis.Redis.from_url(redis_url)
    leases = Leases(client, request.node.name, wait_s=0.1)
    client.set(leases._lease("a"), "somebody", px=20_000)
    begun = time.monotonic()
    assert leases.do("a", lambda: "made", lambda: None) == "made"
    assert time.monotonic() - begun < 5


def test_without_redis_everybody_makes_tiles(redis_server: RedisServer) -> None:
    redis_server.stop()
    leases = Leases(redis.Redis.from_url(redis_server.url), "", wait_s=10)
    assert leases.do("a", lambda: "made", lambda: None) == "made"


def test_redis_that_goes_while_a_tile_is_made_costs_nobody_the_tile(redis_server: RedisServer) -> None:
    leases = Leases(redis.Redis.from_url(redis_server.url), "", wait_s=10)

    def make() -> str:
        redis_server.stop()
        return "made"

    assert leases.do("a", make, lambda: None) == "made"
