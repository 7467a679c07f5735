"""What is to be reached, held against the run's own figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..report import Goal
from .overviews import Cost
from .times import PLAIN, WITH, WITHOUT, Figures

MEGABYTE, KILOBYTE = 1_000_000, 1_000
BUDGET_BYTES = 500 * 1024
"""As Flagstone's setting has it when nobody sets it."""
_MOST_MS, _PLACES_Z0_MS = 60.0, 30.0


def geometric_mean(values: Iterable[float]) -> float:
    """NaN for none."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan


def ratio_of_zoom(figures: Sequence[Figures], layer: str, zoom: int, way: str) -> float | None:
    """Geometric mean of how many times faster than plain the tiles are; None where none can be compared."""
    here = [
        each
        for each in figures
        if each.tile.layer_id == layer and each.tile.z == zoom and way in each.answers
    ]
    ratios = [ratio for each in here if (ratio := each.ratio(way)) is not None]
    return geometric_mean(ratios) if ratios and len(ratios) == len(here) else None


def goals(figures: Sequence[Figures], costs: Sequence[Cost]) -> list[Goal]:
    """Only of what was measured. A tile that did not come makes a goal of its layer not met."""
    heavy = [each for each in figures if each.is_heavy]
    found = [
        *_times_faster(heavy, "scale.countries", range(15), WITH, 50, "tiles of the heaviest one, "),
        *_times_faster(heavy, "scale.countries", range(15), WITHOUT, 3, "tiles of the heaviest one, "),
        *_times_faster(figures, "scale.countries", range(15), WITH, 50),
        *_times_faster(figures, "scale.countries", range(15), WITHOUT, 3),
        *_times_faster(figures, "scale.shoreline", range(7), WITH, 10),
        *_times_faster(figures, "scale.rivers", range(7), WITH, 10),
    ]
    for layer in ("scale.buildings", "scale.rivers"):
        found += _bounded(figures, layer)
    found += _places(figures)
    for way in (WITH, WITHOUT):
        answers = [each for each in figures if way in each.answers]
        if answers:
            slower = [each for each in answers if each.is_slower(way)]
            by_a_ms = sum(each.answers[way].ms - each.answers[PLAIN].ms > 1 for each in slower)
            figure = f"{len(slower)} of {len(answers)} slower, {by_a_ms} of them by more than 1 ms"
            found.append(Goal(f"no tile slower than plain by more than a tenth, {way}", figure, not slower))
    for cost in costs:
        found += _cost(cost)
    return found


def _times_faster(
    figures: Sequence[Figures], layer: str, zooms: range, way: str, least: float, which: str = ""
) -> list[Goal]:
    here = [
        each
        for each in figures
        if each.tile.layer_id == layer and each.tile.z in zooms and way in each.answers
    ]
    if not here:
        return []
    ratios = [ratio_of_zoom(here, layer, zoom, way) for zoom in zooms]
    known = [ratio for ratio in ratios if ratio is not None]
    missing = sum(not each.answers[way].is_tile for each in here)
    mean = geometric_mean(known)
    what = f"{layer}, {which}{way}, z{zooms[0]} to z{zooms[-1]}: {least} times faster than plain, geometric mean"
    figure = f"{mean:.1f}" + (f", but {missing} tiles did not come" if missing else "")
    return [Goal(what, figure, not missing and mean >= least)]


def _bounded(figures: Sequence[Figures], layer: str) -> list[Goal]:
    here = [
        each.answers[WITH]
        for each in figures
        if each.tile.layer_id == layer and each.tile.z <= 10 and WITH in each.answers
    ]
    if not here:
        return []
    slow, heavy = max(answer.ms for answer in here), max(answer.sent_bytes for answer in here)
    empty = sum(answer.features == 0 for answer in here)
    over = sum(answer.ms >= _MOST_MS for answer in here)
    start = f"{layer}, z0 to z10, {WITH}:"
    return [
        Goal(
            f"{start} every tile under {_MOST_MS:.0f} ms",
            f"slowest {slow:.0f} ms, {over} of {len(here)} above",
            over == 0,
        ),
        Goal(
            f"{start} every tile under its budget of {BUDGET_BYTES // KILOBYTE} kB",
            f"heaviest {heavy / KILOBYTE:.0f} kB",
            heavy < BUDGET_BYTES,
        ),
        Goal(f"{start} no tile empty where there are rows", f"{empty} of {len(here)} empty", empty == 0),
    ]


def _places(figures: Sequence[Figures]) -> list[Goal]:
    here = [
        each
        for each in figures
        if each.tile.layer_id == "scale.places" and each.tile.z == 0 and WITH in each.answers
    ]
    what = f"scale.places, {WITH}: z0 under {_PLACES_Z0_MS:.0f} ms"
    return [Goal(what, f"{each.answers[WITH].ms:.1f} ms", each.answers[WITH].is_tile and each.answers[WITH].ms < _PLACES_Z0_MS)
            for each in here]  # fmt: skip


def _cost(cost: Cost) -> list[Goal]:
    found = []
    if cost.layer == "scale.buildings":
        memory = (
            "" if cost.memory_bytes is None else f", at most {cost.memory_bytes / MEGABYTE:,.0f} MB of memory"
        )
        what = f"{cost.layer}: overviews of {cost.rows:,} rows built in under 3 minutes"
        found.append(Goal(what, f"{cost.build_s:.0f} s{memory}", cost.build_s < 180))
        what = f"{cost.layer}: {cost.changed_rows:,} changed rows refreshed in under 2 s"
        figure = f"{cost.refresh_s - cost.start_s:.1f} s, {cost.refresh_s:.1f} s with the start of Python"
        found.append(Goal(what, figure, cost.refresh_s - cost.start_s < 2))
    part = cost.bands_bytes / cost.table_bytes
    found.append(
        Goal(f"{cost.layer}: bands take less than half of the table's disk", f"{part:.2f}", part < 0.5)
    )
    size = cost.bands_bytes + cost.pieces_bytes
    figure = f"{cost.planned_bytes / MEGABYTE:.1f} MB foretold, {size / MEGABYTE:.1f} MB taken"
    is_near = size / 2 <= cost.planned_bytes <= size * 2
    found.append(
        Goal(f"{cost.layer}: `plan` foretells the disk, within a half and twice of it", figure, is_near)
    )
    if cost.replaced_bytes:
        part = cost.pieces_bytes / cost.replaced_bytes
        found.append(
            Goal(
                f"{cost.layer}: pieces take less than 1.6 times the rows they replace",
                f"{part:.2f}",
                part < 1.6,
            )
        )
    return found
