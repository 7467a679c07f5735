import itertools

import morecantile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.layers.bounds import Bounds
from app.layers.grids import BUILT_IN, Grids
from app.layers.regions import FINEST, MOST_CELLS, Cell, above, asked, covering, touched
from app.layers.tile import Tile
from app.layers.tile_regions import regions_of

GRID = Grids(None).get("WebMercatorQuad")
BUFFER = 0.125
TMS = morecantile.tms.get("WebMercatorQuad")

longitudes, latitudes = st.floats(-180, 180), st.floats(-85, 85)
sides = st.floats(0, 1) | st.floats(0, 60) | st.just(0.0)


def box(longitude: float, latitude: float, width: float, height: float) -> Bounds:
    return Bounds(longitude, latitude, min(180.0, longitude + width), min(85.0, latitude + height))


def test_a_house_touches_at_most_four_cells_of_a_zoom() -> None:
    cells = touched([Bounds(9.5209, 47.1410, 9.5211, 47.1412)], BUFFER)
    assert cells is not None
    for zoom in range(FINEST + 1):
        assert 1 <= sum(1 for cell in cells if cell.z == zoom) <= 4
    assert not any(cell.is_whole for cell in cells)


@given(longitudes, latitudes, sides, sides, st.integers(0, 22), st.floats(0, 1), st.floats(0, 1))
def test_every_tile_that_a_box_lies_in_asks_for_a_cell_that_it_touched(
    longitude: float, latitude: float, width: float, height: float, zoom: int, right: float, up: float
) -> None:
    there = box(longitude, latitude, width, height)
    cells = touched([there], BUFFER)
    assert cells is not None and len(cells) <= MOST_CELLS
    within = TMS.tile(there.xmin + right * there.width, there.ymin + up * there.height, zoom)
    assert cells.intersection(asked([above(zoom, within.x, within.y)]))


@given(longitudes, latitudes, st.integers(0, 18), st.sampled_from([(-1, 0), (1, 0), (0, -1), (0, 1)]))
def test_a_point_near_an_edge_touches_the_tile_beyond_it(
    longitude: float, latitude: float, zoom: int, beside: tuple[int, int]
) -> None:
    cells = touched([Bounds(longitude, latitude, longitude, latitude)], BUFFER)
    assert cells is not None
    own = TMS.tile(longitude, latitude, zoom)
    other = Tile(zoom, own.x + beside[0], own.y + beside[1])
    if GRID.has(other) and _sees(other, longitude, latitude):
        assert cells.intersection(regions_of(GRID, other, BUFFER))


def _sees(tile: Tile, longitude: float, latitude: float) -> bool:
    x, y = TMS.xy(longitude, latitude)
    seen = GRID.buffered(tile, BUFFER)
    return seen.xmin <= x <= seen.xmax and seen.ymin <= y <= seen.ymax


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_tiles_of_every_grid_ask_for_few_cells_and_for_what_lies_in_them(name: str) -> None:
    grid = Grids(None).get(name)
    for zoom in sorted(grid.matrices)[::3]:
        matrix = grid.matrices[zoom]
        places = itertools.product({0, matrix.width // 2, matrix.width - 1}, {0, matrix.height // 3, matrix.height - 1})
        for x, y in places:
            cells = regions_of(grid, Tile(zoom, x, y), BUFFER)
            assert 1 <= len(cells) <= 60
            assert len(set(cells)) == len(cells)


@given(longitudes, latitudes, st.integers(0, 17))
def test_a_point_in_a_tile_of_a_geographic_grid_makes_it_stale(longitude: float, latitude: float, zoom: int) -> None:
    grid = Grids(None).get("WGS1984Quad")
    matrix = grid.matrices[zoom]
    x = min(matrix.width - 1, int((longitude - matrix.origin_x) // matrix.span_x))
    y = min(matrix.height - 1, int((matrix.origin_y - latitude) // matrix.span_y))
    cells = touched([Bounds(longitude, latitude, longitude, latitude)], BUFFER)
    assert cells is not None
    assert cells.intersection(regions_of(grid, Tile(zoom, x, y), BUFFER))


def test_a_country_touches_what_is_below_it_whole() -> None:
    cells = touched([Bounds(-5.0, 42.0, 8.0, 51.0)], BUFFER)
    assert cells is not None and len(cells) < 300
    paris, moscow = TMS.tile(2.35, 48.85, 16), TMS.tile(37.6, 55.75, 16)
    assert cells.intersection(asked([Cell(16, paris.x, paris.y)]))
    assert not cells.intersection(asked([Cell(16, moscow.x, moscow.y)]))


def test_boxes_beyond_the_edge_of_the_world_touch_the_other_side() -> None:
    cells = touched([Bounds(179.0, 10.0, 181.0, 11.0)], BUFFER)
    assert cells is not None
    west, east = TMS.tile(-179.5, 10.5, 10), TMS.tile(179.5, 10.5, 10)
    for tile in (west, east):
        assert cells.intersection(asked([Cell(10, tile.x, tile.y)]))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_box_that_is_nowhere_may_be_anywhere(value: float) -> None:
    assert touched([Bounds(value, 0.0, 1.0, 1.0)], BUFFER) is None


def test_no_box_touches_nothing() -> None:
    assert touched([], BUFFER) == frozenset()


def test_a_covering_of_a_box_has_few_cells() -> None:
    assert len(covering(Bounds(9.0, 47.0, 10.0, 48.0))) <= 6
    assert {cell.z for cell in covering(Bounds(-180.0, -90.0, 180.0, 90.0))} == {1}
