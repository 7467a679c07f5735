import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.caching.single_flight import SingleFlight
from app.errors import BadParameter, NotFound, TileTimeout, Unavailable


class Query:
    """A computation that takes until it is let go, and counts how often it ran."""

    def __init__(self, result: Callable[[], str] = lambda: "tile") -> None:
        self.runs = 0
        self.began = threading.Event()
        self.let_go = threading.Event()
        self._result = result

    def __call__(self) -> str:
        self.runs += 1
        self.began.set()
        assert self.let_go.wait(10)
        return self._result()


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


def joined(flight: SingleFlight, pool: ThreadPoolExecutor, query: Query, waiters: int) -> list[Future[str]]:
    """One that computes and so many that wait for it, all of key `a`."""
    futures = [pool.submit(flight.do, "a", query)]
    assert query.began.wait(10)
    futures += [pool.submit(flight.do, "a", query) for _ in range(waiters)]
    wait_until(lambda: flight._waiting == waiters)
    return futures


def test_equal_keys_at_the_same_time_compute_once() -> None:
    flight, query = SingleFlight(max_waiting=20, timeout_s=10), Query()
    with ThreadPoolExecutor(20) as pool:
        futures = joined(flight, pool, query, 19)
        query.let_go.set()
        assert {future.result(10) for future in futures} == {"tile"}
    assert query.runs == 1
    assert (flight._flights, flight._waiting) == ({}, 0)


def test_later_call_computes_anew() -> None:
    flight = SingleFlight(max_waiting=4, timeout_s=10)
    assert [flight.do("a", lambda: "one"), flight.do("a", lambda: "two")] == ["one", "two"]


def test_other_keys_run_undisturbed() -> None:
    flight, query = SingleFlight(max_waiting=4, timeout_s=10), Query()
    with ThreadPoolExecutor(4) as pool:
        futures = joined(flight, pool, query, 3)
        assert flight.do("b", lambda: "other") == "other"
        query.let_go.set()
        assert [future.result(10) for future in futures] == ["tile"] * 4


@pytest.mark.parametrize(
    "error", [BadParameter("limit", "too large"), NotFound("no such layer", ("near",)), OSError(5, "broken")]
)
def test_failure_reaches_everybody_who_waited_as_an_exception_of_their_own(error: Exception) -> None:
    def fail() -> str:
        raise error

    flight, query = SingleFlight(max_waiting=4, timeout_s=10), Query(fail)
    with ThreadPoolExecutor(5) as pool:
        futures = joined(flight, pool, query, 4)
        query.let_go.set()
        raised = [future.exception(10) for future in futures]
    assert query.runs == 1
    assert len({id(one) for one in raised}) == 5
    for one in raised:
        assert type(one) is type(error)
        assert (str(one), one.args, one.__dict__) == (str(error), error.args, error.__dict__)
    assert raised[0] is error
    assert "fail" in "".join(traceback.format_exception(raised[1])), "the cause leads to where it happened"
    assert flight.do("a", lambda: "again") == "again"
    assert (flight._flights, flight._waiting) == ({}, 0)


def test_end_of_the_thread_that_computes_is_not_for_those_who_wait() -> None:
    def leave() -> str:
        raise SystemExit(1)

    flight, query = SingleFlight(max_waiting=4, timeout_s=10), Query(leave)
    with ThreadPoolExecutor(2) as pool:
        leader, waiter = joined(flight, pool, query, 1)
        query.let_go.set()
        assert isinstance(leader.exception(10), SystemExit)
        assert isinstance(waiter.exception(10), Unavailable)
    assert flight._flights == {}


def test_waiting_ends_in_time() -> None:
    flight, query = SingleFlight(max_waiting=4, timeout_s=0.2), Query()
    with ThreadPoolExecutor(2) as pool:
        leader, waiter = joined(flight, pool, query, 1)
        with pytest.raises(TileTimeout):
            waiter.result(10)
        query.let_go.set()
        assert leader.result(10) == "tile"
    assert flight._waiting == 0


def test_who_comes_when_all_seats_are_taken_is_sent_away_at_once() -> None:
    flight, query = SingleFlight(max_waiting=3, timeout_s=10), Query()
    with ThreadPoolExecutor(4) as pool:
        futures = joined(flight, pool, query, 3)
        time.sleep(0.06)
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            flight.do("a", query)
        assert time.monotonic() - begun < 0.04
        query.let_go.set()
        assert [future.result(10) for future in futures] == ["tile"] * 4


def test_seats_are_counted_over_all_keys() -> None:
    flight, query, other = SingleFlight(max_waiting=2, timeout_s=10), Query(), Query()
    with ThreadPoolExecutor(4) as pool:
        futures = [*joined(flight, pool, query, 2), pool.submit(flight.do, "b", other)]
        assert other.began.wait(10)
        with pytest.raises(Unavailable):
            flight.do("b", other)
        query.let_go.set()
        other.let_go.set()
        assert [future.result(10) for future in futures] == ["tile"] * 4


def test_quick_tile_is_given_to_everybody_whatever_the_seats() -> None:
    flight = SingleFlight(max_waiting=1, timeout_s=10)
    start = threading.Barrier(16)

    def make() -> str:
        time.sleep(0.005)
        return "tile"

    def ask() -> str:
        start.wait(10)
        return flight.do("a", make)

    with ThreadPoolExecutor(16) as pool:
        assert [future.result(10) for future in [pool.submit(ask) for _ in range(16)]] == ["tile"] * 16


def test_crowd_at_a_slow_tile_leaves_threads_for_other_tiles() -> None:
    """Eight threads as in a worker, forty requests for a tile of half a second, then other tiles."""
    flight = SingleFlight(max_waiting=4, timeout_s=10)
    slow = [0]

    def make() -> str:
        slow[0] += 1
        time.sleep(0.5)
        return "slow"

    def timed(begun: float, key: str) -> float:
        flight.do(key, lambda: "quick")
        return time.monotonic() - begun

    with ThreadPoolExecutor(8) as pool:
        crowd = [pool.submit(flight.do, "slow", make) for _ in range(40)]
        others = [pool.submit(timed, time.monotonic(), f"other {number}") for number in range(50)]
        assert max(future.result(10) for future in others) < 0.25
        answers = [future.exception(10) for future in crowd]
    assert slow == [1]
    assert sum(answer is None for answer in answers) == 5
    assert all(answer is None or isinstance(answer, Unavailable) for answer in answers)


def test_almost_all_threads_may_wait_for_a_young_tile() -> None:
    flight, let_go = SingleFlight(max_waiting=1, timeout_s=20, for_a_moment=5), threading.Event()
    began = threading.Event()

    def make() -> str:
        began.set()
        assert let_go.wait(20)
        return "tile"

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(flight.do, "a", make)
        assert began.wait(10)
        others = [pool.submit(flight.do, "a", make) for _ in range(7)]
        time.sleep(0.5)
        assert sum(other.done() for other in others) == 2, "five have a place"
        time.sleep(2)
        assert sum(other.done() for other in others) == 6, "one may wait until the end"
        let_go.set()
        assert first.result(10) == "tile"
        outcomes = [type(other.exception(10)) for other in others]
    assert sorted(outcomes, key=str) == sorted([type(None), *[Unavailable] * 6], key=str)


def test_a_tile_that_took_too_long_is_left_alone_for_a_moment() -> None:
    flight = SingleFlight(max_waiting=1, timeout_s=10)

    def slow() -> str:
        raise TileTimeout("too long")

    with pytest.raises(TileTimeout):
        flight.do("a", slow)
    with pytest.raises(Unavailable):
        flight.do("a", lambda: "tile")
    assert flight.do("b", lambda: "tile") == "tile"
    time.sleep(2.1)
    assert flight.do("a", lambda: "tile") == "tile"


def test_what_took_too_long_is_left_alone_under_other_keys_of_its_subject_too() -> None:
    flight = SingleFlight(max_waiting=1, timeout_s=10)

    def slow() -> str:
        raise TileTimeout("too long")

    with pytest.raises(TileTimeout):
        flight.do("tile ? 1", slow, subject="tile")
    with pytest.raises(Unavailable):
        flight.do("tile ? 2", lambda: "made", subject="tile")
    assert flight.do("other ? 2", lambda: "made", subject="other") == "made"
