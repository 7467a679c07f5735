"""How a layer's rows are spread, as the planner's statistics know it."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from app.backend import Backend
from app.layers.bounds import Bounds
from app.layers.identity import ANONYMOUS
from app.layers.relation import RelationLayer
from app.layers.statistics import Spread
from app.repository.statistics import LayerStatistics
from tests.conftest import Login, MakeApp
from tests.crowds import crowded
from tests.servers.postgres import DatabaseServer


@pytest.fixture(scope="module")
def crowds(server: DatabaseServer, template: str) -> Iterator[str]:
    with crowded(server, template) as dsn:
        yield dsn


def test_a_box_holds_the_rows_of_its_cells_and_of_a_part_of_a_cell_its_part() -> None:
    spread = Spread.of(Bounds(10, 20, 14, 28), list(range(16)))
    assert spread.rows == sum(range(16))
    assert spread.within([Bounds(10, 20, 14, 28)]) == pytest.approx(120)
    assert spread.within([Bounds(-1e9, -1e9, 1e9, 1e9)]) == pytest.approx(120)
    assert spread.within([Bounds(11, 20, 12, 22)]) == pytest.approx(1)
    assert spread.within([Bounds(11, 22, 13, 26)]) == pytest.approx(5 + 6 + 9 + 10)
    assert spread.within([Bounds(11.5, 20, 12.5, 23)]) == pytest.approx((1 + 2) / 2 + (5 + 6) / 4)
    assert spread.within([Bounds(10, 20, 11, 22), Bounds(13, 26, 14, 28)]) == pytest.approx(0 + 15)
    assert spread.within([Bounds(50, 50, 60, 60)]) == 0


def test_it_says_nothing_of_less_than_a_cell() -> None:
    spread = Spread.of(Bounds(0, 0, 4, 4), [1.0] * 16)
    assert spread.within([Bounds(0, 0, 0.9, 0.9)]) is None
    assert spread.within([Bounds(0, 0, 4, 4), Bounds(0, 0, 0.9, 0.9)]) is None
    assert spread.within([Bounds(0, 0, 0.5, 4)]) == pytest.approx(2)


def test_at_most_the_rows_of_all_cells_that_are_touched_lie_in_a_box_however_small() -> None:
    spread = Spread.of(Bounds(0, 0, 4, 4), list(range(16)))
    assert spread.at_most([Bounds(0.1, 0.1, 0.2, 0.2)]) == 0
    assert spread.at_most([Bounds(1.1, 1.1, 1.2, 1.2)]) == pytest.approx(5)
    assert spread.at_most([Bounds(1.9, 1.9, 2.1, 2.1)]) == pytest.approx(5 + 6 + 9 + 10)
    assert spread.at_most([Bounds(3.5, 3.5, 9, 9), Bounds(-5, -5, -4, -4)]) == pytest.approx(15)
    rng = random.Random(8)
    for _ in range(100):
        x, y, size = rng.uniform(-1, 4), rng.uniform(-1, 4), rng.uniform(0, 2)
        box = Bounds(x, y, x + size, y + size)
        assert spread.at_most([box]) >= (spread.within([box]) or 0.0) - 1e-3
    assert Spread.of(Bounds(1, 1, 1, 1), [4.0, 0.0, 0.0, 0.0]).at_most([Bounds(0, 0, 2, 2)]) == pytest.approx(4)


def test_random_boxes_hold_what_a_count_of_the_cells_says() -> None:
    rng = random.Random(4)
    counts = [rng.randrange(1000) for _ in range(64 * 64)]
    spread = Spread.of(Bounds(0, 0, 64, 64), counts)
    for _ in range(100):
        west, east = sorted(rng.sample(range(65), 2))
        south, north = sorted(rng.sample(range(65), 2))
        there = sum(counts[y * 64 + x] for x in range(west, east) for y in range(south, north))
        assert spread.within([Bounds(west, south, east, north)]) == pytest.approx(there, abs=2)


def test_rows_in_one_place_are_all_in_a_box_around_it() -> None:
    spread = Spread.of(Bounds(10, 20, 10, 20), [4.0, 0.0, 0.0, 0.0])
    assert spread.within([Bounds(9, 19, 11, 21)]) in (None, pytest.approx(4))
    assert spread.within([Bounds(11, 19, 12, 21)]) in (None, pytest.approx(0))


def test_cells_that_make_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match="3 cells"):
        Spread.of(Bounds(0, 0, 1, 1), [1, 2, 3])


def known(app: Flask, layer_id: str, *, within_s: float = 5.0) -> Spread | None:
    """What is known of a layer's rows once the reading is over."""
    there: Backend = app.extensions["flagstone"]
    statistics = there.tiles._statistics
    layer = there.catalog.layer(layer_id, ANONYMOUS)
    assert isinstance(layer, RelationLayer)
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        spread = statistics.spread(layer, there.catalog.postgis)
        reading = statistics._readings.get(layer.id + layer.digest)
        if reading is None or not reading.under_way:
            return spread
        time.sleep(0.01)
    raise AssertionError("the reading does not end")


@pytest.mark.parametrize(
    ("layer", "column"), [("fields", "geom"), ("pacific", "geom"), ("lines", "geom"), ("keyless", "geom")]
)
def test_it_tells_about_how_many_rows_lie_in_a_box(
    crowds: str, make_app: MakeApp, layer: str, column: str
) -> None:
    spread = known(make_app(crowds), layer)
    assert spread is not None
    rng, box = random.Random(2), spread.box
    with psycopg.connect(crowds) as connection:
        for _ in range(10):
            part = rng.uniform(0.2, 0.5)
            west = box.xmin + rng.uniform(0, 1 - part) * box.width
            south = box.ymin + rng.uniform(0, 1 - part) * box.height
            asked = Bounds(west, south, west + part * box.width, south + part * box.height)
            [(there,)] = connection.execute(
                f"SELECT count(*) FROM {layer} WHERE {column} && ST_SetSRID(ST_MakeBox2D(ST_Point(%s, %s), ST_Point(%s, %s)), "
                f"Find_SRID('public', %s, %s))",
                [*asked.as_list(), layer, column],
            )
            assert spread.within([asked]) == pytest.approx(there, rel=0.3, abs=60), asked


def test_rows_that_all_lie_in_one_place_a_view_and_geography_have_none(
    crowds: str, make_app: MakeApp
) -> None:
    app = make_app(crowds)
    assert [known(app, layer) for layer in ("same", "seen", "on_sphere")] == [None, None, None]


def test_a_table_that_was_never_analysed_has_none_and_one_that_is_gone_breaks_nothing(
    database: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with psycopg.connect(database, autocommit=True) as connection:
        for name in ("analysed", "gone", "never"):
            connection.execute(
                f"CREATE TABLE {name} AS SELECT i AS id, ST_SetSRID(ST_MakePoint(i % 100, i / 100), 4326)::geometry(Point, 4326) AS geom"
                " FROM generate_series(1, 5000) AS i"
            )
        connection.execute("ANALYZE analysed, gone")
        connection.execute("UPDATE pg_class SET reltuples = 5000 WHERE relname = 'never'")
    app = make_app(database)
    there: Backend = app.extensions["flagstone"]
    layer = there.catalog.layer("gone", ANONYMOUS)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP TABLE gone")
    statistics = there.tiles._statistics
    assert isinstance(layer, RelationLayer)
    statistics.spread(layer, there.catalog.postgis)
    # They are read one after the other: this one waits for that.
    assert known(app, "analysed") is not None
    assert statistics.spread(layer, there.catalog.postgis) is None
    assert known(app, "never") is None
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_awkward_names_have_statistics_too(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """CREATE SCHEMA "S ""q"; CREATE TABLE "S ""q"."T%s ""x" AS SELECT i AS id,
            ST_SetSRID(ST_MakePoint(i %% 100, i / 100), 4326)::geometry(Point, 4326) AS "the ""geom%%" FROM generate_series(1, 5000) AS i
            """.replace("%%", "%")
        )
        connection.execute("ANALYZE")
    app = make_app(database)
    [layer] = app.extensions["flagstone"].catalog.catalog().relations
    spread = known(app, layer.id)
    assert spread is not None
    assert spread.rows == pytest.approx(5000, rel=0.1)


def test_row_security_hides_the_statistics_of_the_rows_too(
    crowds: str, make_app: MakeApp, login: Login
) -> None:
    dsn = login(
        crowds, "flagstone_spread", "GRANT SELECT ON towns, pacific TO flagstone_spread", "ALTER TABLE towns ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON towns TO flagstone_spread USING (id < 10)",
    )  # fmt: skip
    try:
        app = make_app(dsn)
        assert known(app, "towns") is None
        assert known(app, "pacific") is not None
    finally:
        with psycopg.connect(crowds, autocommit=True) as connection:
            connection.execute("DROP POLICY few ON towns; ALTER TABLE towns DISABLE ROW LEVEL SECURITY")


def test_after_close_nothing_is_left_and_a_question_starts_anew(crowds: str, make_app: MakeApp) -> None:
    app = make_app(crowds)
    assert known(app, "pacific") is not None
    statistics: LayerStatistics = app.extensions["flagstone"].tiles._statistics
    thread = statistics._thread
    assert thread is not None
    statistics.close()
    thread.join(5)
    assert not thread.is_alive()
    assert known(app, "pacific") is not None
