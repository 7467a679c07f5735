"""Statements are kept and prepared within bounds, whatever columns a client asks for."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import psycopg
import pytest

from app.layers.column import Column
from app.layers.identity import ANONYMOUS
from app.layers.member import Member
from app.layers.request import grid_for, layer_requests
from app.repository.tile_texts import TileTexts
from tests.conftest import MakeApp
from tests.tile_decoding import attributes, get

TILE = "8/134/89"
COLUMNS = [f"value_{number}" for number in range(40)]


@pytest.fixture
def wide(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        columns = ", ".join(f"{name} int DEFAULT 1" for name in COLUMNS)
        connection.execute(f"CREATE TABLE wide (id int PRIMARY KEY, geom geometry(Point, 4326), {columns})".encode())
        connection.execute("INSERT INTO wide VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")
    return database


def test_texts_are_bounded_in_bytes_and_the_oldest_goes_first() -> None:
    texts = TileTexts(most_bytes=20_000)
    for number in range(100):
        assert texts.text(number, lambda: bytes(1_000)) == bytes(1_000)
        assert texts.text("kept", lambda: b"in use") == b"in use"
        assert texts.bytes <= 20_000
    composed: list[object] = []

    def compose() -> bytes:
        composed.append(1)
        return b"anew"

    assert [texts.text(key, compose) for key in ("kept", 99, 0)] == [b"in use", bytes(1_000), b"anew"]
    assert len(composed) == 1
    assert texts.text("huge", lambda: bytes(50_000)) == bytes(50_000)
    assert texts.bytes <= 20_000


def test_columns_in_endless_ways_are_neither_all_kept_nor_prepared(wide: str, make_app: MakeApp) -> None:
    app = make_app(wide, CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="1")
    there = app.extensions["flagstone"]
    there.reader._tiles._texts = texts = TileTexts(most_bytes=200_000)
    draw = random.Random(20260601)
    for _ in range(150):
        chosen = draw.sample(COLUMNS, 15)
        [found] = attributes(app, f"/tiles/wide/{TILE}?columns={','.join(chosen)}")
        assert found == dict.fromkeys(chosen, 1)
    assert texts.bytes <= 200_000
    for _ in range(8):
        get(app, f"/tiles/wide/{TILE}")
        get(app, f"/tiles/wide/{TILE}?columns={COLUMNS[0]}")
    with there.pool.borrowed("test") as connection:
        prepared = connection.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert len(prepared) == 2, "the layer's own columns, and those that were asked for again and again"


def test_lists_of_columns_are_told_apart_whatever_is_in_their_names(wide: str, make_app: MakeApp) -> None:
    app = make_app(wide)
    there = app.extensions["flagstone"]
    layer = there.catalog.layer("wide", ANONYMOUS)
    grid = grid_for(there.grids, None, there.settings)
    [request] = layer_requests([Member("wide", layer)], grid, {}, there.settings, ANONYMOUS)
    names = ["a", "b", "a\x1fb", "b\x1fa", "1.a", "1.a1.b", "a1.b", "*", "3", "é"]
    lists = [chosen for count in range(4) for chosen in itertools.permutations(names, count)]
    texts = {
        replace(request, columns=tuple(Column(name, "integer", "int4", "N") for name in chosen)).parameters for chosen in lists
    }
    assert len(texts) == len(lists)
