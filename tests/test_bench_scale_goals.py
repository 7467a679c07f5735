"""bench/scale/: what a run says of its figures, in print, as JSON, as a page and in plots."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.drawing import DrawnTile
from bench.report import Goal
from bench.scale import markdown, plots
from bench.scale.goals import geometric_mean, goals
from bench.scale.overviews import Cost
from bench.scale.report import Results, show
from bench.scale.times import PLAIN, WITH, WITHOUT, Answer, Figures


def figures(
    layer: str, zoom: int, plain: float, without: float, ours: float, *, size: int = 1000, status: int = 200
) -> Figures:
    answers = {
        PLAIN: Answer(plain, 200, size, 5),
        WITHOUT: Answer(without, 200, size, 5),
        WITH: Answer(ours, status, size, 5),
    }
    return Figures(DrawnTile(layer, zoom, 0, 0), answers)


def of(found: list[Goal], part: str) -> Goal:
    (goal,) = [goal for goal in found if part in goal.what]
    return goal


def test_times_faster_is_a_geometric_mean_over_zooms() -> None:
    assert geometric_mean([1, 100]) == pytest.approx(10)
    # Two tiles of one zoom count as one zoom.
    run = [figures("scale.countries", 0, 1000, 100, 10), figures("scale.countries", 1, 400, 400, 40),
           figures("scale.countries", 1, 90, 90, 9)]  # fmt: skip
    found = goals(run, [])
    assert of(found, "countries, with overviews") == Goal(
        "scale.countries, with overviews, z0 to z14: 50 times faster than plain, geometric mean", "31.6", False)  # fmt: skip
    assert of(found, "countries, without overviews").met  # 10 at one zoom and 1 at the other


def test_tiles_of_the_heaviest_shape_are_judged_by_themselves_too() -> None:
    run = [replace(figures("scale.countries", 9, 240, 120, 3), is_heavy=True), figures("scale.countries", 9, 2, 2, 2)]
    found = goals(run, [])
    assert of(found, "countries, tiles of the heaviest one, with overviews").figure == "80.0"
    assert of(found, "countries, with overviews").figure == "8.9"
    assert not [goal for goal in goals(run[1:], []) if "heaviest" in goal.what]


def test_a_tile_that_did_not_come_is_no_fast_tile() -> None:
    found = goals([figures("scale.shoreline", 0, 1000, 100, 1, status=503)], [])
    assert (
        not of(found, "scale.shoreline").met and "1 tiles did not come" in of(found, "scale.shoreline").figure
    )


def test_heavy_slow_and_empty_tiles_are_named() -> None:
    good = goals([figures("scale.buildings", 3, 100, 50, 20)], [])
    assert all(goal.met for goal in good)
    bad = goals([figures("scale.buildings", 3, 50, 50, 80, size=600_000)], [])
    assert [goal.met for goal in bad] == [False, False, True, False, True]


def test_the_cost_of_overviews_is_judged() -> None:
    cost = Cost("scale.buildings", 2_000_000, 181.0, 400_000_000, 2.5, 0.7, 1000, 400, 220, 15, 10, 300, 100.0)
    assert [goal.met for goal in goals([], [cost])] == [False, True, False, True, True]
    assert of(goals([], [cost]), "1,000 changed rows").figure == "1.8 s, 2.5 s with the start of Python"
    assert not of(goals([], [replace(cost, start_s=0.4)]), "1,000 changed rows").met


def test_plots_of_every_layer_are_drawn_as_png_and_svg(tmp_path: Path) -> None:
    results = Results("scripts/bench --scale", rows={"places": 235})
    results.figures = [
        figures("scale.places", zoom, 100 - zoom, 50, 20, size=10_000 * (zoom + 1)) for zoom in range(15)
    ]
    results.figures.append(figures("scale.rivers", 0, 60_000, 50, 20, status=503))
    made = plots.draw(results, tmp_path / "plots")
    assert [path.name for path in made] == [
        "overviews-places.png",
        "overviews-places.svg",
        "overviews-rivers.png",
        "overviews-rivers.svg",
    ]
    assert all(0 < path.stat().st_size < 100_000 for path in made)
    assert "with overviews" in made[1].read_text() and "235 rows" in made[1].read_text()


def test_a_run_is_printed_and_written_with_its_command_and_date() -> None:
    results = Results(
        "scripts/bench --scale --seed 7", "PostgreSQL 15", rows={"places": 235}, date="2026-11-22T22:00+00:00"
    )
    results.figures = [figures("scale.places", 0, 100, 50, 20), figures("scale.places", 1, 10, 50, 30)]
    results.costs = [Cost("scale.places", 235, 1.0, None, 1.0, 0.5, 2, 400, 100, 0, 0, 500, 2.0)]
    console = Console(file=io.StringIO(), width=240)
    show(results, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "scripts/bench --scale --seed 7" in printed and "2026-11-22T22:00" in printed
    assert "slower than plain: /tiles/scale.places/1/0/0  with overviews 30.00 ms" in printed
    assert "1 of 2 slower, 1 of them by more than 1 ms" in printed
    text = markdown.page(results, ["overviews-places.png", "overviews-rivers.png"], [])
    assert (
        "| zoom | plain, ms |" in text and "| 1 | 10.0 | 50.0 | 30.0 | 1.0 | 1.0 | 1.0 | 0.2 | 0.3 |" in text
    )
    assert "(overviews-places.png)" in text and "overviews-rivers" not in text
    written_down = json.loads(json.dumps(results.as_json()))
    assert written_down["tiles"][0]["answers"][PLAIN]["ms"] == 100
    assert written_down["overviews"][0]["table_bytes"] == 400
