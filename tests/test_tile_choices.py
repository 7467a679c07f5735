"""How a tile is asked for may differ from worker to worker, what it shows may not."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from app.layers.bounds import Bounds
from app.layers.layer import RowLayer
from app.layers.statistics import Spread
from app.layers.tile import Tile
from app.repository.postgis import PostGIS
from app.repository.statistics import LayerStatistics
from app.repository.tile_questions import Question
from tests.conftest import MakeApp
from tests.crowds import crowded, rows_of
from tests.servers.postgres import DatabaseServer
from tests.test_layer_statistics import known
from tests.test_tile_determinism import PARALLEL
from tests.tile_decoding import get

TILES = ("0/0/0", "1/0/1", "2/1/1", "2/2/1", "3/2/3", "3/5/3", "4/9/6")


@pytest.fixture(scope="module")
def crowds(server: DatabaseServer, template: str) -> Iterator[str]:
    with crowded(server, template) as dsn:
        yield dsn


class Believed(LayerStatistics):
    """Statistics that are as wrong as old ones can be: so many rows, wherever one looks."""

    rows: float = 0.0

    def spread(self, layer: RowLayer, postgis: PostGIS) -> Spread | None:
        return Spread.of(Bounds(-1e9, -1e9, 1e9, 1e9), [self.rows * 1e15])


def believing(app: Flask, rows: float | None) -> Flask:
    """The app, with a worker that takes its layers for as full as that; None for what the database says."""
    tiles = app.extensions["flagstone"].tiles
    if rows is not None:
        tiles._statistics = Believed(tiles._pool)
        tiles._statistics.rows = rows
    return app


@pytest.mark.parametrize("layer", ["towns", "fields", "lines", "pacific", "keyless", "same"])
def test_workers_with_different_statistics_give_the_same_tiles(
    crowds: str, make_app: MakeApp, layer: str
) -> None:
    seen = []
    for rows in (0.0, None, 1e6):
        app = believing(make_app(crowds, CACHE_TYPE="NullCache", FLAGSTONE_MAX_FEATURES="700"), rows)
        if rows is None:
            known(app, layer)
        answers = [get(app, f"/tiles/{layer}/{tile}") for tile in TILES]
        seen.append(
            [(each.get_data(), each.headers.get("ETag"), each.headers["Flagstone-Tile"]) for each in answers]
        )
    assert seen[0] == seen[1] == seen[2]


def attempts(app: Flask, layer: str, tile: str) -> list[int]:
    """The cells of each statement that a tile took; 0 for the first rows."""
    z, x, y = map(int, tile.split("/"))
    there = app.extensions["flagstone"]
    request = rows_of(app, layer, Tile(z, x, y)).request
    made = there.tiles.read(request, Tile(z, x, y), there.catalog.postgis)
    return [each.pixels for each in made.attempts]


def test_a_crowded_tile_is_asked_for_by_cells_at_once(crowds: str, make_app: MakeApp) -> None:
    new = make_app(crowds, FLAGSTONE_MAX_FEATURES="3000")
    assert attempts(new, "fields", "0/0/0") == [0, 8]
    app = make_app(crowds, FLAGSTONE_MAX_FEATURES="3000")
    assert known(app, "fields") is not None
    assert attempts(app, "fields", "0/0/0") == [8]


def test_an_empty_corner_of_a_crowded_zoom_is_not_asked_for_by_cells(crowds: str, make_app: MakeApp) -> None:
    app = make_app(crowds, FLAGSTONE_MAX_FEATURES="300")
    assert known(app, "fields") is not None
    assert attempts(app, "fields", "3/4/4")[0] == 8
    assert attempts(app, "fields", "3/0/0") == [0]


def question(app: Flask, layer: str, tile: Tile) -> Question:
    found: Question = app.extensions["flagstone"].tiles.questions.whole(rows_of(app, layer, tile), 10_000)
    return found


def test_only_what_takes_in_much_of_a_large_table_is_planned_for_its_own_box(
    crowds: str, make_app: MakeApp
) -> None:
    app = make_app(crowds)
    assert question(app, "fields", Tile(3, 0, 0)).prepare is False
    assert known(app, "fields") is not None
    assert question(app, "fields", Tile(0, 0, 0)).prepare is False
    assert question(app, "fields", Tile(3, 0, 0)).prepare is True
    assert question(app, "fields", Tile(9, 100, 100)).prepare is True


@pytest.mark.parametrize("layer", ["towns", "fields"])
def test_parallel_workers_are_merged_in_the_order_of_the_rows_before_anything_is_encoded(
    crowds: str, make_app: MakeApp, layer: str
) -> None:
    """A parallel plan without that order gives other bytes each time, and a partial ST_AsMVT is put together in any."""
    with psycopg.connect(crowds, autocommit=True) as connection:
        name = f'"{connection.info.dbname}"'
        try:
            connection.execute(PARALLEL.format(name).encode())
            app = make_app(crowds, CACHE_TYPE="NullCache", FLAGSTONE_MAX_FEATURES="20000")
            asked = question(app, layer, Tile(0, 0, 0))
            with psycopg.connect(crowds, autocommit=True) as other:
                other.execute("SET jit = off; SET enable_indexscan = off; SET enable_bitmapscan = off")
                lines = [
                    line for (line,) in other.execute(b"EXPLAIN (COSTS OFF) " + asked.text, asked.values)
                ]
                parallel = {body for _ in range(3) for body, _ in other.execute(asked.text, asked.values)}
                other.execute("SET max_parallel_workers_per_gather = 0")
                alone = {body for body, _ in other.execute(asked.text, asked.values)}
        finally:
            connection.execute(f"ALTER DATABASE {name} RESET ALL".encode())
    plan = "\n".join(lines)
    assert "Gather Merge" in plan, plan
    assert "Partial" not in plan
    assert len(alone) == 1
    assert parallel == alone
    merge = next(number for number, line in enumerate(lines) if "Gather Merge" in line)
    above = [line.strip(" ->") for line in lines[:merge]]
    assert above[0].startswith("Aggregate")
    assert "Limit" in above
    below = [line.strip(" ->") for line in lines[merge:]]
    assert any(line.startswith("Sort") for line in below)
    assert any(line.startswith("Parallel Seq Scan") for line in below)
