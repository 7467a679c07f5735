"""The statement for a tile that would hold too much: one feature of each cell, chosen in the database.

The rule. A row is judged by its box and the middle of that in the layer's CRS. Rows whose box is not larger than a cell
are small: of those whose middle lies in the same cell one wins, the first by the layer's rank, else the largest, else the
first by key. It carries the number of all of them. Larger rows do not compete, each stands for itself.

So whether a row is drawn depends on the row, the zoom and its cell, never on the tile. For that a tile looks at more
than its own rows: a small row that meets it has its middle at most half a cell away, and to judge its cell all rows
whose middle lies in there must be known. `CellRange.around` gives these cells; every row with its middle in one of them
has a box that meets them. Of the winners those are drawn whose own box meets the tile.

    winners      the winner of each cell, and the large rows: what tells them apart, or all that is drawn of them
    chosen       those that meet the tile
    candidates   the first of them by rank, size and key, as many as the limit allows
    features     as in the tile query, with the count beside the attributes

Where rows can be found again by their place, only that goes through the sort of all rows, and not the geometry.
"""

from __future__ import annotations

from psycopg import sql

from ..layers.cells import CellRange
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from .filter_sql import Condition
from .hashed_selection import FIRST_COLUMN, FIRST_ROW, ROWS, HashedSelection
from .identifier import identifier
from .postgis import PostGIS
from .selection_clauses import Selection
from .tile_search import WIDEST_ON_SPHERE, Search, Way, polygon

_EDGES = ("west", "south", "east", "north")


def selection_query(
    request: LayerRequest,
    layer: RowLayer,
    search: Search,
    condition: Condition | None,
    postgis: PostGIS,
    *,
    on_sphere: bool,
) -> sql.Composed:
    """The statement. Parameters: those of `tile_query` and of `selection_values`.

    `on_sphere` as `asks_sphere` says.

    Its second column is the number of features that were chosen, of which the limit keeps the first; -1 where no more
    rows meet the tile than the limit and `needed` is false: then the tile query can show them all.
    """
    hashed = HashedSelection(request, layer, search, condition, postgis, on_sphere=on_sphere)
    clauses = (
        hashed if hashed.fits else Selection(request, layer, search, condition, postgis, on_sphere=on_sphere)
    )
    return sql.SQL(
        """
WITH winners AS (
    {winners}
), chosen AS (
    {chosen}
), candidates AS (
    SELECT * FROM chosen
    ORDER BY {order}
    LIMIT %(limit)s::pg_catalog.int8
), features AS (
    {features}
)
SELECT {encoded}, CASE WHEN %(needed)s::pg_catalog.bool OR {more} THEN (SELECT pg_catalog.count(*) FROM chosen) ELSE -1 END
FROM features AS {row}
"""
    ).format(
        winners=clauses.winners(),
        chosen=clauses.chosen(),
        order=clauses.order(),
        features=clauses.features(clauses.count_name),
        encoded=clauses.encoded(),
        more=clauses.more_than_the_limit(),
        row=identifier(clauses.names.row),
    )


def selection_values(
    search: Search, srid: int, size: float, *, on_sphere: bool, needed: bool
) -> dict[str, object]:
    """The parameters beside those of the tile query: `cell` is the edge of a cell in units of the layer's CRS.

    `needed` says that the tile query cannot show all rows, as it is known already.
    """
    values: dict[str, object] = {"cell": size, "needed": needed}
    if search.way not in (Way.INDEX, Way.CAST):
        return values
    for name, box in search.searched.items():
        cells = CellRange.around(box, size)
        values[f"{name}_cells"] = polygon(cells.box(size), srid, densify=on_sphere)
        values[f"{name}_here"] = polygon(box, srid)
        values.update({f"{name}_{edge}": float(number) for edge, number in zip(_EDGES, cells, strict=True)})
    ranges = [CellRange.around(box, size) for box in search.searched.values()]
    first_row = min(cells.south for cells in ranges)
    values[FIRST_COLUMN], values[FIRST_ROW] = float(min(cells.west for cells in ranges)), float(first_row)
    values[ROWS] = float(max(cells.north for cells in ranges) - first_row + 1)
    return values


def asks_sphere(search: Search, layer: RowLayer, size: float) -> bool:
    """Whether the index of a geography can be asked: not for boxes so wide that their edges are no parallels."""
    boxes = [CellRange.around(box, size).box(size) for box in search.searched.values()]
    return (
        layer.geometry.is_geography
        and search.way is Way.INDEX
        and all(max(box.width, box.height) <= WIDEST_ON_SPHERE for box in boxes)
    )
