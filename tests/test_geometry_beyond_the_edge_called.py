"""What functions and statements return beyond ±180 is drawn on the other side, as rows of tables are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from shapely.geometry import box
from shapely.ops import unary_union

from app.layers.tile import Tile
from tests.conftest import MakeApp
from tests.plans import plan_of
from tests.tile_decoding import attributes, drawn, features
from tests.whole_world import ACROSS, EDGE, RING, assert_same, mercator_box, whole

TURNS = "geom && {0} OR geom && ST_Translate({0}, 360, 0) OR geom && ST_Translate({0}, -360, 0)"
"""What a statement says that looks at the box, and whose table holds longitudes of 0 to 360."""


@pytest.fixture
def tables(database: str) -> str:
    """Longitudes of 0 to 360: a ring from 170 to 190, and points."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"""
            CREATE TABLE far (id int PRIMARY KEY, geom geometry(Geometry, 4326));
            INSERT INTO far VALUES (1, 'SRID=4326;{RING.format(170, 190)}'), (2, 'SRID=4326;POINT(350 10)'), (3, 'SRID=4326;POINT(10 10)');
            CREATE INDEX far_geom ON far USING gist (geom);
            CREATE FUNCTION every_row() RETURNS SETOF far LANGUAGE sql STABLE AS 'SELECT * FROM far';
            CREATE FUNCTION untyped() RETURNS TABLE (id int, geom geometry) LANGUAGE plpgsql STABLE AS
                $$ BEGIN RETURN QUERY SELECT far.id, far.geom FROM far; END $$;
            CREATE FUNCTION by_box(bounds geometry) RETURNS SETOF far LANGUAGE sql STABLE AS
                $$ SELECT * FROM far WHERE {TURNS.format("bounds")} $$;
        """.encode())
    return database


@pytest.fixture
def called(make_app: MakeApp, tables: str, tmp_path: Path) -> Callable[..., Flask]:
    """`called(name=text, …)`: an application over the functions and these statements."""

    def make(**statements: str) -> Flask:
        for name, text in statements.items():
            (tmp_path / f"{name}.sql").write_text(f"-- id_column: id\n{text}")
        (tmp_path / "layers.toml").write_text("".join(f'[layers."public.{name}"]\nid = "id"\n' for name in ("every_row", "untyped", "by_box")))
        return make_app(
            tables, FLAGSTONE_ROW_FUNCTIONS="*", FLAGSTONE_SQL_DIRECTORY=str(tmp_path), FLAGSTONE_LAYERS_FILE=str(tmp_path / "layers.toml"),
        )  # fmt: skip

    return make


def _shown(app: Flask, layer: str, zoom: int) -> None:
    found = whole(app, zoom, layer)
    assert found.keys() == {1, 2, 3}
    assert_same(found[1], ACROSS, zoom)
    assert found[2].distance(mercator_box(-10, 10, -10, 10)) < 1 / 4096
    assert found[3].distance(mercator_box(10, 10, 10, 10)) < 1 / 4096


@pytest.mark.parametrize("zoom", [0, 1, 3])
@pytest.mark.parametrize("layer", ["every_row", "untyped", "by_box"])
def test_rows_of_a_function_are_on_both_sides(called: Callable[..., Flask], layer: str, zoom: int) -> None:
    _shown(called(), f"public.{layer}", zoom)


@pytest.mark.parametrize("zoom", [0, 1, 3])
@pytest.mark.parametrize("text", ["SELECT * FROM far", "SELECT id, geom::geometry AS geom FROM far", f"SELECT * FROM far WHERE {TURNS.format(':bounds')}"])
def test_rows_of_a_statement_are_on_both_sides(called: Callable[..., Flask], text: str, zoom: int) -> None:
    _shown(called(it=text), "it", zoom)


def test_each_row_comes_once_and_counts_once(called: Callable[..., Flask]) -> None:
    app = called(it=f"SELECT * FROM far WHERE {TURNS.format(':bounds')}")
    assert [row["id"] for row in attributes(app, "/tiles/it/0/0/0")] == [1, 2, 3]
    assert [row["id"] for row in attributes(app, "/tiles/it/0/0/0?limit=2")] == [1, 2]
    assert [row["id"] for row in attributes(app, "/tiles/it/0/0/0?filter=id%3E1")] == [2, 3]


def test_a_statement_that_asks_for_the_box_alone_shows_what_it_returns(called: Callable[..., Flask]) -> None:
    app = called(it="SELECT * FROM far WHERE geom && :bounds")
    [ring] = features(app, "/tiles/it/3/7/3?buffer=0")
    west, _, east, _ = drawn(ring).bounds
    assert (west, east) == (pytest.approx(4096 * 35 / 45, abs=1), 4096)
    assert features(app, "/tiles/it/3/0/3?buffer=0") == []


def test_rows_in_web_mercator_come_round_too(called: Callable[..., Flask]) -> None:
    app = called(it=f"SELECT 1 AS id, ST_MakeEnvelope({EDGE} - 1000000, 0, {EDGE} + 1000000, 1000000, 3857)::geometry(Polygon, 3857) AS geom")
    part = 1000000 / EDGE / 2
    expected = unary_union([box(1 - part, 0.5 - part, 1, 0.5), box(0, 0.5 - part, part, 0.5)])
    for zoom in range(3):
        assert_same(whole(app, zoom, "it")[1], expected, zoom)


def test_the_three_boxes_of_a_statement_use_the_index_of_its_table(called: Callable[..., Flask], tables: str) -> None:
    with psycopg.connect(tables, autocommit=True) as connection:
        connection.execute("INSERT INTO far SELECT n, ST_SetSRID(ST_MakePoint(n % 360, n % 170 - 85), 4326) FROM generate_series(4, 50000) AS n")
        connection.execute("ANALYZE far")
    plan = plan_of(called(it=f"SELECT * FROM far WHERE {TURNS.format(':bounds')}"), "it", Tile(8, 10, 120))
    assert "far_geom" in plan
    assert "Seq Scan on far" not in plan
