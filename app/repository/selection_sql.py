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

from collections.abc import Iterator

from psycopg import sql

from ..layers.band_layer import BandLayer
from ..layers.cells import CellRange
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from .filter_sql import Condition
from .identifier import identifier
from .overview_rows import added_up
from .postgis import PostGIS
from .tile_clauses import Clauses
from .tile_search import WIDEST_ON_SPHERE, Search, Way, polygon

_SIZE = sql.SQL("%(cell)s::pg_catalog.float8")
_EDGES = ("west", "south", "east", "north")
_FALLING = sql.SQL(" DESC")


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
    clauses = _Selection(request, layer, search, condition, postgis, on_sphere=on_sphere)
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
    return values


def asks_sphere(search: Search, layer: RowLayer, size: float) -> bool:
    """Whether the index of a geography can be asked: not for boxes so wide that their edges are no parallels."""
    boxes = [CellRange.around(box, size).box(size) for box in search.searched.values()]
    return (
        layer.geometry.is_geography
        and search.way is Way.INDEX
        and all(max(box.width, box.height) <= WIDEST_ON_SPHERE for box in boxes)
    )


class _Selection(Clauses):
    def __init__(
        self,
        request: LayerRequest,
        layer: RowLayer,
        search: Search,
        condition: Condition | None,
        postgis: PostGIS,
        *,
        on_sphere: bool,
    ) -> None:
        super().__init__(request, layer, search, condition, postgis)
        self.on_sphere = on_sphere
        self.has_box = search.way in (Way.INDEX, Way.CAST)
        """Whether the tile's boxes are known in the layer's CRS, and with them its cells."""
        self.by_place = layer.has_ctid_for(request.identity)
        self.count_name = request.count_name
        taken = {column.name for column in layer.columns} | {self.names.geometry, self.names.feature_id}
        names = _free_names(taken)
        self.count, self.tableoid, self.ctid, self.small, self.place = (next(names) for _ in range(5))
        has_size = layer.geometry.type != "POINT"
        size = [(sql.SQL("cell.area"), _FALLING), (sql.SQL("cell.perimeter"), _FALLING)] if has_size else []
        sorting = [*self.ranks(), *size, *((key, sql.SQL("")) for key in self.keys())]
        self.sorting = [(next(names), value, direction) for value, direction in sorting]
        """Which row of a cell wins, and which winners a limit keeps: a name, what stands for it, and the direction."""

    # --- winners ------------------------------------------------------------------------------------------------

    def winners(self) -> sql.Composed:
        place = sql.SQL(
            "pg_catalog.row_number() OVER (PARTITION BY cell.x, cell.y, cell.small ORDER BY {})"
        ).format(
            sql.SQL(", ").join(
                sql.SQL("{}{}").format(value, direction) for _, value, direction in self.sorting
            )
        )
        count = sql.SQL(
            "CASE WHEN cell.small THEN pg_catalog.count(*) OVER (PARTITION BY cell.x, cell.y, cell.small) ELSE 1 END"
        )
        carried = {**self._handle(), **{name: value for name, value, _ in self.sorting}, self.count: count}
        carried |= {self.small: sql.SQL("cell.small"), self.place: place}
        if isinstance(self.layer, BandLayer):
            carried |= {name: value for name, value in added_up(self.layer).items() if name in carried}
        return sql.SQL(
            "SELECT * FROM (\n        SELECT {carried}\n        FROM {rows} AS source{cells}\n"
            "        WHERE {known}\n    ) AS judged\n    WHERE NOT judged.{small} OR judged.{place} = 1"
        ).format(
            carried=_named(carried), rows=self.rows, cells=self._cells(), known=self.filtered(self._known()),
            small=identifier(self.small), place=identifier(self.place),
        )  # fmt: skip

    def _handle(self) -> dict[str, sql.Composable]:
        """By what a row is found again, or all that is drawn of it."""
        if self.by_place:
            return {self.tableoid: sql.SQL("source.tableoid"), self.ctid: sql.SQL("source.ctid")}
        return self.carried()

    def _cells(self) -> sql.Composed:
        """Joins that give a row its cell and its size."""
        geom = self.source_geometry()
        if self.geometry.type == "POINT":
            edges = sql.SQL("")
            cell = sql.SQL(
                "pg_catalog.floor({s}.ST_X({g}) / {size}) AS x, pg_catalog.floor({s}.ST_Y({g}) / {size}) AS y, true AS small"
            )
        else:
            # OFFSET 0 keeps the box from being made again wherever it is used.
            edges = sql.SQL(
                "\n        CROSS JOIN LATERAL (SELECT {s}.ST_XMin(boxed.box) AS x1, {s}.ST_XMax(boxed.box) AS x2,"
                " {s}.ST_YMin(boxed.box) AS y1, {s}.ST_YMax(boxed.box) AS y2"
                " FROM (SELECT {g}::{box2d} AS box OFFSET 0) AS boxed OFFSET 0) AS edge"
            )
            cell = sql.SQL(
                "pg_catalog.floor((edge.x1 + edge.x2) / 2 / {size}) AS x, pg_catalog.floor((edge.y1 + edge.y2) / 2 / {size}) AS y,"
                " edge.x2 - edge.x1 <= {size} AND edge.y2 - edge.y1 <= {size} AS small,"
                " (edge.x2 - edge.x1) * (edge.y2 - edge.y1) AS area, edge.x2 - edge.x1 + edge.y2 - edge.y1 AS perimeter"
            )
        return sql.SQL("{edges}\n        CROSS JOIN LATERAL (SELECT {cell}) AS cell").format(
            edges=edges.format(s=self.schema, g=geom, box2d=self.drawing.type("box2d")),
            cell=cell.format(s=self.schema, g=geom, size=_SIZE),
        )

    def _known(self) -> sql.Composed:
        """Small rows of the cells that are known as a whole, and large rows of the tile."""
        # What has no box has no cell; NaN is above infinity.
        placed = sql.SQL("cell.x < 'Infinity'::pg_catalog.float8 AND cell.y < 'Infinity'::pg_catalog.float8")
        if not self.has_box:
            return sql.SQL("({})").format(placed)
        boxes = list(self.search.searched)
        sought = [f"{name}_cells" for name in boxes]
        if self.on_sphere:
            searched = self.meets(self.source(self.geometry.name), sought, "geography")
        else:
            searched = self.meets(self.source_geometry(), sought)
        inside = sql.SQL(" OR ").join(
            sql.SQL("cell.x BETWEEN {} AND {} AND cell.y BETWEEN {} AND {}").format(
                *(
                    sql.SQL("{}::pg_catalog.float8").format(sql.Placeholder(f"{name}_{edge}"))
                    for edge in ("west", "east", "south", "north")
                )
            )
            for name in boxes
        )
        return sql.SQL(
            "{searched} AND {placed} AND CASE WHEN cell.small THEN {inside} ELSE {here} END"
        ).format(searched=searched, placed=placed, inside=inside, here=self._here(self.source_geometry()))

    # --- chosen -------------------------------------------------------------------------------------------------

    def chosen(self) -> sql.Composed:
        if self.by_place:
            geometry, drawn = self.source_geometry(), self.carried()
            joined: sql.Composable = sql.SQL(
                " JOIN {} AS source ON source.ctid OPERATOR(pg_catalog.=) {} AND source.tableoid OPERATOR(pg_catalog.=) {}"
            ).format(self.rows, identifier("winners", self.ctid), identifier("winners", self.tableoid))
        else:
            geometry, joined = identifier("winners", self.names.geometry), sql.SQL("").format()
            drawn = {name: identifier("winners", name) for name in self.carried()}
        drawn = drawn | {name: identifier("winners", name) for name, _, _ in self.sorting}
        if self.count_name is not None:
            drawn[self.count_name] = identifier("winners", self.count)
        return sql.SQL("SELECT {drawn}\n    FROM winners{joined}\n    WHERE {here}").format(
            drawn=_named(drawn), joined=joined, here=self._here(geometry)
        )

    def _here(self, geometry: sql.Composable) -> sql.Composable:
        """Whether the box of a geometry in the layer's CRS meets the tile."""
        match self.search.way:
            case Way.EVERY_ROW:
                return sql.SQL("true")
            case Way.TRANSFORM:
                return self.meets(self.drawing.whole(geometry), self.search.searched)
            case _:
                return self.meets(geometry, [f"{name}_here" for name in self.search.searched])

    def order(self) -> sql.Composed:
        return sql.SQL(", ").join(
            sql.SQL("{}{}").format(identifier("chosen", name), direction)
            for name, _, direction in self.sorting
        )


def _free_names(taken: set[str]) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if f"~{number}" not in taken:
            yield f"~{number}"


def _named(values: dict[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(value, identifier(name)) for name, value in values.items()
    )
