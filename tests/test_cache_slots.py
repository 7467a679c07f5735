"""Slots: a slow layer takes part of the threads, never all."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.caching.slots import Slots
from app.errors import Unavailable


def test_one_layer_takes_its_share_and_another_goes_on() -> None:
    slots = Slots(most=3, most_of_one=2)
    with slots.slot("slow"), slots.slot("slow"):
        with pytest.raises(Unavailable), slots.slot("slow"):
            pytest.fail("a third slot")
        with slots.slot("other"), pytest.raises(Unavailable), slots.slot("third"):
            pytest.fail("a fourth slot")
    with slots.slot("slow"), slots.slot("slow"):
        pass


def test_quick_tiles_wait_their_turn() -> None:
    slots = Slots(most=2, most_of_one=2)
    running = most = 0
    lock = threading.Lock()

    def make(_: int) -> None:
        nonlocal running, most
        with slots.slot("quick"):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.002)
            with lock:
                running -= 1

    with ThreadPoolExecutor(8) as threads:
        # So few that the last one's turn comes well within the grace, on a busy machine too.
        list(threads.map(make, range(8)))
    assert most == 2


def test_a_failed_tile_gives_its_slot_back() -> None:
    slots = Slots(most=1, most_of_one=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), slots.slot("layer"):
            raise ValueError("broken")
