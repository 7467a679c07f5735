"""How PostgreSQL would run the statement of a tile."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import psycopg
from flask import Flask

from app.layers.identity import ANONYMOUS
from app.layers.member import Member
from app.layers.request import layer_requests
from app.layers.tile import Tile


def plan_of(app: Flask, layer_id: str, tile: Tile, query: Mapping[str, Sequence[str]] | None = None) -> str:
    """The plan of the first rows of a tile in Web Mercator, with the values of its parameters."""
    there = app.extensions["flagstone"]
    layer = there.catalog.catalog().layer(layer_id, ANONYMOUS)
    grid = there.grids.get("WebMercatorQuad")
    [request] = layer_requests((Member(layer_id, layer),), grid, query or {}, there.settings, ANONYMOUS)
    tiles = there.reader._tiles
    rows = tiles.rows(request, tile, there.catalog.postgis, time.monotonic() + 10)
    question = tiles.questions.whole(rows, request.limit)
    with psycopg.connect(there.settings.database_url.get_secret_value()) as connection:
        return "\n".join(line for (line,) in connection.execute(b"EXPLAIN " + question.text, question.values))
