"""Which bands a layer needs: decided from a sample, without a database."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from app.layers.grid import Grid
from app.layers.grids import Grids
from app.layers.overview import SHARED, BandPlan, pixel
from app.layers.overview_plan import SIZES, Allowance, coarser, estimates, total, weighty
from app.layers.overview_sample import Attribute, Sample, SampledRow
from app.layers.sampled_cells import cells

HALF = 20037508.0
TILE = Allowance(features=10_000, bytes=512_000, buffer=1 / 16)


@pytest.fixture(scope="module")
def mercator() -> Grid:
    return Grids().get("WebMercatorQuad")


def points(count: int, seed: int = 1) -> tuple[SampledRow, ...]:
    drawn = random.Random(seed)
    return tuple(SampledRow(drawn.uniform(-HALF, HALF), drawn.uniform(-HALF, HALF), 0.0, 1, True) for _ in range(count))


def houses(count: int) -> tuple[SampledRow, ...]:
    """Of 20 m, in towns."""
    drawn = random.Random(2)
    towns = [(drawn.uniform(-HALF, HALF), drawn.uniform(-HALF, HALF)) for _ in range(200)]
    made = []
    for _ in range(count):
        x, y = drawn.choice(towns)
        made.append(SampledRow(drawn.gauss(x, 3000), drawn.gauss(y, 3000), 20.0, 5, False))
    return tuple(made)


def bands(found: tuple[object, ...]) -> dict[int, BandPlan]:
    return {each.band.zoom: each.band for each in found if each.band is not None}  # type: ignore[attr-defined]


def test_few_rows_need_none_and_one_estimate_says_why(mercator: Grid) -> None:
    found = estimates(Sample(points(500), 500), mercator, TILE)
    assert len(found) == 1 and found[0].zoom == 0
    assert found[0].band is None and found[0].features == 500 and found[0].why == ()


def test_nothing_at_all_needs_none(mercator: Grid) -> None:
    [found] = estimates(Sample((), 0), mercator, TILE)
    assert found.band is None and found.features == 0


def test_every_zoom_below_the_finest_has_a_band_of_its_own_or_one_a_little_finer(mercator: Grid) -> None:
    found = estimates(Sample(points(20_000), 1_000_000), mercator, TILE)
    zooms = range(len(found) - 1)
    assert [each.zoom for each in found] == [*zooms, len(zooms)] and len(zooms) > 3
    assert found[-1].band is None
    for each in found[:-1]:
        assert each.band is not None and each.zoom <= each.band.zoom <= each.zoom + SHARED


def test_a_zoom_whose_band_would_hold_the_same_rows_has_none_of_its_own(mercator: Grid) -> None:
    """Of rows that all lie in four places the cells of every zoom hold the same ones."""
    rows = tuple(SampledRow((n % 2) * 9e6 + 1, (n // 2 % 2) * 9e6 + 1, 0.0, 1, True) for n in range(20_000))
    found = estimates(Sample(rows, 400_000), mercator, TILE)
    assert [each.zoom for each in found if each.band and each.band.zoom == each.zoom] == list(range(1, 23, 3))
    for each in found:
        assert each.band is not None and each.zoom <= each.band.zoom <= each.zoom + SHARED
        assert (each.disk > 0) == (each.band.zoom == each.zoom)


def test_each_zoom_simplifies_heavy_shapes_further(mercator: Grid) -> None:
    rows = tuple(SampledRow((n % 2) * 9e6 + 1, (n // 2 % 2) * 9e6 + 1, 1e4, 500, False) for n in range(20_000))
    found = estimates(Sample(rows, 400_000), mercator, TILE)
    assert found and all(each.band is None or each.band.zoom == each.zoom for each in found)


def test_no_tile_of_a_band_is_expected_to_hold_more_than_it_may(mercator: Grid) -> None:
    for sample in (Sample(points(20_000), 5_000_000), Sample(houses(20_000), 2_000_000)):
        for each in estimates(sample, mercator, TILE):
            assert each.band is None or (each.band_features <= TILE.features and each.band_bytes <= TILE.bytes)


def test_what_competed_at_a_finer_zoom_competes_at_a_coarser_one(mercator: Grid) -> None:
    for sample in (Sample(houses(20_000), 2_000_000, table_bytes=50_000_000), Sample(points(20_000), 2_000_000)):
        made = bands(estimates(sample, mercator, TILE))
        for coarse, fine in pairwise(sorted(made)):
            assert made[coarse].small >= made[fine].small - 1e-6


def test_heavy_shapes_need_a_band_though_they_are_few(mercator: Grid) -> None:
    rows = tuple(SampledRow(n * 1e5, 0.0, 4e6, 60_000, False) for n in range(10))
    found = estimates(Sample(rows, 10), mercator, TILE)
    assert found[0].why == ("vertices",) and found[0].band is not None


def test_what_is_too_small_to_be_seen_is_said(mercator: Grid) -> None:
    found = estimates(Sample(houses(20_000), 2_000_000), mercator, TILE)
    assert "too small to be seen" in found[0].why
    assert "too small to be seen" not in found[-1].why


def test_tiles_begin_where_the_grid_does(mercator: Grid) -> None:
    """At zoom 0 of WebMercatorQuad the four quarters of the world are one tile."""
    found = estimates(Sample(points(400), 400), mercator, replace(TILE, features=100, buffer=0.0))
    assert found[0].features == 400 and found[1].features < 200


def test_attributes_that_are_heavy_make_cells_wider(mercator: Grid) -> None:
    light = Sample(points(20_000), 200_000, (Attribute("name", 8, 8, 0, 1),))
    heavy = replace(light, attributes=(Attribute("story", 2000, 2000, 0, 1), Attribute("kind", 4, 4, 0, 0.001)))
    few = bands(estimates(light, mercator, TILE))
    wide = bands(estimates(heavy, mercator, TILE))
    assert wide[0].cell_pixels > few[0].cell_pixels
    assert [each.name for each in weighty(heavy, TILE)] == ["story"]
    assert weighty(light, TILE) == ()
    assert weighty(heavy, replace(TILE, bytes=0)) == ()


def test_values_that_repeat_weigh_little() -> None:
    assert Attribute("kind", 20, 20, 0, 0.0).in_tile < 2 < Attribute("code", 20, 20, 0, 1.0).in_tile
    assert Attribute("empty", 0, 0, 1.0, 0.0).in_tile == 0


def test_a_large_table_gets_wider_cells_for_the_sake_of_disk(mercator: Grid) -> None:
    large = Sample(houses(20_000), 2_000_000, table_bytes=300_000_000)
    disk, seconds = total(large, estimates(large, mercator, TILE))
    assert disk < 300_000_000 / 2 and seconds > 0


def test_what_is_seen_well_does_not_compete_for_disk(mercator: Grid) -> None:
    rows = tuple(SampledRow(row.x, row.y, 4e5, 500, False) for row in points(5000))
    made = bands(estimates(Sample(rows, 5000, table_bytes=1000), mercator, TILE))
    assert made and all(band.small_pixels <= 4 or band.zoom < 5 for band in made.values())


def test_other_grids_have_their_own_zooms_and_pixels() -> None:
    grid = Grids().get("WorldCRS84Quad")
    rows = tuple(SampledRow(row.x / HALF * 180, row.y / HALF * 90, 0.0, 1, True) for row in points(20_000))
    made = bands(estimates(Sample(rows, 1_000_000), grid, TILE))
    assert made[0].pixel == pytest.approx(pixel(grid, 0)) == pytest.approx(180 / 512)


def test_negative_zooms_are_planned_too() -> None:
    grid = Grids().get("CDB1GlobalGrid")
    rows = tuple(SampledRow(10.5 + row.x / HALF / 3, 10.5 + row.y / HALF / 3, 0.0, 1, True) for row in points(20_000))
    assert min(each.zoom for each in estimates(Sample(rows, 10_000_000), grid, TILE) if each.band) == -10


@pytest.mark.parametrize(("finer", "ratio", "least"), [(1, 0.5, 1), (4, 0.5, 2), (3, 0.5, 2), (16, 0.25, 4), (1, 0.1, 1)])
def test_least_width_above_a_finer_band(finer: int, ratio: float, least: int) -> None:
    assert coarser(finer, ratio) == least


class TestCells:
    def test_of_all_rows_they_are_counted(self) -> None:
        assert cells([(0, 0), (0, 0), (1, 0)], 1) == 2
        assert cells([], 10) == 0

    def test_rows_each_in_a_cell_of_its_own_go_on_so(self) -> None:
        assert cells([(n, 0) for n in range(100)], 50) == 5000

    def test_few_cells_that_are_all_seen_do_not_become_more(self) -> None:
        assert cells([(n % 10, 0) for n in range(1000)], 100) == pytest.approx(10)

    @pytest.mark.parametrize("clustered", [False, True])
    def test_estimate_is_within_a_factor_of_two(self, clustered: bool) -> None:
        drawn = random.Random(3)
        if clustered:
            sizes = [1 / (place + 1) for place in range(20_000)]
            whole = drawn.choices([(place, 0) for place in range(20_000)], sizes, k=400_000)
        else:
            whole = [(drawn.randrange(20_000), 0) for _ in range(400_000)]
        sampled = drawn.sample(whole, 8_000)
        assert 0.5 < cells(sampled, 50) / len(set(whole)) < 2


def test_sizes_double() -> None:
    assert all(after == 2 * before for before, after in pairwise(SIZES))
    assert math.log2(SIZES[-1]).is_integer()


def test_many_vertices_in_one_place_are_planned(mercator: Grid) -> None:
    standing = SampledRow(0.0, 0.0, 0.0, 500, False)
    found = estimates(Sample((standing,) * 3, 3), mercator, Allowance(10_000, 0))
    assert [each.band for each in found] == [None]
