"""The statements of a tile with their values: what is asked of the database."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

from psycopg import sql

from ..layers.band_layer import BandLayer, stored
from ..layers.cells import cell_size
from ..layers.function import TileFunctionLayer
from ..layers.layer import RowLayer
from ..layers.relation import RelationLayer
from ..layers.request import LayerRequest
from ..layers.sql_layer import SqlTileLayer
from ..layers.statistics import Spread
from ..layers.tile import Tile
from .filter_sql import Condition, condition
from .function_sql import call_text, call_values, given_names
from .placeholders import CalledRows, row_values, tile_values
from .planning import Plan
from .postgis import PostGIS
from .rows import unknown_system
from .selection_sql import asks_sphere, selection_query, selection_values
from .tile_search import Search, Way, parameters, search
from .tile_size import MOST, bounded
from .tile_sql import estimate_query, sql_tile, tile_query
from .tile_texts import Asked, TileTexts

_LONG_TEXT = 8000
"""Bytes of a statement above which only the layer's own columns are worth what a plan takes in PostgreSQL's memory."""

_DEEP = 8
"""Zooms below the grid's first from which a tile is a small part of the world."""

_FEW_FOR_ANY_PLAN = 2000
"""Rows that an index finds as quickly as any plan does."""

_MANY_TO_WEIGH = 200_000
"""Rows from which on a choice by cells is worth a parallel plan."""


@dataclass(frozen=True, slots=True)
class Question:
    """A statement with its values. `prepare` as psycopg has it; `runs_code` says whether it needs a transaction."""

    text: bytes
    values: Mapping[str, object]
    prepare: bool | None
    runs_code: bool
    unknown_system: Callable[[], bytes] | None = None
    """The statement that gives an SRID of the rows that the database does not know, with the same values."""
    plan: Plan = Plan.SHARED


@dataclass(frozen=True, slots=True)
class TileRows:
    """One tile of a layer of rows, and where they are looked for: what all statements for it have in common.

    `request` and `layer` may be those of a band in place of the layer that was asked for.
    """

    request: LayerRequest
    layer: RowLayer
    tile: Tile
    postgis: PostGIS
    search: Search
    condition: Condition | None
    values: Mapping[str, object] = field(repr=False)
    expected: float | None = None
    """How many rows meet the tile, about, those counted that a filter leaves out; None where nothing is known. Only how
    the tile is asked for may depend on it."""
    at_most: float | None = None
    """The same where it says nothing of so small a tile: no more rows, about, than this; None where nothing is known."""


def tile_rows(
    request: LayerRequest,
    tile: Tile,
    postgis: PostGIS,
    grid_srid: int,
    comes_round: Callable[[RowLayer], bool],
    most_bytes: int,
    spread: Callable[[RowLayer], Spread | None] = lambda _: None,
) -> TileRows:
    """`grid_srid` is the database's number of the grid's CRS; `comes_round` says whether a layer has rows beyond ±180,
    `spread` how its rows are spread."""
    if isinstance(request.layer, RelationLayer) and request.layer.overviews:
        request = stored(request, tile.z, grid_srid)
    layer = request.layer
    if not isinstance(layer, RowLayer):
        raise TypeError(f"{type(layer).__name__} has no tile query")
    found = search(request, layer, tile, comes_round=comes_round(layer), grid_srid=grid_srid)
    chosen = None if request.filter is None else condition(request.filter, postgis)
    values = parameters(request, layer, tile, found)
    if isinstance(layer, CalledRows):
        values.update(row_values(request, layer, tile, found.grid_srid))
        values[MOST] = most_bytes
    if chosen is not None:
        values.update(chosen.values)
    return TileRows(
        request, layer, tile, postgis, found, chosen, values, *_expected(layer, found, spread(layer))
    )


def _expected(layer: RowLayer, found: Search, spread: Spread | None) -> tuple[float | None, float | None]:
    """About how many rows meet the tile, and no more than about how many."""
    if found.way is Way.EVERY_ROW:
        return layer.estimated_rows, layer.estimated_rows
    if found.way is not Way.INDEX or spread is None:
        return None, None
    boxes = found.searched.values()
    expected = spread.within(boxes)
    return expected, spread.at_most(boxes) if expected is None else expected


class Questions:
    """Composes statements and keeps their texts. `keeps_prepared` says whether a connection does that."""

    def __init__(self, *, keeps_prepared: bool, most_bytes: int) -> None:
        self._texts = TileTexts()
        self._keeps_prepared = keeps_prepared
        self._most_bytes = most_bytes

    def of_code(self, request: LayerRequest, tile: Tile, postgis: PostGIS, grid_srid: int) -> Question:
        """The call of a function, or the registered statement, that makes the tile itself."""
        layer = request.layer
        if isinstance(layer, TileFunctionLayer):
            given = given_names(request, layer)
            text = self._texts.text((layer.digest, given), lambda: call_text(layer, given))
            values = call_values(request, layer, tile)
        elif isinstance(layer, SqlTileLayer):
            text = self._texts.text((layer.digest, postgis), lambda: sql_tile(layer, postgis))
            values = tile_values(request, layer, tile, grid_srid)
        else:
            raise TypeError(f"{type(layer).__name__} has no tile query")
        return Question(text, values | {MOST: self._most_bytes}, prepare=False, runs_code=True)

    def whole(self, rows: TileRows, limit: int) -> Question:
        """The tile query: the first rows of the tile."""
        asked = self._asked(
            rows, (), lambda: tile_query(rows.request, rows.layer, rows.search, rows.condition, rows.postgis)
        )
        prepare = self._prepare(rows, asked.text)
        question = self._question(rows, asked.text, {"limit": limit}, prepare=prepare)
        # With thousands of layers most are looked at once: each prepared one lies in this process and in the server's.
        return question if asked.again else replace(question, prepare=False)

    def selection(self, rows: TileRows, pixels: int, limit: int, *, needed: bool) -> Question:
        """One feature of each cell; the edge of a cell in pixels, and `needed` as `selection_values` has it."""
        layer = rows.layer
        size = cell_size(rows.request.grid, rows.tile.z, layer.geometry.crs, pixels)
        on_sphere = asks_sphere(rows.search, layer, size)
        text = self._text(
            rows,
            ("cells", on_sphere, rows.request.count_name),
            lambda: selection_query(
                rows.request, layer, rows.search, rows.condition, rows.postgis, on_sphere=on_sphere
            ),
        )
        values = selection_values(
            rows.search, layer.geometry.crs.srid, size, on_sphere=on_sphere, needed=needed
        )
        weighed = layer.estimated_rows if rows.expected is None else rows.expected
        # It reads much of a large layer: planned for its own box.
        question = self._question(rows, text, {"limit": limit, **values}, prepare=False)
        is_heavy = weighed is not None and weighed >= _MANY_TO_WEIGH
        return replace(question, plan=Plan.WEIGHED) if is_heavy else question

    def estimate(self, rows: TileRows) -> Question:
        """How many rows meet the tile, about: a plan as JSON, in which `Plan Rows` says it."""
        text = self._text(
            rows,
            "estimate",
            lambda: estimate_query(rows.request, rows.layer, rows.search, rows.condition, rows.postgis),
        )
        return self._question(rows, text, {}, prepare=False)

    def _question(
        self, rows: TileRows, text: bytes, values: dict[str, object], *, prepare: bool | None
    ) -> Question:
        layer = rows.layer
        called = layer if isinstance(layer, CalledRows) and not layer.is_typed else None
        given = [name for name, _ in rows.request.arguments]
        asks = None if called is None else lambda: unknown_system(called, given, rows.postgis.schema)
        plan = Plan.OWN if prepare is False else Plan.SHARED
        return Question(text, {**rows.values, **values}, prepare, layer.runs_code, asks, plan)

    def _text(self, rows: TileRows, kind: Hashable, compose: Callable[[], sql.Composed]) -> bytes:
        return self._asked(rows, kind, compose).text

    def _asked(self, rows: TileRows, kind: Hashable, compose: Callable[[], sql.Composed]) -> Asked:
        request, layer, chosen = rows.request, rows.layer, rows.condition
        names = tuple([c.name if c.configured is None else (c.name, c.configured) for c in request.columns])
        given = tuple([name for name, _ in request.arguments])
        condition_text = None if chosen is None else chosen.text.as_bytes(None)
        key = (layer.digest, request.identity.role, request.grid.crs, names, rows.search.shape, condition_text, request.order,
               given, rows.postgis, kind)  # fmt: skip
        return self._texts.asked(key, lambda: _sent(layer, compose()))

    def _prepare(self, rows: TileRows, text: bytes) -> bool | None:
        """Whether the statement is prepared: when it comes again, never, or (None) on a connection that has run it five times.

        Whoever asks can name columns in endless ways. What is prepared takes memory of each connection's server process.
        """
        request, layer = rows.request, rows.layer
        # The ROLLBACK of a transaction makes psycopg forget all that is prepared on its connection.
        lasts = self._keeps_prepared and not layer.runs_code and request.identity.is_plain
        if not lasts or not (_has_few_rows(layer) or _shares_plan(rows)):
            return False
        options = layer.options
        usual = request.filter is options.filter and request.order == options.rank
        if usual and request.columns == layer.columns_for(request.identity):
            return True
        return None if len(text) <= _LONG_TEXT else False


def _sent(layer: RowLayer, statement: sql.Composed) -> bytes:
    """The statement as it is sent: rows of other people's code may have attributes of any size."""
    return (statement if isinstance(layer, RelationLayer) else bounded(statement)).as_bytes(None)


def _shares_plan(rows: TileRows) -> bool:
    """Whether the plan for a box that is not known does for this one: not where it takes in much of a large layer.

    Of a band a tile holds a few thousand rows at most, but of one that holds each row of its layer.
    """
    if rows.search.way is not Way.INDEX:
        return False
    if rows.tile.z - rows.request.grid.minzoom >= _DEEP:
        return True
    if isinstance(rows.layer, BandLayer) and rows.layer.single_rows is None:
        return True
    return rows.at_most is not None and rows.at_most <= _FEW_FOR_ANY_PLAN


def _has_few_rows(layer: RowLayer) -> bool:
    """Whether any plan reads it quickly, so that to plan it for a tile would cost more than it saves."""
    return layer.estimated_rows is not None and layer.estimated_rows < 1000
