"""Web Mercator without PROJ, beside PROJ."""

from __future__ import annotations

import math
import random

import pytest

from app.layers import mercator
from app.layers.bounds import Bounds
from app.layers.crs import Crs, length_in_layer, lonlat
from app.layers.grids import Grids
from app.layers.projection import transformer_between
from app.layers.tile import Tile

GRID, LAYER = Crs(3857, mercator.GRID), Crs(4326, mercator.LAYER)
SAME_GRID = Crs(0, transformer_between(mercator.GRID, mercator.LAYER).source_crs.to_wkt())  # type: ignore[union-attr]
"""The same CRS under a definition for which PROJ is asked."""


def drawn(seed: int) -> Tile:
    chosen = random.Random(seed)
    zoom = chosen.randint(0, 24)
    return Tile(zoom, chosen.randrange(2**zoom), chosen.randrange(2**zoom))


@pytest.mark.parametrize("seed", range(60))
def test_boxes_and_lengths_are_those_of_proj(seed: int) -> None:
    box = Grids().get("WebMercatorQuad").buffered(drawn(seed), random.Random(seed).choice([0, 0.0625, 1]))
    ours, theirs = lonlat(box, GRID), lonlat(box, SAME_GRID)
    assert ours is not None and theirs is not None
    assert ours.as_list() == pytest.approx(theirs.as_list(), rel=1e-12, abs=1e-9)
    pixel = box.width / 1024
    assert length_in_layer(pixel, box, GRID, LAYER) == pytest.approx(length_in_layer(pixel, box, SAME_GRID, LAYER), rel=1e-4)


def test_the_world_ends_at_180_exactly() -> None:
    found = lonlat(Grids().get("WebMercatorQuad").bounds(Tile(0, 0, 0)), GRID)
    assert found is not None and (found.xmin, found.xmax) == (-180.0, 180.0)
    assert found.ymax == pytest.approx(85.0511287798, abs=1e-9)


@pytest.mark.parametrize(
    "box", [Bounds(-2.1e7, 0, 0, 1), Bounds(0, 0, 2.1e7, 1), Bounds(5, 0, -5, 1), Bounds(0, 0, 1, 1e9), Bounds(0, 0, 1, math.nan)]
)
def test_beyond_the_world_it_says_nothing(box: Bounds) -> None:
    assert mercator.degrees(box) is None
