"""Runs the tile query: values of a request in, encoded layer out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import OperationalError

from ..errors import DatabaseDown, LayerChanged
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from ..layers.tile import Tile
from .connection import NoAnswer
from .filter_sql import Condition, condition
from .pool import Pool, read_only
from .postgis import PostGIS
from .tile_search import Search, Way, parameters, search
from .tile_sql import tile_query
from .tile_texts import TileTexts

_LONG_TEXT = 8000
"""Bytes of a statement above which only the layer's own columns are worth what a plan takes in PostgreSQL's memory."""


@dataclass(frozen=True, slots=True)
class LayerTile:
    """One encoded MVT layer (not compressed), and whether the limit left rows out."""

    raw: bytes
    limited: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A statement with its values. `prepare` as psycopg has it; `runs_code` says whether it needs a transaction."""

    text: bytes
    values: Mapping[str, object]
    prepare: bool | None
    runs_code: bool


class Tiles:
    """The tile query on a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._texts = TileTexts()

    def read(self, request: LayerRequest, tile: Tile, postgis: PostGIS, until: float | None = None) -> LayerTile:
        """Encode one layer of a tile, until then (of time.monotonic) or within the time that one tile has.

        Raises LayerChanged, AccessDenied, TileTimeout, QueryFailed, PoolExhausted or DatabaseDown. Where the connection
        breaks (the database was restarted), the query is run once more, within the same time.
        """
        until = until or time.monotonic() + self._pool.tile_limit_s
        question = self._question(request, tile, postgis)
        try:
            return self._run(request, question, until)
        except DatabaseDown as error:
            if not isinstance(error.__cause__, OperationalError) or isinstance(error.__cause__, NoAnswer):
                raise
            return self._run(request, question, until)

    def _run(self, request: LayerRequest, question: Question, until: float) -> LayerTile:
        layer = request.layer
        try:
            with read_only(
                self._pool, request.identity, f"layer {layer.id}", runs_code=question.runs_code, until=until
            ) as cursor:
                row = cursor.execute(question.text, question.values, prepare=question.prepare).fetchone()
        except LayerChanged as error:
            error.layer_id, error.digest = layer.id, layer.digest
            raise
        if row is None:
            return LayerTile(b"", False)
        return LayerTile(bytes(row[0] or b""), bool(row[1]))

    def _question(self, request: LayerRequest, tile: Tile, postgis: PostGIS) -> Question:
        layer = request.layer
        if not isinstance(layer, RowLayer):
            raise TypeError(f"{type(layer).__name__} has no tile query")
        found = search(request, layer, tile)
        chosen = None if request.filter is None else condition(request.filter)
        values = parameters(request, layer, tile, found)
        if chosen is not None:
            values.update(chosen.values)
        text = self._text(request, layer, found, chosen, postgis)
        return Question(text, values, self._prepare(request, layer, tile, found, text), layer.runs_code)

    def _text(
        self, request: LayerRequest, layer: RowLayer, found: Search, chosen: Condition | None, postgis: PostGIS
    ) -> bytes:
        srid, who = request.grid.crs.srid, request.identity
        names = tuple([column.name for column in request.columns])
        condition_text = None if chosen is None else chosen.text.as_bytes(None)
        return self._texts.text(
            (layer.digest, who.role, srid, names, found.shape, condition_text, request.order, postgis),
            lambda: tile_query(request, layer, found, chosen, postgis).as_bytes(None),
        )

    def _prepare(self, request: LayerRequest, layer: RowLayer, tile: Tile, found: Search, text: bytes) -> bool | None:
        """Whether the statement is prepared: at once, never, or (None) on a connection that has run it five times.

        Whoever asks can name columns in endless ways. What is prepared takes memory of each connection's server process.
        """
        # The ROLLBACK of a transaction makes psycopg forget all that is prepared on its connection.
        lasts = not (self._pool.transaction_pooling or layer.runs_code) and request.identity.is_plain
        # A tile that takes in much of a large layer is planned for its own box; all others share one generic plan.
        shares_plan = _is_small(request, tile) or _has_few_rows(layer)
        if found.way is not Way.INDEX or not lasts or not shares_plan:
            return False
        if request.columns == layer.columns_for(request.identity) and request.filter is layer.options.filter:
            return True
        return None if len(text) <= _LONG_TEXT else False


def _is_small(request: LayerRequest, tile: Tile) -> bool:
    return tile.z - request.grid.minzoom >= 8


def _has_few_rows(layer: RowLayer) -> bool:
    """Whether any plan reads it quickly, so that planning, 0.3 to 0.7 ms, would cost more than it saves."""
    return layer.estimated_rows is not None and layer.estimated_rows < 1000
