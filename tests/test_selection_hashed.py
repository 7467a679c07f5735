"""The choice by cells without a sort gives what the choice with one gives, in any order and for any keys."""

from __future__ import annotations

import random

import psycopg
import pytest
from flask import Flask

from app.layers.tile import Tile
from tests.conftest import MakeApp
from tests.crowds import rows_of, selected

_RANKS = ("small int2", "whole int4", "long int8", "single float4", "double float8")
_LONG = [
    None,
    0,
    -1,
    1,
    2**32,
    2**32 + 1,
    -(2**32),
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**63 - 1,
    -(2**63),
    2**63 - 2,
]
_FLOATS = [None, "NaN", "Infinity", "-Infinity", 0.0, "-0", 1.5, -1.5, 1e-30]


def _rows(drawn: random.Random, geometry: str, rows: int) -> list[tuple[object, ...]]:
    """Rows in few places, with few different ranks: most of them are decided by what comes next in the order."""
    made: list[tuple[object, ...]] = []
    keys = {each for each in _LONG if each is not None} | {
        drawn.randrange(-(2**63), 2**63) for _ in range(rows)
    }
    for key in drawn.sample(sorted(keys), rows):
        x, y, half = (
            drawn.uniform(-30, 30),
            drawn.uniform(-30, 30),
            drawn.choice([0.0, 0.1, 0.1, 2.8, 2.8125, 4.0]),
        )
        text: str | None = f"POINT({x} {y})"
        if geometry == "Polygon":
            text = f"POLYGON(({x - half} {y - half},{x + half} {y - half},{x + half} {y + half},{x - half} {y + half},{x - half} {y - half}))"
        text = drawn.choice([text] * 30 + [None, f"{geometry.upper()} EMPTY"])
        ranks = [drawn.choice([None, -1, 0, 1]), drawn.choice([None, -(2**31), 2**31 - 1, 0]), drawn.choice(_LONG),
                 drawn.choice(_FLOATS), drawn.choice(_FLOATS)]  # fmt: skip
        made.append((key, *ranks, text))
    return made


@pytest.fixture(params=["Point", "Polygon"])
def pair(request: pytest.FixtureRequest, database: str, make_app: MakeApp) -> Flask:
    """`by_number` has a key of one integer; `by_two` the same rows with a key of two columns, which are sorted."""
    seed = random.randrange(10**6)
    print("seed", seed)
    rows = _rows(random.Random(seed), request.param, 700)
    columns = ", ".join(f'"{each.split()[0]}" {each.split()[1]}' for each in _RANKS)
    with psycopg.connect(database, autocommit=True) as connection:
        for name, key in (("by_number", "PRIMARY KEY (id)"), ("by_two", "PRIMARY KEY (id, other)")):
            connection.execute(
                f"CREATE TABLE {name} (id int8, other int DEFAULT 0, {columns}, geom geometry({request.param}, 4326), {key})".encode()
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    f"INSERT INTO {name} VALUES (%s, 0, %s, %s, %s, %s, %s, ST_GeomFromText(%s, 4326))".encode(),
                    rows,
                )
    return make_app(database, CACHE_TYPE="NullCache")


def _found(
    app: Flask, layer: str, tile: Tile, pixels: int, sortby: str
) -> tuple[bool, list[tuple[int, int, str]]]:
    given = {"sortby": sortby} if sortby else {}
    rows = rows_of(app, f"public.{layer}", tile, columns="id,feature_count", **given)
    question = app.extensions["flagstone"].tiles.questions.selection(rows, pixels, 10_000, needed=True)
    features = [
        (each["properties"]["id"], each["properties"]["feature_count"], repr(each["geometry"]))
        for each in selected(app, rows, pixels)
    ]
    return b"row_number()" in question.text, features


_ORDERS = [
    "",
    *(sign + each.split()[0] for each in _RANKS for sign in ("", "-")),
    "-single,whole",
    "small,-long",
]


def test_what_is_hashed_and_what_is_sorted_are_the_same_features_in_the_same_order(pair: Flask) -> None:
    for sortby in _ORDERS:
        for tile, pixels in (
            (Tile(0, 0, 0), 8),
            (Tile(2, 1, 1), 8),
            (Tile(2, 1, 1), 64),
            (Tile(4, 8, 7), 32),
        ):
            sorts, hashed = _found(pair, "by_number", tile, pixels, sortby)
            assert not sorts
            sorts, by_window = _found(pair, "by_two", tile, pixels, sortby)
            assert sorts
            assert hashed == by_window
            assert hashed or tile.z == 4


def test_an_order_that_no_number_stands_for_is_sorted(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE named (id int PRIMARY KEY, name text, price numeric, geom geometry(Point, 4326))"
        )
        connection.execute(
            "INSERT INTO named VALUES (1, 'b', 2.5, 'SRID=4326;POINT(1 1)'), (2, 'a', 10, 'SRID=4326;POINT(1 1)')"
        )
    app = make_app(database)
    for sortby, first in (("name", 2), ("-name", 1), ("price", 1), ("-price", 2)):
        sorts, features = _found(app, "named", Tile(0, 0, 0), 8, sortby)
        assert sorts
        assert [each[:2] for each in features] == [(first, 2)]
