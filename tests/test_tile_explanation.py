"""`flask tiles explain`: how a tile is made, told at a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.crowds import crowded
from tests.overview_builds import overview
from tests.servers.postgres import DatabaseServer
from tests.test_cli import flask


@pytest.fixture(scope="module")
def crowds(server: DatabaseServer, template: str) -> Iterator[str]:
    with crowded(server, template) as dsn:
        yield dsn


def explained(dsn: str, *arguments: str, **variables: str) -> list[dict[str, Any]]:
    answer = flask("tiles", "explain", *arguments, "--format", "json", dsn=dsn, **variables)
    assert answer.returncode == 0, answer.stderr
    documents: list[dict[str, Any]] = json.loads(answer.stdout)
    return documents


def test_a_whole_tile_takes_one_statement(crowds: str) -> None:
    [document] = explained(crowds, "towns", "3", "4", "3")
    assert (document["layer"], document["how"], document["reads"]) == ("public.towns", "full", "public.towns")
    assert "spatial index" in document["search"]
    assert document["boxes"][0] == pytest.approx([-2.8125, -2.811, 47.8125, 43.069], abs=0.001)
    [attempt] = document["attempts"]
    assert attempt["cell_pixels"] == 0
    assert attempt["offered"] == document["rows"] == document["drawn"] + document["not_drawn"]
    assert document["compressed_bytes"] < document["bytes"]
    assert document["column_bytes"].keys() == {"id", "people", "kind"}
    assert document["plan"] == []


def test_what_the_limit_led_to_is_told_step_by_step(crowds: str) -> None:
    [document] = explained(crowds, "towns", "0", "0", "0", FLAGSTONE_MAX_FEATURES="150")
    assert document["how"] == "sampled"
    assert document["rows"] == 12000
    assert [each["cell_pixels"] for each in document["attempts"]] == [0, 8, 16, 32]
    assert document["drawn"] <= 150
    assert "feature_count" in document["column_bytes"]


def test_the_database_s_plan_is_that_of_the_last_statement(crowds: str) -> None:
    answer = flask("tiles", "explain", "towns", "0", "0", "0", "--analyze", dsn=crowds)
    assert answer.returncode == 0, answer.stderr
    for words in (
        "sampled, one feature of each cell of 8 pixels",
        "12000 rows meet the tile",
        "HashAggregate",
        "Execution Time",
    ):
        assert words in answer.stdout


def test_each_layer_of_a_composite_is_explained(crowds: str) -> None:
    documents = explained(crowds, "towns,lines", "0", "0", "0", "--param", "lines.limit=5")
    assert [(each["layer"], each["how"]) for each in documents] == [
        ("public.towns", "sampled"),
        ("public.lines", "limited"),
    ]


def test_a_function_s_tile_is_its_own_affair(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION made(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS 'SELECT NULL::bytea'"
        )
    answer = flask("tiles", "explain", "made", "0", "0", "0", dsn=database)
    assert answer.returncode == 0, answer.stderr
    assert "made by a function" in answer.stdout


@pytest.mark.parametrize(("arguments", "said"), [
    (("twons", "0", "0", "0"), "Did you mean"), (("towns", "0", "1", "0"), "outside"), (("towns", "0", "0", "0", "--param", "limit"), "NAME=VALUE"),
])  # fmt: skip
def test_what_cannot_be_explained_says_why(crowds: str, arguments: tuple[str, ...], said: str) -> None:
    answer = flask("tiles", "explain", *arguments, dsn=crowds)
    assert answer.returncode > 0
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


def test_pieces_of_heavy_polygons_are_named(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE land (id int PRIMARY KEY, geom geometry(Polygon, 4326))")
        connection.execute("INSERT INTO land VALUES (1, ST_Buffer('SRID=4326;POINT(9 47)'::geometry, 5, 2000))")
        connection.execute("ANALYZE land")
    number = overview(database, "public.land", [], pieces=True)
    [document] = explained(database, "land", "5", "16", "11")
    assert (document["reads"], document["pieces"]) == ("public.land", f"flagstone.overview_{number}_pieces")
    assert document["crs"] == "SRID 4326"
    answer = flask("tiles", "explain", "land", "5", "16", "11", dsn=database)
    assert f"and of heavy polygons their pieces in flagstone.overview_{number}_pieces" in answer.stdout
    assert "1 rows meet the tile's box" in answer.stdout
