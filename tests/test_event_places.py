"""Where a change is told to be: never less than what makes tiles old, and never long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.events.places import MOST_BOXES, joined, places
from app.layers.bounds import Bounds
from app.layers.grids import Grids
from app.layers.regions import touched

GRID = Grids().get("WebMercatorQuad")
BUFFER = 0.125


@st.composite
def boxes(draw: st.DrawFn) -> Bounds:
    x, y = draw(st.floats(-200, 200)), draw(st.floats(-89, 89))
    size = draw(st.sampled_from([0.0, 0.001, 0.5, 20.0]))
    return Bounds(x, y, x + size, min(y + size, 90.0))


@given(st.lists(boxes(), min_size=1, max_size=5))
def test_every_tile_that_a_change_makes_old_is_told(some: list[Bounds]) -> None:
    told = places(GRID, some, BUFFER)
    cells = touched(some, BUFFER)
    if told is None or cells is None:
        return
    for z, x, y, is_whole in cells:
        found = [each for each in told.tiles if each.z == z]
        if not is_whole:
            assert any(
                each.first_x <= x <= each.last_x and each.first_y <= y <= each.last_y for each in found
            ), (z, x, y)


@given(st.lists(boxes(), min_size=1, max_size=300))
def test_many_boxes_become_few_that_cover_them(some: list[Bounds]) -> None:
    few = joined(some, MOST_BOXES)
    assert len(few) <= MOST_BOXES
    for box in some:
        assert any(
            one.xmin <= box.xmin and one.ymin <= box.ymin and box.xmax <= one.xmax and box.ymax <= one.ymax
            for one in few
        )


def test_a_coordinate_that_is_no_number_may_be_anywhere() -> None:
    assert places(GRID, [Bounds(float("nan"), 0, 1, 1)], BUFFER) is None
    assert places(GRID, [Bounds(0, 0, float("inf"), 1)], BUFFER) is None
