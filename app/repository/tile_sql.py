"""The text of the tile query: one per layer, grid, column set and way to search; the tile is a parameter.

candidates   rows whose box meets the tile's buffered box, in the layer's CRS, the first ones of one total order
features     each of them clipped, simplified, transformed and encoded, in that order
(result)     the encoded layer, and the number of candidates, above the limit where it left rows out
"""

from __future__ import annotations

from psycopg import sql

from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from ..layers.sql_layer import SqlTileLayer
from .filter_sql import Condition
from .identifier import identifier
from .postgis import PostGIS
from .rows import statement_of
from .tile_clauses import Clauses
from .tile_search import Search
from .tile_size import bounded

VERSION = 5
"""Raised whenever the same rows give other bytes; part of the cache key."""


def tile_query(
    request: LayerRequest, layer: RowLayer, search: Search, condition: Condition | None, postgis: PostGIS
) -> sql.Composed:
    """The statement for one layer, as the request's identity may read it, in the request's grid.

    `condition` is what the request's filter says. Of the search only its shape is in the text. Parameters: `search`, `search2` and so on (geometry),
    `clip` (box2d), `clip_geometry` and `corner1` to `corner4` (geometry), `tolerance` (units of the layer's CRS),
    `envelope` (box2d in the grid's CRS), `shown` (geometry), `pixel_x` and `pixel_y` (units of the grid's CRS), `tiny` (units
    of the layer's CRS), `half_pixel` (units of the tile), `limit`,
    `resolution`, `buffer`, `name`; and those of the condition.
    """
    clauses = Clauses(request, layer, search, condition, postgis)
    return sql.SQL(
        """
WITH candidates AS (
    {candidates}
), features AS (
    {features}
)
SELECT {encoded}, {limited}
FROM features AS {row}
"""
    ).format(
        candidates=_candidates(clauses),
        features=clauses.features(),
        encoded=clauses.encoded(),
        limited=_limited(clauses),
        row=identifier(clauses.names.row),
    )


def _candidates(clauses: Clauses) -> sql.Composed:
    """The first rows of one total order, whatever the plan."""
    order = [sql.SQL("{}{}").format(*key) for key in clauses.ranks()] + clauses.keys()
    return sql.SQL(
        "SELECT {selected}\n    FROM {relation} AS source\n    WHERE {found}\n    ORDER BY {order}\n"
        "    LIMIT %(limit)s::pg_catalog.int8"
    ).format(
        selected=sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(value, identifier(name)) for name, value in clauses.carried().items()
        ),
        relation=clauses.rows,
        found=clauses.filtered(clauses.found()),
        order=sql.SQL(", ").join(order),
    )


def _limited(clauses: Clauses) -> sql.Composed:
    """The number of candidates, and one more where there are more rows than the limit; looked up only where there are as
    many."""
    return sql.SQL(
        "pg_catalog.count(*) + CASE WHEN pg_catalog.count(*) < %(limit)s::pg_catalog.int8 THEN 0 ELSE {}::pg_catalog.int4 END"
    ).format(clauses.more_than_the_limit())


def count_query(
    request: LayerRequest, layer: RowLayer, search: Search, condition: Condition | None, postgis: PostGIS
) -> sql.Composed:
    """The number of rows that meet a tile, with the parameters of the tile query."""
    clauses = Clauses(request, layer, search, condition, postgis)
    return sql.SQL("SELECT pg_catalog.count(*) FROM {} AS source WHERE {}").format(
        clauses.rows, clauses.filtered(clauses.found())
    )


def estimate_query(
    request: LayerRequest, layer: RowLayer, search: Search, condition: Condition | None, postgis: PostGIS
) -> sql.Composed:
    """PostgreSQL's plan for all rows that meet a tile, as JSON, with the parameters of the tile query: it says how many they
    are, about, out of statistics that are the same for everybody who asks this database."""
    clauses = Clauses(request, layer, search, condition, postgis)
    return sql.SQL("EXPLAIN (FORMAT JSON) SELECT FROM {} AS source WHERE {}").format(
        clauses.rows, clauses.filtered(clauses.found())
    )


def sql_tile(layer: SqlTileLayer, postgis: PostGIS) -> bytes:
    """The statement for a layer whose registered statement makes the tile itself: its first row is the tile."""
    tile = sql.SQL("SELECT tile.body, false FROM (\n{}\n) AS tile (body) LIMIT 1").format(
        statement_of(layer, postgis.schema)
    )
    return bounded(tile).as_bytes(None)
