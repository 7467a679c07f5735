"""No answer is older than is allowed, whatever fails: a short run of what scripts/bench --fresh does for ten minutes."""

from collections.abc import Iterator

import pytest

from bench.fresh import never_wrong, options
from bench.fresh.ledger import Ledger, Point
from bench.stand import Stand

INSIDE, OUTSIDE = (1.0, 1.0), (9.0, 9.0)


def in_tile(_: int, at: Point) -> bool:
    return at == INSIDE


def ledger(*states: tuple[int, Point, float, float]) -> Ledger:
    made = Ledger()
    for counter, at, begun, done in states:
        made.begin(1, counter, at, begun).done = done
    return made


TWICE = ledger((0, INSIDE, 0.0, 0.1), (1, INSIDE, 10.0, 10.1))


@pytest.mark.parametrize(
    ("asked", "counter", "is_right"),
    [
        (9.0, 0, True), (9.0, 1, False), (11.0, 0, True), (11.0, 1, True),
        # The first state ended at 10.1: a second later nobody may show it.
        (11.05, 0, True), (11.15, 0, False), (60.0, 0, False), (60.0, 1, True), (60.0, 2, False),
    ],
)  # fmt: skip
def test_a_counter_is_right_from_its_commit_until_its_end_and_the_allowed_age(
    asked: float, counter: int, is_right: bool
) -> None:
    verdict = TWICE.judge({1: counter}, in_tile, asked, asked + 0.01, 1.0)
    assert (verdict.wrong == ()) is is_right


def test_an_answer_on_the_way_during_the_commit_may_show_either() -> None:
    for counter in (0, 1):
        assert TWICE.judge({1: counter}, in_tile, 9.9, 10.05, 0.0).wrong == ()


def test_a_feature_that_must_be_there_and_is_not_is_wrong() -> None:
    assert TWICE.judge({}, in_tile, 20.0, 20.1, 1.0).wrong[0].shown is None


def test_a_feature_that_was_elsewhere_a_moment_ago_may_be_missing_but_not_for_long() -> None:
    moved = ledger((0, OUTSIDE, 0.0, 0.1), (1, INSIDE, 10.0, 10.1))
    assert moved.judge({}, in_tile, 11.0, 11.01, 1.0).wrong == ()
    assert moved.judge({}, in_tile, 11.2, 11.21, 1.0).wrong


def test_a_feature_that_left_the_tile_may_not_be_shown_for_long() -> None:
    moved = ledger((0, INSIDE, 0.0, 0.1), (1, OUTSIDE, 10.0, 10.1))
    assert moved.judge({1: 0}, in_tile, 11.0, 11.01, 1.0).wrong == ()
    assert moved.judge({1: 0}, in_tile, 12.0, 12.01, 1.0).wrong
    assert moved.judge({}, in_tile, 12.0, 12.01, 1.0).wrong == ()


def test_a_feature_that_nobody_made_is_wrong() -> None:
    assert TWICE.judge({1: 1, 7: 0}, in_tile, 20.0, 20.1, 1.0).wrong[0].feature == 7


def test_the_age_of_what_is_shown_is_told() -> None:
    assert TWICE.judge({1: 0}, in_tile, 10.6, 10.7, 1.0).age_s == pytest.approx(0.5)
    assert TWICE.judge({1: 1}, in_tile, 10.6, 10.7, 1.0).age_s == 0


def test_no_counter_comes_twice() -> None:
    with pytest.raises(ValueError, match="already"):
        ledger((0, INSIDE, 0.0, 0.1), (1, INSIDE, 1.0, 1.1), (1, INSIDE, 2.0, 2.1))


def test_ten_minutes_are_the_default_and_nonsense_is_refused() -> None:
    assert options.read(["--fresh"]).minutes == 10
    assert options.read(["--fresh", "--only", "writers", "--only", "delay"]).parts == ("delay", "writers")
    for minutes in ("0", "-1", "nan", "1e9"):
        with pytest.raises(SystemExit):
            options.read(["--fresh", "--minutes", minutes])


@pytest.fixture
def stand(server_dsn: str, redis_url: str) -> Iterator[Stand]:  # the Redis only says whether there is one
    with Stand(server_dsn) as made:
        yield made


def test_twenty_seconds_of_writing_reading_and_breaking_show_nothing_too_old(stand: Stand) -> None:
    with never_wrong.scene(stand, seed=1) as scene:
        found = never_wrong.run(scene, 20)
    assert not found.failures
    assert not found.violations, "\n".join(map(str, found.violations))
    assert found.answers > 100
    assert found.commits > 20
    assert len(found.troubles) >= 2


def test_a_cache_that_does_not_follow_is_found_out(stand: Stand) -> None:
    """The measurement itself: where nothing tells of changes, and tiles are kept for a minute, it must see old ones."""
    with never_wrong.scene(stand, seed=1, FLAGSTONE_CHANGES_POLL_MS="0", FLAGSTONE_CACHE_TTL_S="60") as scene:
        found = never_wrong.run(scene, 6, trouble=())
    assert found.wrongs > 10
    assert "beyond what is allowed" in "\n".join(map(str, found.violations))
