"""How a tile of a layer of rows is made: what is looked at, what was left out and why, and what that cost."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from psycopg import Cursor, sql

from ..layers.band_layer import PiecedLayer
from ..layers.bounds import Bounds
from ..layers.how import How
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from ..layers.tile import Tile
from . import own_schema
from .bounded_tiles import Attempt
from .connection import BoundedConnection
from .numbered import numbered
from .planning import Plan, is_shared, planned
from .pool import Pool, read_only
from .postgis import PostGIS
from .tile_questions import Question, TileRows
from .tile_search import Way
from .tile_sql import count_query
from .tiles import Tiles

_PREPARED = b'"flagstone explain"'
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
    with _reading(pool, rows, question, until) as connection, planned(connection, Plan.OWN):
        [(number,)] = connection.execute(text, question.values, prepare=False)
    return int(number)


def _plan(pool: Pool, rows: TileRows, question: Question, until: float) -> tuple[str, ...]:
    """The plan that the tile is made with: the one for any tile where that is shared, else the one for this tile."""
    analyze = b"EXPLAIN (ANALYZE, BUFFERS) "
    with _reading(pool, rows, question, until) as connection:
        if not is_shared(connection, question.plan):
            return _lines(connection.execute(analyze + question.text, question.values, prepare=False))
        text, names = numbered(question.text)
        values = sql.SQL(", ").join(sql.Literal(question.values[name]) for name in names)
        connection.execute(b"PREPARE %b AS %b" % (_PREPARED, text), prepare=False)
        try:
            return _lines(connection.execute(analyze + b"EXECUTE %b (%b)" % (_PREPARED, values.as_bytes(connection))))
        finally:
            connection.execute(b"DEALLOCATE %b" % _PREPARED, prepare=False)


def _lines(plan: Cursor[Any]) -> tuple[str, ...]:
    return tuple(str(row[0]) for row in plan)


def _reading(pool: Pool, rows: TileRows, question: Question, until: float) -> AbstractContextManager[BoundedConnection]:
    return read_only(
        pool, rows.request.identity, f"layer {rows.layer.id}", runs_code=question.runs_code, until=until
    )
