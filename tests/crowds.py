"""A database with more rows than a tile may hold, for tests that do not change it, and its tiles past HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from flask import Flask
from mapbox_vector_tile import decode

from app.layers.bounds import Bounds
from app.layers.identity import ANONYMOUS
from app.layers.member import Member
from app.layers.request import grid_for, layer_requests
from app.layers.tile import Tile
from app.repository.pool import read_only
from app.repository.tile_questions import TileRows
from app.repository.tile_search import polygon
from tests.conftest import ODDITIES
from tests.servers.postgres import DatabaseServer


@contextmanager
def crowded(server: DatabaseServer, template: str) -> Iterator[str]:
    """URL of a database with tests/oddities/crowds.sql in it."""
    dsn = server.create(template)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute((ODDITIES / "crowds.sql").read_bytes())
        yield dsn
    finally:
        server.drop(dsn)


def rows_of(app: Flask, layer_id: str, tile: Tile, grid_id: str | None = None, **given: str) -> TileRows:
    """Where a tile's rows are looked for."""
    there = app.extensions["flagstone"]
    with app.app_context():
        layer = there.catalog.layer(layer_id, ANONYMOUS)
        grid = grid_for(there.grids, grid_id, there.settings)
        arguments = {name: [value] for name, value in given.items()}
        [request] = layer_requests([Member(layer_id, layer)], grid, arguments, there.settings, ANONYMOUS)
        rows: TileRows = there.tiles.rows(request, tile, there.catalog.postgis, time.monotonic() + 60)
        return rows


def widened(rows: TileRows, box: Bounds, times: int) -> TileRows:
    """The same for a box of so many tiles along each edge, of the same zoom. Without a buffer, and where the grid's CRS is
    the layer's own."""
    text = f"BOX({box.xmin!r} {box.ymin!r},{box.xmax!r} {box.ymax!r})"
    outline = polygon(box, rows.request.grid.crs.srid)
    values = {
        **rows.values,
        "envelope": text,
        "resolution": rows.request.resolution * times,
        "shown": outline,
    }
    found = [replace(rows.search, boxes=(each,)) for each in (box,)]
    return replace(
        rows, search=found[0], values=values | {"search": outline, "clip": text, "clip_geometry": outline}
    )


def selected(app: Flask, rows: TileRows, pixels: int = 8, limit: int = 10_000) -> list[dict[str, Any]]:
    """The features of the choice by cells."""
    there = app.extensions["flagstone"]
    question = there.tiles.questions.selection(rows, pixels, limit, needed=True)
    with read_only(there.pool, ANONYMOUS, "test") as cursor:
        row = cursor.execute(question.text, question.values, prepare=False).fetchone()
    assert row is not None
    layers = decode(bytes(row[0]), default_options={"y_coord_down": True}) if row[0] else {}
    return [feature for layer in layers.values() for feature in layer["features"]]
