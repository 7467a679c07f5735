"""Which statements a tile takes to get within its limit and budget, without a database."""

from __future__ import annotations

import random

import pytest

from app.errors import TileTimeout
from app.layers.how import How
from app.repository.bounded_tiles import Attempt, Bounded, LimitedZooms, within_bounds


class Crowd:
    """A layer of `rows` equal rows of so many bytes that do not compress; wider cells leave a quarter of the features."""

    def __init__(self, rows: int, each: int, *, cells_of_eight: int) -> None:
        self.rows, self.each, self.cells = rows, each, cells_of_eight
        self.asked: list[tuple[int, int]] = []

    def whole(self, limit: int) -> Attempt:
        self.asked.append((0, limit))
        return self._made(limit, min(self.rows, limit + 1), 0)

    def select(self, pixels: int, limit: int, needed: bool) -> Attempt:
        self.asked.append((pixels, limit))
        if not needed and self.rows <= limit:
            return Attempt(b"", limit, -1, pixels)
        return self._made(limit, max(1, min(self.rows, self.cells * 64 // pixels**2)), pixels)

    def _made(self, limit: int, offered: int, pixels: int) -> Attempt:
        return Attempt(random.Random(1).randbytes(min(offered, limit) * self.each), limit, offered, pixels)

    def tile(self, limit: int, budget: int, *, by_cells: bool = True, limited_first: bool = False) -> Bounded:
        return within_bounds(
            limit,
            budget,
            whole=self.whole,
            select=self.select,
            by_cells=by_cells,
            limited_first=limited_first,
        )


@pytest.mark.parametrize(
    ("crowd", "limit", "budget", "how", "asked"),
    [
        (Crowd(100, 10, cells_of_eight=50), 100, 0, How.FULL, [(0, 100)]),
        (Crowd(100, 10, cells_of_eight=50), 100, 2000, How.FULL, [(0, 100)]),
        (Crowd(101, 10, cells_of_eight=50), 100, 2000, How.SAMPLED, [(0, 100), (8, 100)]),
        (Crowd(9000, 10, cells_of_eight=4096), 2000, 0, How.SAMPLED, [(0, 2000), (8, 2000), (16, 2000)]),
        # 36 times the budget: cells of 8 and 16 pixels cannot be enough.
        (Crowd(9000, 100, cells_of_eight=4096), 10_000, 25_000, How.SAMPLED, [(0, 10_000), (32, 10_000), (64, 10_000)]),
        (Crowd(9000, 100, cells_of_eight=4096), 10, 0, How.LIMITED, [(0, 10), (8, 10), (16, 10), (32, 10), (64, 10)]),
    ],
)  # fmt: skip
def test_cells_are_as_small_as_limit_and_budget_allow(
    crowd: Crowd, limit: int, budget: int, how: How, asked: list[tuple[int, int]]
) -> None:
    assert crowd.tile(limit, budget).how is how
    assert crowd.asked == asked


def test_where_cells_are_not_enough_fewer_features_stay_and_one_always_does() -> None:
    crowd = Crowd(500, 1000, cells_of_eight=10**6)
    made = crowd.tile(1000, 9_000)
    assert made.how is How.LIMITED
    assert 5 <= len(made.raw) / 1000 <= 9
    huge = Crowd(5, 100_000, cells_of_eight=10**6).tile(1000, 9_000)
    assert (huge.how, len(huge.raw)) == (How.LIMITED, 100_000)


def test_the_first_features_of_a_limited_request_are_never_chosen_by_cells() -> None:
    crowd = Crowd(500, 100, cells_of_eight=5)
    assert crowd.tile(50, 2_000, by_cells=False, limited_first=True).how is How.LIMITED
    assert {pixels for pixels, _ in crowd.asked} == {0}


@pytest.mark.parametrize("rows", [80, 100, 101, 5000])
def test_what_is_asked_first_changes_no_tile(rows: int) -> None:
    one, other = (Crowd(rows, 10, cells_of_eight=60) for _ in range(2))
    plain, known = one.tile(100, 5000), other.tile(100, 5000, limited_first=True)
    assert (plain.raw, plain.how, plain.met_the_limit) == (known.raw, known.how, known.met_the_limit)
    assert len(other.asked) == (1 if rows > 100 else 2)


def test_the_weight_of_rows_that_no_cell_chose_does_not_decide_the_cells() -> None:
    """The first 100 rows weigh five times the budget; the ten that stand for their cells fit into it."""
    one, other = (Crowd(5000, 1000, cells_of_eight=10) for _ in range(2))
    plain, known = one.tile(100, 20_000), other.tile(100, 20_000, limited_first=True)
    assert (plain.raw, plain.how, len(plain.raw)) == (known.raw, known.how, 10_000)


@pytest.mark.parametrize("limited_first", [False, True])
def test_without_time_for_cells_the_first_features_are_shown(limited_first: bool) -> None:
    class Slow(Crowd):
        def select(self, pixels: int, limit: int, needed: bool) -> Attempt:
            raise TileTimeout("10 s")

    crowd = Slow(101, 10, cells_of_eight=5)
    made = crowd.tile(100, 5000, limited_first=limited_first)
    assert (made.how, len(made.raw), made.too_slow, made.met_the_limit) == (How.LIMITED, 1000, True, True)
    assert crowd.asked == [(0, 100)]
    assert Slow(99, 10, cells_of_eight=5).tile(100, 5000, limited_first=limited_first).how is How.FULL
    zooms = LimitedZooms()
    assert not zooms.is_slow("a")
    zooms.learn_slow("a")
    assert zooms.is_slow("a")


def test_without_time_for_cells_the_budget_holds_too() -> None:
    class Slow(Crowd):
        def select(self, pixels: int, limit: int, needed: bool) -> Attempt:
            raise TileTimeout("10 s")

    made = Slow(90, 100, cells_of_eight=5).tile(100, 2000)
    assert (made.how, made.too_slow) == (How.LIMITED, True)
    assert 0 < len(made.raw) <= 2000


def test_zooms_are_forgotten_when_they_are_no_longer_crowded_and_the_oldest_of_too_many() -> None:
    zooms = LimitedZooms()
    zooms.learn("a", limited=True)
    assert "a" in zooms
    zooms.learn("a", limited=False)
    assert "a" not in zooms
    for number in range(20_001):
        zooms.learn(number, limited=True)
    assert 0 not in zooms
    assert 20_000 in zooms
