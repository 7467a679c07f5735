"""Bands of a table with row security: every row by itself, so that each role can be shown exactly its own.

Cells and their counts would tell of rows that not everybody may see. A tile that holds too much is thinned when it is
asked for, among the rows that are visible to who asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from .grid import Grid
from .overview import Band, BandPlan, Overview, pixel
from .overview_plan import Estimate
from .overview_sample import Sample
from .relation import RelationLayer

STEP = 3
"""Zooms that one band serves: what is left to simplify for the coarser ones is little, and each band holds every row."""

_FINEST = 18
"""Zoom up to which rows of few vertices are served from their band: a pixel of it is some decimetres."""
_LIGHT_POINTS = 16
"""Mean number of vertices up to which there is nothing to simplify."""
_DISK_OF_ROW = 295
"""Bytes of a row without its attributes: measures, a shape of some vertices, and its entries in five indexes."""
_ROWS_PER_S = 40_000
_NARROW_PIXELS = 64
_STEP_OF_WIDTHS = 16
_CLASSES = 5


def widths(plan: BandPlan) -> tuple[float, ...]:
    """Where classes of widths end, in units of the grid's CRS. Rows of a class are found by where their middle lies: half of
    the class's width from a tile at most. What is wider than all of them is looked at for every tile."""
    return tuple(plan.pixel * _NARROW_PIXELS * _STEP_OF_WIDTHS**place for place in range(_CLASSES))


def single_row_plans(layer: RelationLayer, plans: Iterable[BandPlan]) -> tuple[BandPlan, ...]:
    """Of the bands that a table without row security would get those that are worth it, the finest first.

    A point is the same at all zooms: one band serves them.
    """
    finest_first = sorted(set(plans), key=lambda plan: plan.zoom, reverse=True)
    chosen = finest_first[:1]
    if not layer.geometry.only_points:
        chosen = [plan for plan in finest_first if (finest_first[0].zoom - plan.zoom) % STEP == 0]
    return tuple(BandPlan(plan.zoom, plan.pixel, cell_pixels=plan.cell_pixels) for plan in chosen)


def planned_single_rows(
    layer: RelationLayer, grid: Grid, sample: Sample, expected: Iterable[Estimate]
) -> tuple[tuple[BandPlan, ...], tuple[Estimate, ...]]:
    """The bands to build, and what they come to, of what is expected of a table without row security.

    Rows of few vertices get one band, with the detail of a high zoom: what makes their tiles slow is that the table's own
    spatial index is not asked before its policies are. The fullest tile holds, for somebody who may see every row, what
    the table's does: it is thinned when it is asked for.
    """
    found = tuple(expected)
    plans = single_row_plans(layer, [each.band for each in found if each.band])
    if plans and sum(row.points for row in sample.rows) <= _LIGHT_POINTS * len(sample.rows):
        finest = max(plans[0].zoom, min(max(grid.matrices), _FINEST))
        plans = (BandPlan(finest, pixel(grid, finest)),)
    disk = math.ceil(sample.table_rows * (_DISK_OF_ROW + sum(each.stored for each in sample.attributes)))
    served: list[Estimate] = []
    for place, each in enumerate(found):
        band = next((plan for plan in reversed(plans) if plan.zoom >= each.zoom), None)
        is_first = band is not None and (place == 0 or served[-1].band != band)
        served.append(replace(
            each, band=band, rows=sample.table_rows if band else 0, disk=disk if is_first else 0,
            seconds=sample.table_rows / _ROWS_PER_S if is_first else 0.0, band_features=each.features, band_bytes=each.bytes,
        ))  # fmt: skip
    return plans, tuple(served)


def single_row_band(layer: RelationLayer, overview: Overview, zoom: int) -> Band | None:
    """The band that serves a zoom: the coarsest one that has all its detail. None above the finest one, but for points."""
    fine_enough = [each for each in overview.bands if each >= zoom]
    if fine_enough:
        return overview.bands[min(fine_enough)]
    return overview.bands[max(overview.bands)] if overview.bands and layer.geometry.only_points else None
