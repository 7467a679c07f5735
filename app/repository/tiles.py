"""Runs the tile query: values of a request in, encoded layer out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isal import isal_zlib
from psycopg import OperationalError
from psycopg.errors import InvalidSqlStatementName

from ..errors import DatabaseDown, FlagstoneError, LayerChanged, QueryFailed
from ..layers.function import TileFunctionLayer
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from ..layers.row_function import RowFunctionLayer
from ..layers.sql_layer import SqlRowLayer, SqlTileLayer
from ..layers.tile import Tile
from . import filter_faults
from .connection import NoAnswer
from .far_rows import FarRows
from .filter_sql import Condition, condition
from .function_faults import explained
from .function_sql import call_text, call_values, given_names
from .grid_systems import GridSystems
from .placeholders import CalledRows, row_values, tile_values
from .pool import Pool, read_only
from .postgis import PostGIS
from .tile_search import Search, Way, parameters, search
from .tile_sql import sql_tile, tile_query
from .tile_texts import TileTexts

_GZIP = b"\x1f\x8b"
_LONG_TEXT = 8000
"""Bytes of a statement above which only the layer's own columns are worth what a plan takes in PostgreSQL's memory."""


@dataclass(frozen=True, slots=True)
class LayerTile:
    """One encoded MVT layer (not compressed), and whether the limit left rows out.

    `tag` is what a function gave for the ETag, `media_type` empty for a vector tile.
    """

    raw: bytes
    limited: bool
    tag: str | None = None
    media_type: str = ""


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
        self._far_rows = FarRows(pool)
        self._systems = GridSystems(pool)

    def read(self, request: LayerRequest, tile: Tile, postgis: PostGIS, until: float | None = None) -> LayerTile:
        """Encode one layer of a tile, until then (of time.monotonic) or within the time that one tile has.

        Raises LayerChanged, AccessDenied, TileTimeout, QueryFailed, PoolExhausted or DatabaseDown. Where the connection
        breaks (the database was restarted), the query is run once more, within the same time.
        """
        until = until or time.monotonic() + self._pool.tile_limit_s
        question = self._question(request, tile, postgis, until)
        try:
            return self._run(request, question, until)
        except DatabaseDown as error:
            if not isinstance(error.__cause__, OperationalError) or isinstance(error.__cause__, NoAnswer):
                raise
            return self._run(request, question, until)
        except QueryFailed as error:
            # A function that ran on this connection before threw away what was prepared there.
            if not isinstance(error.__cause__, InvalidSqlStatementName):
                raise
            return self._run(request, question, until)

    def _run(self, request: LayerRequest, question: Question, until: float) -> LayerTile:
        layer = request.layer
        try:
            with read_only(
                self._pool, request.identity, f"layer {layer.id}", runs_code=question.runs_code, until=until
            ) as cursor:
                row = cursor.execute(question.text, question.values, prepare=question.prepare).fetchone()
        except FlagstoneError as error:
            if isinstance(error, LayerChanged):
                error.layer_id, error.digest = layer.id, layer.digest
            if isinstance(layer, TileFunctionLayer):
                raise explained(error, request, layer, self._pool, until) from error.__cause__
            said = filter_faults.explained(error, request)
            if isinstance(layer, (RowFunctionLayer, SqlRowLayer, SqlTileLayer)):
                raise explained(said, request, layer, self._pool, until) from error.__cause__
            raise said from error.__cause__
        if row is None:
            return LayerTile(b"", False)
        if isinstance(layer, TileFunctionLayer):
            return _of_function(layer, row)
        return LayerTile(bytes(row[0] or b""), bool(row[1]))

    def _question(self, request: LayerRequest, tile: Tile, postgis: PostGIS, until: float) -> Question:
        layer = request.layer
        if isinstance(layer, TileFunctionLayer):
            given = given_names(request, layer)
            text = self._texts.text((layer.digest, given), lambda: call_text(layer, given))
            return Question(text, call_values(request, layer, tile), prepare=False, runs_code=True)
        if isinstance(layer, SqlTileLayer):
            values = tile_values(request, layer, tile, self._systems.srid(request.grid, postgis))
            text = self._texts.text((layer.digest, postgis), lambda: sql_tile(layer, postgis))
            return Question(text, values, prepare=False, runs_code=True)
        if not isinstance(layer, RowLayer):
            raise TypeError(f"{type(layer).__name__} has no tile query")
        found = search(
            request, layer, tile,
            comes_round=self._far_rows.of(layer, request.identity, postgis, until),
            grid_srid=self._systems.srid(request.grid, postgis),
        )  # fmt: skip
        chosen = None if request.filter is None else condition(request.filter, postgis)
        values = parameters(request, layer, tile, found)
        if isinstance(layer, CalledRows):
            values.update(row_values(request, layer, tile, found.grid_srid))
        if chosen is not None:
            values.update(chosen.values)
        text = self._text(request, layer, found, chosen, postgis)
        return Question(text, values, self._prepare(request, layer, tile, found, text), layer.runs_code)

    def _text(
        self, request: LayerRequest, layer: RowLayer, found: Search, chosen: Condition | None, postgis: PostGIS
    ) -> bytes:
        crs, who = request.grid.crs, request.identity
        names = tuple([c.name if c.configured is None else (c.name, c.configured) for c in request.columns])
        given = tuple([name for name, _ in request.arguments])
        condition_text = None if chosen is None else chosen.text.as_bytes(None)
        return self._texts.text(
            (layer.digest, who.role, crs, names, found.shape, condition_text, request.order, given, postgis),
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
        options = layer.options
        usual = request.filter is options.filter and request.order == options.rank
        if usual and request.columns == layer.columns_for(request.identity):
            return True
        return None if len(text) <= _LONG_TEXT else False


def _of_function(layer: TileFunctionLayer, row: Sequence[Any]) -> LayerTile:
    raw = bytes(row[0] or b"")
    if raw[:2] == _GZIP and not layer.is_raster:
        # No vector tile begins so: the function keeps its tiles compressed.
        try:
            raw = isal_zlib.decompress(raw, wbits=31)
        except isal_zlib.error as error:  # type: ignore[misc]  # its stub says it is no exception
            raise QueryFailed(f"What the function of layer {layer.id} returned is no whole gzip stream.") from error
    return LayerTile(raw, False, row[2], layer.media_type if layer.is_raster else "")


def _is_small(request: LayerRequest, tile: Tile) -> bool:
    return tile.z - request.grid.minzoom >= 8


def _has_few_rows(layer: RowLayer) -> bool:
    """Whether any plan reads it quickly, so that planning, 0.3 to 0.7 ms, would cost more than it saves."""
    return layer.estimated_rows is not None and layer.estimated_rows < 1000
