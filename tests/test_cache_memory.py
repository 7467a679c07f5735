import random
import threading
import time

import pytest
from flask import Flask
from flask_caching import Cache

from app.caching.config import cache_config
from app.caching.memory import MemoryCache
from app.metrics import CACHE_BYTES
from app.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_flask_caching_makes_it_with_the_bound_of_the_settings() -> None:
    backend: object = Cache(Flask(__name__), config=cache_config(Settings.of(FLAGSTONE_CACHE_MEMORY_MB=3))).cache
    assert isinstance(backend, MemoryCache)
    assert backend.max_bytes == 3_000_000


def test_gives_back_what_was_set() -> None:
    cache = MemoryCache(10_000)
    assert cache.get("a") is None
    assert cache.set("a", b"1", 60) is True
    assert (cache.get("a"), cache.has("a"), cache.has("b")) == (b"1", True, False)
    assert cache.set("a", b"2", 60) is True
    assert cache.get("a") == b"2"
    assert (cache.add("a", b"3", 60), cache.add("c", b"3", 60)) == (False, True)
    assert (cache.delete("a"), cache.delete("a"), cache.get("a")) == (True, False, None)
    cache.clear()
    assert (cache.get("c"), cache.size) == (None, 0)


@pytest.mark.parametrize("value", ["text", 1, None, bytearray(b"x"), {"a": 1}])
def test_only_bytes_are_taken(value: object) -> None:
    with pytest.raises(TypeError, match="holds bytes"):
        MemoryCache(10_000).set("a", value, 60)


def test_bytes_are_bounded_whatever_is_set() -> None:
    draw = random.Random(20260601)
    cache = MemoryCache(100_000)
    for _ in range(20_000):
        cache.set(f"key {draw.randrange(500)}", bytes(draw.choice((0, 60, 5_000, 60_000))), 60)
        if draw.random() < 0.1:
            cache.delete(f"key {draw.randrange(500)}")
        assert cache.size <= 100_000
    for number in range(500):
        cache.delete(f"key {number}")
    assert cache.size == 0


def test_small_entries_count_their_overhead() -> None:
    cache = MemoryCache(100_000)
    for number in range(10_000):
        cache.set(str(number), b"", 60)
    assert sum(cache.has(str(number)) for number in range(10_000)) < 400


def test_least_recently_used_goes_first() -> None:
    cache = MemoryCache(5_000)
    for key in "abcd":
        cache.set(key, bytes(900), 60)
    assert cache.get("a") is not None
    cache.set("e", bytes(900), 60)
    assert [key for key in "abcde" if cache.has(key)] == ["a", "c", "d", "e"]


def test_item_above_the_bound_is_not_kept_and_puts_nothing_out() -> None:
    cache = MemoryCache(5_000)
    cache.set("a", bytes(900), 60)
    cache.set("b", bytes(900), 60)
    assert cache.set("big", bytes(5_000), 60) is False
    assert (cache.has("a"), cache.has("b"), cache.has("big")) == (True, True, False)
    # The old value of the key is no longer true, so it goes although the new one finds no room.
    assert cache.set("a", bytes(5_000), 60) is False
    assert (cache.has("a"), cache.has("b")) == (False, True)


def test_entries_expire() -> None:
    clock = Clock()
    cache = MemoryCache(10_000, default_timeout=5, clock=clock)
    cache.set("a", b"1", 10)
    cache.set("default", b"1")
    cache.set("for ever", b"1", 0)
    clock.now += 9.9
    assert (cache.get("a"), cache.get("default")) == (b"1", None)
    clock.now += 0.1
    assert cache.get("a") is None
    assert cache.get("for ever") == b"1"
    assert cache.add("a", b"2", 10) is True


def test_threads_do_not_disturb_the_books() -> None:
    cache = MemoryCache(50_000)

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(5_000):
            key = f"key {draw.randrange(50)}"
            value = cache.get(key)
            assert value is None or set(value) <= {len(value) % 251}
            size = draw.randrange(4_000)
            cache.set(key, bytes([size % 251]) * size, 60)
            if draw.random() < 0.2:
                cache.delete(key)

    threads = [threading.Thread(target=work, args=[seed]) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 <= cache.size <= 50_000
    for number in range(50):
        cache.delete(f"key {number}")
    assert cache.size == 0


def test_an_insert_takes_no_longer_in_a_full_cache() -> None:
    def seconds(cache: MemoryCache) -> float:
        times = []
        for number in range(2_000):
            begun = time.perf_counter()
            cache.set(f"new {number}", b"", 60)
            times.append(time.perf_counter() - begun)
        return sorted(times)[1_000]

    full = MemoryCache(16_000_000)
    for number in range(60_000):
        full.set(f"old {number}", b"", 60)
    assert seconds(full) < 10 * seconds(MemoryCache(16_000_000)) + 20e-6


def test_gauge_shows_the_bytes_of_all_caches_of_the_process() -> None:
    before = CACHE_BYTES._value.get()
    one, other = MemoryCache(10_000), MemoryCache(10_000)
    one.set("a", bytes(1_000), 60)
    other.set("a", bytes(2_000), 60)
    assert CACHE_BYTES._value.get() - before == one.size + other.size > 3_000
    one.clear()
    other.clear()
    assert CACHE_BYTES._value.get() == before
