import logging
import threading

import pytest

from app.caching.entry import Entry
from app.caching.memory import MemoryCache
from app.caching.tile_cache import TileCache
from app.layers.how import How
from app.metrics import CACHE_ERRORS, CACHE_FAILURES, CACHE_HITS, CACHE_MISSES

ENTRY = Entry.of(b"a tile" * 100, how=How.LIMITED, made_at=1.5, version="")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Broken(MemoryCache):
    """A store of which reading or writing can be broken, and that counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__(1_000_000)
        self.reads_fail = self.writes_fail = False
        self.asked = 0

    def get(self, key: str) -> bytes | None:
        self.asked += 1
        if self.reads_fail:
            raise ConnectionError("gone\nand a second line")
        return super().get(key)

    def set(self, key: str, value: object, timeout: object = None) -> bool:
        self.asked += 1
        if self.writes_fail:
            raise RuntimeError("OOM command not allowed")
        return super().set(key, value, 60)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Broken:
    return Broken()


@pytest.fixture
def cache(store: Broken, clock: Clock) -> TileCache:
    return TileCache(store, max_bytes=1_000, clock=clock)


def counts() -> list[float]:
    return [series._value.get() for series in (CACHE_HITS, CACHE_MISSES, CACHE_ERRORS, CACHE_FAILURES)]


def test_gives_back_what_was_put_and_counts(cache: TileCache) -> None:
    before = counts()
    assert cache.get("a") is None
    cache.put("a", ENTRY, 60)
    assert cache.get("a") == ENTRY
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 1, 0, 0]


def test_zero_seconds_and_too_large_tiles_are_not_put(cache: TileCache, store: Broken) -> None:
    cache.put("a", ENTRY, 0)
    cache.put("a", Entry(bytes(1_001), "ab" * 16, 1.0, "", How.FULL), 60)
    assert store.asked == 0
    cache.put("a", Entry(bytes(1_000), "ab" * 16, 1.0, "", How.FULL), 60)
    assert cache.get("a") is not None


def test_entry_that_is_too_old_is_a_miss(cache: TileCache) -> None:
    cache.put("a", ENTRY, 60)
    before = counts()
    assert cache.get("a", made_after=1.4) == ENTRY
    assert cache.get("a", made_after=1.5) is None
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [1, 1, 0, 0]


@pytest.mark.parametrize("value", [b"", b"garbage", ENTRY.framed()[:-1]])
def test_value_that_is_no_tile_is_a_miss(cache: TileCache, store: Broken, value: bytes) -> None:
    store.set("a", value)
    before = counts()
    assert cache.get("a") is None
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [0, 0, 1, 1]
    cache.put("a", ENTRY, 60)
    assert cache.get("a") == ENTRY


def test_failing_reads_are_misses_and_pause_the_store(cache: TileCache, store: Broken, clock: Clock) -> None:
    cache.put("a", ENTRY, 60)
    store.reads_fail, store.asked = True, 0
    before = counts()
    for _ in range(100):
        assert cache.get("a") is None
        cache.put("b", ENTRY, 60)
    assert store.asked == 1
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [0, 0, 100, 1]

    clock.now += 1.0
    assert cache.get("a") is None
    assert store.asked == 2, "tried again by itself, by one"

    store.reads_fail = False
    assert cache.get("a") is None, "the pause after the failed try"
    clock.now += 1.0
    assert cache.get("a") == ENTRY
    cache.put("b", ENTRY, 60)
    assert cache.get("b") == ENTRY


def test_failing_writes_leave_reads_alone(cache: TileCache, store: Broken, clock: Clock) -> None:
    cache.put("a", ENTRY, 60)
    store.writes_fail, store.asked = True, 0
    for _ in range(10):
        cache.put("b", ENTRY, 60)
    assert store.asked == 1
    assert cache.get("a") == ENTRY
    store.writes_fail = False
    clock.now += 1.0
    cache.put("b", ENTRY, 60)
    assert cache.get("b") == ENTRY


def test_one_warning_a_minute(
    cache: TileCache, store: Broken, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store.reads_fail = True
    with caplog.at_level(logging.WARNING):
        for _ in range(590):  # 59 seconds
            cache.get("a")
            clock.now += 0.1
        assert len(caplog.records) == 1
        clock.now += 1.1
        cache.get("a")
    assert [record.getMessage() for record in caplog.records] == [
        "the tile cache cannot be read, tiles are made without it: ConnectionError: gone"
    ] * 2


def test_only_one_thread_tries_a_store_that_hangs(clock: Clock) -> None:
    hanging, let_go = threading.Event(), threading.Event()

    class Hanging(Broken):
        def get(self, key: str) -> bytes | None:
            self.asked += 1
            hanging.set()
            assert let_go.wait(10)
            raise TimeoutError

    store = Hanging()
    cache = TileCache(store, max_bytes=1_000, clock=clock)
    let_go.set()
    cache.get("a")
    let_go.clear()
    hanging.clear()
    clock.now += 1.0
    first = threading.Thread(target=cache.get, args=["a"])
    first.start()
    assert hanging.wait(10)
    for _ in range(10):
        assert cache.get("a") is None
    assert store.asked == 2
    let_go.set()
    first.join()
