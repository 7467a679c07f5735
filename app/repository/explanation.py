"""How a tile of a layer of rows is made: what is looked at, what was left out and why, and what that cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from ..layers.band_layer import PiecedLayer
from ..layers.bounds import Bounds
from ..layers.how import How
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from ..layers.tile import Tile
from . import own_schema
from .bounded_tiles import Attempt
from .pool import Pool, read_only
from .postgis import PostGIS
from .tile_questions import Question, TileRows
from .tile_search import Way
from .tile_sql import count_query
from .tiles import Tiles

_TIMES_A_TILE = 5
"""To explain a tile may take as many times as long as to make it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`relation` is what is read, which may be a band of the layer's overview. `pieces` is the table where those of
    its heavy polygons are read. `boxes` are in `crs`, `rows` meet them. `plan` is what PostgreSQL says of the last statement, where it was asked."""

    layer: str
    relation: str
    how: How
    way: str
    pieces: str | None
    crs: str
    boxes: tuple[Bounds, ...]
    rows: int
    limit: int
    budget: int
    attempts: tuple[Attempt, ...]
    raw: bytes
    ms: float
    plan: tuple[str, ...] = ()


def explain(
    tiles: Tiles, pool: Pool, request: LayerRequest, tile: Tile, postgis: PostGIS, *, analyze: bool
) -> Explanation:
    """Make the tile and say how. TypeError for a layer whose tiles other people's code makes."""
    if not isinstance(request.layer, RowLayer):
        raise TypeError(f"{request.layer.id} has no rows")
    until = time.monotonic() + pool.tile_limit_s * _TIMES_A_TILE
    rows = tiles.rows(request, tile, postgis, until)
    began = time.perf_counter()
    made = tiles.read(request, tile, postgis)
    ms = (time.perf_counter() - began) * 1000
    last = made.attempts[-1]
    question = (
        tiles.questions.selection(rows, last.pixels, last.limit, needed=True)
        if last.pixels
        else tiles.questions.whole(rows, last.limit)
    )
    return Explanation(
        layer=request.layer.id,
        relation=f"{rows.layer.schema}.{rows.layer.name}" if rows.layer.schema else rows.layer.id,
        how=made.how,
        way=rows.search.way.value,
        pieces=_pieces(rows.layer),
        crs="the grid's CRS" if rows.search.way is Way.TRANSFORM else f"SRID {rows.layer.geometry.crs.srid}",
        boxes=(*rows.search.boxes, *rows.search.around),
        rows=_count(pool, rows, question, until),
        limit=request.limit,
        budget=request.budget,
        attempts=made.attempts,
        raw=made.raw,
        ms=ms,
        plan=_plan(pool, rows, question, until) if analyze else (),
    )


def _pieces(layer: RowLayer) -> str | None:
    return f"{own_schema.SCHEMA}.{layer.pieces.table}" if isinstance(layer, PiecedLayer) else None


def _count(pool: Pool, rows: TileRows, question: Question, until: float) -> int:
    text = count_query(rows.request, rows.layer, rows.search, rows.condition, rows.postgis)
    [(number,)] = _first(pool, rows, text, question, until)
    return int(number)


def _plan(pool: Pool, rows: TileRows, question: Question, until: float) -> tuple[str, ...]:
    """With the plan for this tile: the server's generic plan of a prepared statement may be another."""
    text = sql.SQL("EXPLAIN (ANALYZE, BUFFERS) ").as_bytes(None) + question.text
    return tuple(str(row[0]) for row in _first(pool, rows, text, question, until))


def _first(
    pool: Pool, rows: TileRows, text: sql.Composed | bytes, question: Question, until: float
) -> list[tuple[Any, ...]]:
    with read_only(
        pool, rows.request.identity, f"layer {rows.layer.id}", runs_code=question.runs_code, until=until
    ) as connection:
        return connection.execute(text, question.values, prepare=False).fetchall()
