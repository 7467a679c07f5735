"""Runs the tile query: values of a request in, encoded layer out."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import OperationalError
from psycopg.errors import InternalError_, InvalidSqlStatementName

from ..errors import DatabaseDown, FlagstoneError, LayerChanged, QueryFailed, RowsAtFault
from ..layers.band_layer import BandLayer
from ..layers.function import TileFunctionLayer
from ..layers.how import How
from ..layers.layer import Layer, RowLayer
from ..layers.relation import RelationLayer
from ..layers.request import LayerRequest
from ..layers.tile import Tile
from ..layers.vector_tile import is_vector_tile
from . import filter_faults
from .bounded_tiles import Attempt, LimitedZooms, within_bounds
from .connection import NoAnswer
from .far_rows import FarRows, Stamp, unstamped
from .function_faults import explained, of_unknown_system
from .grid_systems import GridSystems
from .numbered import execute
from .planning import planned
from .pool import Pool, read_only
from .postgis import PostGIS
from .statistics import LayerStatistics
from .tile_questions import Question, Questions, TileRows, tile_rows
from .tile_size import refuse_size, unpacked

log = logging.getLogger(__name__)

_GZIP = b"\x1f\x8b"
WEIGHED_PER_S = 1_000_000
"""Rows that a choice by cells looks at in a second: 1.1 million of polygons, on two cores that others used too."""
_FAR = 4
"""How much fewer rows than the limit are surely fewer."""


@dataclass(frozen=True, slots=True)
class LayerTile:
    """One encoded MVT layer (not compressed), and how much of what there is it shows.

    `tag` is what a function gave for the ETag, `media_type` empty for a vector tile. `attempts` are the statements that
    were run for a layer of rows, the last one made the tile.
    """

    raw: bytes
    how: How = How.FULL
    tag: str | None = None
    media_type: str = ""
    attempts: tuple[Attempt, ...] = ()


class Tiles:
    """The tile query on a pool of connections."""

    def __init__(self, pool: Pool, *, most_bytes: int) -> None:
        self._pool = pool
        self._most_bytes = most_bytes
        self.questions = Questions(keeps_prepared=not pool.transaction_pooling, most_bytes=most_bytes)
        self._limited = LimitedZooms()
        self._far_rows = FarRows(pool)
        self._statistics = LayerStatistics(pool)
        self._systems = GridSystems(pool)

    def close(self) -> None:
        """Stop reading statistics in the background."""
        self._statistics.close()

    def read(
        self, request: LayerRequest, tile: Tile, postgis: PostGIS, until: float | None = None, stamp: Stamp = unstamped
    ) -> LayerTile:
        """Encode one layer of a tile, until then (of time.monotonic) or within the time that one tile has.

        Raises LayerChanged, AccessDenied, TileTimeout, QueryFailed, PoolExhausted or DatabaseDown. Where the connection
        breaks (the database was restarted), the query is run once more, within the same time. `stamp` gives a word for the layer's
        rows (`far_rows.Stamp`).
        """
        until = until or time.monotonic() + self._pool.tile_limit_s
        if isinstance(request.layer, RowLayer):
            return self._of_rows(request, tile, postgis, until, stamp)
        question = self.questions.of_code(request, tile, postgis, self._systems.srid(request.grid, postgis))
        row = self._asked(request, question, until)
        return LayerTile(b"") if row is None else self._of_code(request.layer, row)

    def _of_rows(self, request: LayerRequest, tile: Tile, postgis: PostGIS, until: float, stamp: Stamp) -> LayerTile:
        rows = self.rows(request, tile, postgis, until, stamp)
        known = (rows.layer.digest, request.identity, request.grid.key, request.filter, request.limit, tile.z)

        def attempt(question: Question, limit: int, pixels: int) -> Attempt:
            began = time.perf_counter()
            row = self._asked(rows.request, question, until)
            raw, offered = (b"", 0) if row is None else (bytes(row[0] or b""), int(row[1]))
            return Attempt(raw, limit, offered, pixels, (time.perf_counter() - began) * 1000)

        bounded = within_bounds(
            request.limit, request.budget,
            whole=lambda limit: attempt(self.questions.whole(rows, limit), limit, 0),
            select=lambda pixels, limit, needed: attempt(self.questions.selection(rows, pixels, limit, needed=needed), limit, pixels),
            by_cells=not request.limit_is_asked and not self._limited.is_slow(known) and not self._are_too_many(rows, until),
            limited_first=_is_probably_limited(rows, request.limit, known=known in self._limited),
        )  # fmt: skip
        if bounded.too_slow:
            log.warning(
                "layer %s: choosing features by cells at zoom %d takes longer than a tile may; its tiles are limited there."
                " Overviews make it fast.", rows.layer.id, tile.z,
            )  # fmt: skip
            self._limited.learn_slow(known)
        if not request.limit_is_asked:
            self._limited.learn(known, limited=bounded.met_the_limit)
        how = How.OVERVIEW if bounded.how is How.FULL and isinstance(rows.layer, BandLayer) else bounded.how
        return LayerTile(bounded.raw, how, attempts=bounded.attempts)

    def rows(self, request: LayerRequest, tile: Tile, postgis: PostGIS, until: float, stamp: Stamp = unstamped) -> TileRows:
        """Where the rows of a tile are looked for."""
        return tile_rows(
            request, tile, postgis, self._systems.srid(request.grid, postgis),
            lambda layer: self._far_rows.of(layer, request.identity, postgis, until, stamp), self._most_bytes,
            lambda layer: self._statistics.spread(layer, postgis),
        )  # fmt: skip

    def _are_too_many(self, rows: TileRows, until: float) -> bool:
        """Whether more rows meet the tile than a choice by cells can look at in its time. All workers say the same: it is
        decided by the database's statistics. Only layers that have as many are looked at."""
        most = self._pool.tile_limit_s * WEIGHED_PER_S
        if not isinstance(rows.layer, RelationLayer) or (rows.layer.estimated_rows or 0) <= most:
            return False
        row = self._asked(rows.request, self.questions.estimate(rows), until)
        return row is not None and float(row[0][0]["Plan"]["Plan Rows"]) > most

    def _asked(self, request: LayerRequest, question: Question, until: float) -> Sequence[Any] | None:
        """The row that the statement gives."""
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

    def _run(self, request: LayerRequest, question: Question, until: float) -> Sequence[Any] | None:
        layer = request.layer
        try:
            with (
                read_only(
                    self._pool, request.identity, f"layer {layer.id}", runs_code=question.runs_code, until=until
                ) as connection,
                planned(connection, question.plan),
            ):
                row = execute(connection, question.text, question.values, prepare=question.prepare).fetchone()
        except FlagstoneError as error:
            if isinstance(error, (LayerChanged, RowsAtFault)):
                error.layer_id, error.digest = layer.id, layer.digest
            if isinstance(layer, TileFunctionLayer):
                raise explained(error, request, layer, self._pool, until) from error.__cause__
            raise self._explained(error, request, question, until) from error.__cause__
        if row is not None and not isinstance(layer, RelationLayer):
            refuse_size(layer.id, row[3], self._most_bytes)
        return row

    def _of_code(self, layer: Layer, row: Sequence[Any]) -> LayerTile:
        raw = bytes(row[0] or b"")
        if not isinstance(layer, TileFunctionLayer):
            return LayerTile(self._checked(raw, layer, "statement"))
        if layer.is_raster:
            return LayerTile(raw, tag=row[2], media_type=layer.media_type)
        return LayerTile(self._checked(raw, layer, "function"), tag=row[2])

    def _explained(
        self, error: FlagstoneError, request: LayerRequest, question: Question, until: float
    ) -> FlagstoneError:
        """Whose mistake it is; of rows that could not be transformed it is asked first what system they are in."""
        if question.unknown_system is not None and isinstance(error.__cause__, InternalError_):
            unknown = of_unknown_system(
                question.unknown_system(), question.values, request, self._pool, until
            )
            if unknown is not None:
                return unknown
        said = filter_faults.explained(error, request)
        if isinstance(request.layer, RelationLayer):
            return said
        return explained(said, request, request.layer, self._pool, until)

    def _checked(self, raw: bytes, layer: Layer, code: str) -> bytes:
        """A vector tile that other people's code made, unpacked; QueryFailed where it is none."""
        if raw[:2] == _GZIP:
            # No vector tile begins so: the function keeps its tiles compressed.
            whole = unpacked(layer.id, raw, self._most_bytes)
            if whole is None:
                raise QueryFailed(f"What the {code} of layer {layer.id} returned is no whole gzip stream.")
            raw = whole
        if not is_vector_tile(raw):
            # In a composite it would make the other layers unreadable.
            raise QueryFailed(f"What the {code} of layer {layer.id} returned is no vector tile.")
        return raw


def _is_probably_limited(rows: TileRows, limit: int, *, known: bool) -> bool:
    """`known` says that another tile of this zoom was, for this identity. Statistics, which count all rows of the table, are
    surer of this tile where they are far from the limit."""
    if rows.at_most is None or rows.condition is not None or rows.request.identity.role is not None:
        return known
    if rows.expected is not None and rows.expected > limit:
        return True
    return known and rows.at_most > limit / _FAR
