"""bench/: the drawn tiles, the plain statement, and a short honest run."""

import json
import os
import subprocess
import sys
from collections import Counter
from io import StringIO
from pathlib import Path

import mapbox_vector_tile
import psycopg
import pytest
from rich.console import Console

from app.layers.crs import lonlat
from app.layers.grids import Grids
from app.layers.identity import ANONYMOUS
from app.layers.tile import Tile
from app.repository.catalog_store import CatalogStore
from app.repository.pool import Pool
from app.settings import Settings
from bench import options, tables
from bench.against import NOW, THEN, AgainstFigures
from bench.composites import CompositeFigures
from bench.drawing import ZOOMS, DrawnTile, Place, draw, tile_at
from bench.parameters import OTHERS, SAME, ParameterFigures
from bench.parameters import PLAIN as WITHOUT
from bench.plain import Plain
from bench.report import Results, goals, show
from bench.throughput import EMPTY_VIEW, MEMORY, Run, Throughput
from bench.tile_times import HTTP, OURS, PLAIN, TileFigures
from bench.turns import in_turns, percentile
from scripts.lib import CHECKOUT, packages

PLACES = [Place(f"sample.layer{number}", ((9.5 + number, 47.1), (10.0, 47.2))) for number in range(8)]


def test_the_same_seed_draws_the_same_tiles_and_another_one_does_not() -> None:
    assert draw(PLACES, 100, seed=7) == draw(PLACES, 100, seed=7)
    assert draw(PLACES, 100, seed=7) != draw(PLACES, 100, seed=8)


def test_drawn_tiles_cover_all_layers_and_all_zooms() -> None:
    drawn = draw(PLACES, 200, seed=1)
    assert len(set(drawn)) == len(drawn) == 200
    assert {tile.layer_id for tile in drawn} == {place.layer_id for place in PLACES}
    assert {tile.z for tile in drawn} == set(ZOOMS)
    # No layer is read at some of the zooms only.
    assert min(Counter(tile.layer_id for tile in drawn).values()) >= 15
    assert len({(tile.layer_id, tile.z) for tile in drawn if tile.z > 5}) == 8 * 11


def test_few_different_tiles_end_the_drawing() -> None:
    assert len(draw([Place("sample.one", ((9.5, 47.1),))], 500, seed=1)) == len(ZOOMS)


def test_a_point_lies_in_the_tile_that_is_computed_for_it() -> None:
    grid = Grids().get("WebMercatorQuad")
    for longitude, latitude in ((9.52, 47.14), (-58.4, -34.6), (179.9, 84.9), (-179.9, -84.9)):
        for zoom in ZOOMS:
            box = lonlat(grid.bounds(Tile(zoom, *tile_at(longitude, latitude, zoom))), grid.crs)
            assert box is not None
            assert box.xmin <= longitude <= box.xmax and box.ymin <= latitude <= box.ymax


def test_calls_are_timed_in_turns() -> None:
    order: list[str] = []
    times = in_turns({name: lambda name=name: order.append(name) for name in "ab"}, rounds=3)  # type: ignore[misc]
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert set(times) == {"a", "b"} and all(time >= 0 for time in times.values())
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0


def test_the_plain_statement_gives_features_of_every_sample_layer(sample_database: str) -> None:
    settings = Settings.of(DATABASE_URL=sample_database)
    pool = Pool(settings)
    try:
        layers = CatalogStore(pool, settings).catalog().relations
        with psycopg.connect(sample_database, autocommit=True) as connection:
            plain = Plain(connection)
            for layer in layers:
                x, y = tile_at(9.52, 47.14, 6)
                found = mapbox_vector_tile.decode(plain.read(layer, DrawnTile(layer.id, 6, x, y)))
                if layer.id != "sample.liechtenstein_buildings":  # too small to be seen from there
                    assert found[layer.id]["features"], layer.id
                    has_id = layer.id_column_for(ANONYMOUS) is not None
                    assert all(bool(each.get("id")) == has_id for each in found[layer.id]["features"]), layer.id
            assert layers and all(layer.readable_by(ANONYMOUS) for layer in layers)
    finally:
        pool.close()


def test_tables_hold_rows_where_the_benchmark_looks_for_them(database: str) -> None:
    tables.make(database, 7)
    with psycopg.connect(database) as connection:
        for number in range(1, 8):
            longitude, latitude = tables.place(number)
            near = connection.execute(
                f"SELECT count(*) FROM {tables.name(number)}"
                " WHERE geom && ST_Expand(ST_SetSRID(ST_MakePoint(%s, %s), 4326), 0.03)", [longitude, latitude]
            ).fetchone()
            assert near is not None and near[0] > 5


def figures(zoom: int, size: int, plain: float, ours: float, http: float, plain_bytes: int | None = None) -> TileFigures:
    given = size if plain_bytes is None else plain_bytes
    return TileFigures(DrawnTile("a.b", zoom, 0, 0), size, size, given, {PLAIN: plain, OURS: ours, HTTP: http})


def test_goals_are_judged_on_the_figures_and_never_hidden() -> None:
    good = Results("scripts/bench", tiles=[figures(14, 500, 0.5, 0.6, 1.4)])
    assert [goal.met for goal in goals(good)] == [True, True, True]
    bad = Results("scripts/bench", tiles=[figures(14, 500, 0.5, 2.0, 2.4), figures(3, 90_000, 50.0, 54.0, 54.9)])
    assert [(goal.figure, goal.met) for goal in goals(bad)] == [
        ("+1.90 ms", False), ("1 of 2 tiles slower", False), ("1 of 2 tiles slower", False)]  # fmt: skip


@pytest.mark.parametrize("x", [0, 33])
def test_a_tile_of_which_plain_gives_only_a_part_is_not_compared_and_said(x: int) -> None:
    part = TileFigures(DrawnTile("a.b", 6, x, 22), 500_000, 500_000, 474_999, {PLAIN: 10.0, OURS: 80.0, HTTP: 90.0})
    results = Results("scripts/bench", tiles=[part])
    assert results.compared == [] and goals(results) == []
    console = Console(file=StringIO(), width=300)
    show(results, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "more than a twentieth: 1 tiles" in said and "slower for 1 of them, by 70.00 ms at most" in said


def test_a_tile_of_which_plain_gives_nineteen_twentieths_is_compared() -> None:
    enough = TileFigures(DrawnTile("a.b", 6, 33, 22), 500_000, 500_000, 475_000, {PLAIN: 10.0, OURS: 80.0, HTTP: 90.0})
    assert Results("scripts/bench", tiles=[enough]).compared == [enough]


def test_an_empty_tile_is_compared_unless_it_is_at_the_edge_of_the_world() -> None:
    edge, inside = (TileFigures(DrawnTile("a.b", 6, x, 22), 0, 0, 0, {PLAIN: 0.1, OURS: 0.2, HTTP: 1.0}) for x in (63, 33))
    assert Results("scripts/bench", tiles=[edge, inside]).compared == [inside]


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="an unpacked archive has no older revisions")
def test_tiles_are_read_beside_those_of_an_older_revision(server_dsn: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "bench.run", "--quick", "--tiles", "2", "--against", "HEAD"], cwd=CHECKOUT,
        env={**os.environ, "TEST_DATABASE_URL": server_dsn}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "2 tiles over HTTP, no cache, beside an older revision" in answer.stdout
    assert "times that of the older revision, median" in answer.stdout


@pytest.mark.parametrize("revision", ["no-such-revision", "--output=/tmp/x", ""])
def test_a_revision_that_git_does_not_know_is_refused(revision: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.read([f"--against={revision}"])
    assert "git knows no revision" in capsys.readouterr().err


def test_a_tile_is_judged_by_its_time_now_and_then() -> None:
    results = Results("test")
    results.against = [AgainstFigures("/tiles/a/0/0/0", 100, {THEN: 10.0, NOW: ms}) for ms in (9.0, 11.0, 30.0)]
    assert [(goal.figure, goal.met) for goal in goals(results)] == [("1.10", False)]


def test_help_names_every_option_and_prepares_nothing() -> None:
    answer = subprocess.run([CHECKOUT / "scripts" / "bench", "--help"], capture_output=True, text=True, check=True)
    for name in ("--quick", "--tiles", "--seed", "--only", "--against", "--json", *options.PARTS):
        assert name in answer.stdout
    assert answer.stderr == ""


def test_a_wrong_option_is_refused_before_anything_is_started() -> None:
    answer = subprocess.run([CHECKOUT / "scripts" / "bench", "--tiles", "0"], capture_output=True, text=True)
    assert answer.returncode == 2 and "--tiles must be 1 to 5000" in answer.stderr


def test_a_short_run_measures_each_tile_in_every_way(server_dsn: str, tmp_path: Path) -> None:
    for need in (packages.REDIS, packages.NGINX):
        if not packages.have(need):
            pytest.skip(packages.sentence([need]))
    file = tmp_path / "figures.json"
    answer = subprocess.run(
        [sys.executable, "-m", "bench.run", "--quick", "--tiles", "20", "--only", "tiles", "--json", file],
        cwd=CHECKOUT, env={**os.environ, "TEST_DATABASE_URL": server_dsn}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert "light tile over HTTP within 1.0 ms of the plain statement" in answer.stdout
    measured = json.loads(file.read_text())
    assert len(measured["tiles"]) == 20
    assert all(len(tile["ms"]) == 7 and min(tile["ms"].values()) > 0 for tile in measured["tiles"])
    assert sum(tile["raw_bytes"] > 0 for tile in measured["tiles"]) > 10


def test_a_composite_is_held_against_its_slowest_layer_or_the_work_of_all_cores() -> None:
    alone = {"a": 10.0, "b": 10.0, "c": 10.0, "d": 10.0}
    assert CompositeFigures("/tiles/a,b,c,d/0/0/0", alone, 26.0, cores=2).ratio == 1.3
    assert CompositeFigures("/tiles/a,b,c,d/0/0/0", alone | {"a": 40.0}, 50.0, cores=4).ratio == 1.25
    results = Results("test")
    results.composites = [CompositeFigures("/tiles/a,b,c,d/0/0/0", alone, ms, cores=2) for ms in (20.0, 24.0, 90.0)]
    assert [(goal.figure, goal.met) for goal in goals(results)] == [("1.20", True)]


def test_a_parameter_that_changes_nothing_is_held_against_the_tile_without() -> None:
    def tile(plain: float, same: float) -> ParameterFigures:
        return ParameterFigures("/tiles/a/0/0/0", {WITHOUT: plain, **dict.fromkeys(SAME, same), **dict.fromkeys(OTHERS, 99.0)})

    results = Results("test", parameters=[tile(10, 10.5), tile(1, 1.02), tile(2, 8)])
    assert [(goal.figure, goal.met) for goal in goals(results)] == [("1.05 at most", True)]
    results.parameters = [tile(10, 12), tile(1, 1.2), tile(2, 2)]
    assert [goal.met for goal in goals(results)] == [False]


def test_requests_per_second_are_compared_round_by_round() -> None:
    even = (0.5, 0.5)
    found = Throughput({
        EMPTY_VIEW: [Run(6000, 200, even), Run(3000, 220, even), Run(5000, 210, even)],
        MEMORY: [Run(5400, 250, even), Run(2100, 275, even), Run(4000, 300, even)],
    })  # fmt: skip
    # What disturbed the second round took from both.
    assert [round(ratio, 2) for ratio in found.ratios(MEMORY)] == [0.7, 0.8, 0.9]
    assert found.ratio(MEMORY) == 0.8 and found.per_second(MEMORY) == 4000
    assert found.cpu_us(MEMORY) == 275 and found.cpu_ratio(MEMORY) == 0.8
    results = Results("test", throughput=found)
    assert [(goal.figure, goal.met) for goal in goals(results)] == [("0.80", True)]
    assert results.as_json()["throughput"][MEMORY][0]["per_second"] == 5400


def test_a_run_counts_only_where_no_worker_looked_on() -> None:
    assert Run(6000, 200, (0.3, 0.7)).is_even
    assert not Run(6000, 200, (0.0, 1.0)).is_even and not Run(6000, 200, (0.9, 0.1)).is_even
