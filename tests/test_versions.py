"""Versions in memory and in Redis keep the same promises."""

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.caching.cluster_versions import ClusterVersions
from app.caching.memory_versions import MemoryVersions
from app.caching.redis_client import redis_client
from app.caching.redis_line import RedisLine
from app.caching.redis_versions import RedisVersions, form_of
from app.caching.versions import MOST_STAMPS, NOTHING, Asked, News, Versions
from app.layers.regions import Cell
from app.settings import Settings
from tests.servers.redis import RedisServer

HERE, THERE = Cell(10, 500, 300), Cell(10, 501, 300)
WHOLE = Cell(9, 250, 150, is_whole=True)
CHANGED_HERE = News(frozenset({HERE}))
Make = Callable[[], Versions]


@pytest.fixture(params=["memory", "redis", "cluster"])
def make(request: pytest.FixtureRequest) -> Make:
    """The versions of one Flagstone, each time of another worker where these are shared."""
    if request.param == "memory":
        only = MemoryVersions()
        return lambda: only
    prefix = re.sub(r"\W", "_", request.node.name)
    if request.param == "cluster":
        settings = Settings.of(**request.getfixturevalue("redis_nodes").settings)
        return lambda: ClusterVersions(redis_client(settings), prefix, lambda: "host:5432/maps")
    url = request.getfixturevalue("redis_url")
    return lambda: RedisVersions(redis.Redis.from_url(url), prefix, lambda: "host:5432/maps")


def followed(make: Make) -> Versions:
    versions = make()
    versions.apply({1: News(None), 2: News(None)}, "a@5:5:")
    versions.confirm(60)
    return versions


def test_nothing_is_believed_before_somebody_read_the_log(make: Make) -> None:
    versions = make()
    versions.apply({1: News(None)}, "a@5:5:")
    assert versions.current([Asked(1, (HERE,))]) is None


def test_a_table_without_a_stand_is_in_doubt(make: Make) -> None:
    versions = followed(make)
    assert versions.current([Asked(1, (HERE,))]) is not None
    assert versions.current([Asked(3, (HERE,))]) is None
    assert versions.current([Asked(1, (HERE,)), Asked(3, None)]) is None


def test_a_change_raises_the_regions_it_touched_and_no_others(make: Make) -> None:
    versions = followed(make)
    asked = [
        [Asked(1, (HERE,))],
        [Asked(1, (THERE,))],
        [Asked(2, (HERE,))],
        [Asked(1, None)],
        [Asked(2, None)],
    ]
    before = [versions.current(each) for each in asked]
    versions.apply({1: CHANGED_HERE}, "a@6:6:")
    after = [versions.current(each) for each in asked]
    assert [one != other for one, other in zip(before, after, strict=True)] == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_a_region_that_changed_as_a_whole_is_another_field_than_itself(make: Make) -> None:
    versions = followed(make)
    itself, below = [Asked(1, (Cell(9, 250, 150),))], [Asked(1, (HERE, WHOLE))]
    before = versions.current(itself), versions.current(below)
    versions.apply({1: News(frozenset({WHOLE}))}, "a@6:6:")
    assert versions.current(itself) == before[0]
    assert versions.current(below) != before[1]


def test_a_change_anywhere_raises_everything_of_its_table(make: Make) -> None:
    versions = followed(make)
    before = versions.current([Asked(1, (HERE,))]), versions.current([Asked(2, (HERE,))])
    versions.apply({1: News(None)}, "a@6:6:")
    assert versions.current([Asked(1, (HERE,))]) != before[0]
    assert versions.current([Asked(2, (HERE,))]) == before[1]


def test_news_without_a_region_raises_only_what_may_show_it_anywhere(make: Make) -> None:
    """A row without geometry changed."""
    versions = followed(make)
    before = versions.current([Asked(1, (HERE,))])
    anywhere = versions.current([Asked(1, None)])
    versions.apply({1: News(frozenset())}, "a@6:6:")
    assert versions.current([Asked(1, (HERE,))]) == before
    assert versions.current([Asked(1, None)]) != anywhere


def test_a_later_position_alone_makes_nothing_stale(make: Make) -> None:
    versions = followed(make)
    asked = [Asked(1, (HERE,)), Asked(2, None)]
    before = versions.current(asked)
    versions.apply({1: NOTHING, 2: NOTHING}, "a@7:7:")
    assert versions.current(asked) == before
    assert versions.positions([1]) == {1: "a@7:7:"}


def test_equal_changes_give_different_versions(make: Make) -> None:
    versions = followed(make)
    seen = set()
    for number in range(20):
        versions.apply({1: CHANGED_HERE}, f"a@{number}:{number}:")
        seen.add(versions.current([Asked(1, (HERE,))]))
    assert len(seen) == 20


def test_positions_are_those_of_the_last_news_of_each_table(make: Make) -> None:
    versions = followed(make)
    versions.apply({1: CHANGED_HERE}, "a@6:9:7,8")
    assert versions.positions([1, 2, 3]) == {1: "a@6:9:7,8", 2: "a@5:5:"}


def test_two_workers_see_the_same_versions(make: Make) -> None:
    versions = followed(make)
    assert make().current([Asked(1, (HERE, WHOLE))]) == versions.current([Asked(1, (HERE, WHOLE))])


def test_a_table_that_is_forgotten_is_in_doubt_and_comes_back_as_another_one(make: Make) -> None:
    versions = followed(make)
    before = versions.current([Asked(1, (HERE,))])
    versions.forget([1])
    assert versions.current([Asked(1, (HERE,))]) is None
    assert versions.positions([1]) == {}
    versions.apply({1: CHANGED_HERE}, "a@6:6:")
    assert versions.current([Asked(1, (HERE,))]) not in {None, before}


def test_stands_are_believed_for_as_long_as_was_said(make: Make) -> None:
    versions = followed(make)
    versions.confirm(0.05)
    until = time.monotonic() + 5
    while versions.current([Asked(1, (HERE,))]) is not None:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_was_read_too_long_ago_is_not_believed_for_a_moment(make: Make) -> None:
    versions = make()
    versions.apply({1: News(None)}, "a@5:5:")
    for seconds in (0, -3):
        versions.confirm(seconds)
        assert versions.current([Asked(1, (HERE,))]) is None


@pytest.mark.parametrize("different", [{"FLAGSTONE_MAX_BUFFER_RATIO": 0.25}, {"FLAGSTONE_DEFAULT_SRID": 2056}])
def test_who_makes_other_regions_of_a_change_has_versions_of_its_own(
    redis_url: str, request: pytest.FixtureRequest, different: dict[str, Any]
) -> None:
    """A tile with a wide buffer is older than what somebody with a narrow one knows of."""
    client, prefix = redis.Redis.from_url(redis_url), re.sub(r"\W", "_", request.node.name)
    ours, theirs = (
        RedisVersions(client, prefix, lambda: "host:5432/maps", form_of(Settings.of(DATABASE_URL="postgresql:///maps", **each)))
        for each in ({}, different)
    )
    ours.apply({1: News(None)}, "a@5:5:")
    assert ours.confirm(60)
    assert ours.current([Asked(1, (HERE,))]) is not None
    assert theirs.current([Asked(1, (HERE,))]) is None
    assert theirs.positions([1]) == {}


def test_more_regions_than_are_kept_begin_a_new_epoch(make: Make) -> None:
    versions = followed(make)
    before = versions.current([Asked(1, (THERE,))])
    for start in range(0, MOST_STAMPS + 1, 20_000):
        cells = frozenset(Cell(16, start + x, 7) for x in range(20_000))
        versions.apply({1: News(cells)}, "a@6:6:")
    assert versions.current([Asked(1, (THERE,))]) not in {None, before}


@pytest.fixture
def shared(redis_url: str, request: pytest.FixtureRequest) -> tuple[RedisVersions, redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    versions = RedisVersions(client, re.sub(r"\W", "_", request.node.name), lambda: "host:5432/maps")
    versions.apply({1: News(None)}, "a@5:5:")
    versions.confirm(60)
    return versions, client


def test_an_emptied_redis_leaves_nobody_a_current_tile(shared: tuple[RedisVersions, redis.Redis]) -> None:
    versions, client = shared
    before = versions.current([Asked(1, (HERE,))])
    client.flushdb()
    assert versions.current([Asked(1, (HERE,))]) is None
    assert versions.confirm(60) is False
    assert versions.positions([1]) == {}
    versions.apply({1: News(frozenset())}, "a@6:6:")
    assert versions.confirm(60) is True
    assert versions.current([Asked(1, (HERE,))]) not in {None, before}


def test_a_redis_that_comes_back_as_it_was_takes_nothing_before_its_positions_are_read(
    shared: tuple[RedisVersions, redis.Redis],
) -> None:
    """From a dump, or a replica that had lagged. The one who reads the log goes on from where it is itself."""
    versions, client = shared
    then = {key: client.dump(key) or b"" for key in client.scan_iter("test_a_redis_that*")}
    before = versions.current([Asked(1, (HERE,))])
    versions.apply({1: CHANGED_HERE}, "a@6:6:")
    versions.confirm(60)

    def comes_back() -> None:
        client.flushdb()
        for key, value in then.items():
            client.restore(key, 60_000, value)

    comes_back()
    assert versions.current([Asked(1, (HERE,))]) == before, "as long as nobody looks"
    versions.apply({1: News(frozenset())}, "a@7:7:")
    assert versions.confirm(60) is False
    assert versions.current([Asked(1, (HERE,))]) is None
    assert versions.confirm(60) is False, "until the positions were read"
    assert versions.positions([1]) == {1: "a@5:5:"}
    versions.apply({1: CHANGED_HERE}, "a@7:7:")
    comes_back()
    assert versions.confirm(60) is False, "after the positions were read too"


def test_two_who_read_the_log_do_not_disturb_each_other(shared: tuple[RedisVersions, redis.Redis]) -> None:
    versions, client = shared
    other = RedisVersions(
        client, "test_two_who_read_the_log_do_not_disturb_each_other", lambda: "host:5432/maps"
    )
    other.positions([1])
    for number in range(3):
        for each in (versions, other):
            each.apply({1: CHANGED_HERE}, f"a@{number + 6}:{number + 6}:")
            assert each.confirm(60) is True


@pytest.mark.parametrize("what", ["read", "1", "reader:*"])
def test_garbage_in_any_place_is_doubt_until_it_is_replaced(
    shared: tuple[RedisVersions, redis.Redis], what: str
) -> None:
    versions, client = shared
    [key] = list(client.scan_iter(f"test_garbage_in_any*}}:{what}"))
    client.delete(key)
    client.rpush(key, "a list")
    if not what.startswith("reader"):
        assert versions.current([Asked(1, (HERE,))]) is None
    for _ in range(2):
        try:
            versions.positions([1])
            versions.apply({1: News(frozenset())}, "a@6:6:")
            done = versions.confirm(60)
        except redis.ResponseError:
            done = False
    assert done
    assert versions.current([Asked(1, (HERE,))]) is not None


def test_a_tile_comes_with_its_version_in_one_round_trip(shared: tuple[RedisVersions, redis.Redis]) -> None:
    versions, client = shared
    asked = [Asked(1, (HERE,))]
    prefix = "test_a_tile_comes_with_its_version_in_one_round_trip"
    client.set(f"{prefix}tile", b"0123456789")
    assert versions.current_with(asked, "tile", None) == (versions.current(asked), b"0123456789", None)
    assert versions.current_with(asked, "tile", 4) == (versions.current(asked), b"0123", 10)
    assert versions.current_with(asked, "none", None) == (versions.current(asked), None, None)
    assert versions.current_with(asked, "none", 4) == (versions.current(asked), None, 0)
    assert versions.current_with([], "tile", None) == ("", b"0123456789", None)
    assert versions.current_with([Asked(9, None)], "tile", None) == (None, b"0123456789", None)


def test_connections_that_died_are_not_taken_again(redis_server: RedisServer) -> None:
    versions = RedisVersions(redis.Redis.from_url(redis_server.url), "p", lambda: "d")
    versions.apply({1: News(None)}, "a@5:5:")
    versions.confirm(60)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: versions.current([Asked(1, None)]), range(200)))
    redis_server.stop()
    redis_server.start()
    assert versions.current([Asked(1, None)]) is None, "empty, and asked"


def test_an_answer_that_came_too_late_is_nobodys(redis_server: RedisServer) -> None:
    client = redis.Redis.from_url(redis_server.url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    line = RedisLine(client)
    assert line.ask(("SET", "a", "1"), ("GET", "a")) == [b"OK", b"1"]
    os.kill(redis_server._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(redis.TimeoutError):
            line.ask(("GET", "a"))
    finally:
        os.kill(redis_server._process.pid, signal.SIGCONT)
    assert line.ask(("GET", "b")) == [None]


def test_a_redis_that_hung_does_not_believe_what_it_was_told_before(redis_server: RedisServer) -> None:
    """It does what still lies in its socket as soon as it goes on; whoever sent that has given up long ago."""
    client = redis.Redis.from_url(redis_server.url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0))
    versions = RedisVersions(client, "p", lambda: "d")
    versions.apply({1: News(None)}, "a@5:5:")
    assert versions.confirm(0.5)
    assert versions.current([Asked(1, None)]) is not None
    os.kill(redis_server._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(redis.TimeoutError):
            versions.confirm(0.5)
        time.sleep(0.6)
    finally:
        os.kill(redis_server._process.pid, signal.SIGCONT)
    assert versions.current([Asked(1, None)]) is None
    versions.positions([1])
    assert versions.confirm(60) and versions.current([Asked(1, None)]) is not None


def test_garbage_in_place_of_a_stand_is_replaced(shared: tuple[RedisVersions, redis.Redis]) -> None:
    versions, client = shared
    [key] = client.scan_iter("test_garbage_in_place*}:1")
    client.delete(key)
    client.set(key, b"\xff\x00 no hash")
    assert versions.positions([1]) == {}
    versions.apply({1: News(frozenset())}, "a@6:6:")
    assert versions.current([Asked(1, (HERE,))]) is not None
    client.hset(key, "p", b"\xff\xfe")
    assert list(versions.positions([1])) == [1]


def test_everything_in_redis_has_a_time_to_live(shared: tuple[RedisVersions, redis.Redis]) -> None:
    _, client = shared
    keys = list(client.scan_iter("test_everything*"))
    assert len(keys) == 3
    assert all(client.pttl(key) > 0 for key in keys)
