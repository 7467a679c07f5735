"""Clauses of the choice by cells: which row of a cell wins, and how winners are found again.

`selection_sql` has the rule. Here all rows are sorted, cell by cell, which any order and any key allow;
`hashed_selection` does without where it can.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from ..layers.band_layer import BandLayer
from ..layers.layer import RowLayer
from ..layers.relation import RelationLayer
from ..layers.request import LayerRequest
from .filter_sql import Condition
from .identifier import identifier
from .overview_rows import PIECED, added_up
from .postgis import PostGIS
from .tile_clauses import Clauses
from .tile_search import Search, Way

SIZE = sql.SQL("%(cell)s::pg_catalog.float8")
PLACED = sql.SQL("cell.x < 'Infinity'::pg_catalog.float8 AND cell.y < 'Infinity'::pg_catalog.float8")
"""What has no box has no cell; NaN is above infinity."""
_FALLING = sql.SQL(" DESC")


class Selection(Clauses):
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
            carried=named(carried), rows=self.rows, cells=self.cells(), known=self.filtered(self.known()),
            small=identifier(self.small), place=identifier(self.place),
        )  # fmt: skip

    def _handle(self) -> dict[str, sql.Composable]:
        """By what a row is found again, or all that is drawn of it."""
        if self.by_place:
            return {self.tableoid: sql.SQL("source.tableoid"), self.ctid: sql.SQL("source.ctid")}
        return self.carried()

    def cells(self) -> sql.Composed:
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
                " edge.x2 - edge.x1 <= {size} AND edge.y2 - edge.y1 <= {size}{alone} AS small,"
                " (edge.x2 - edge.x1) * (edge.y2 - edge.y1) AS area, edge.x2 - edge.x1 + edge.y2 - edge.y1 AS perimeter"
            )
        return sql.SQL("{edges}\n        CROSS JOIN LATERAL (SELECT {cell}) AS cell").format(
            edges=edges.format(s=self.schema, g=geom, box2d=self.drawing.type("box2d")),
            cell=cell.format(
                s=self.schema,
                g=geom,
                size=SIZE,
                # What was put together of pieces is heavy, however little of it the tile shows.
                alone=sql.SQL("")
                if self.pieced is None
                else sql.SQL(" AND NOT {}").format(self.source(PIECED)),
            ),
        )

    def known(self) -> sql.Composed:
        """Small rows of the cells that are known as a whole, and large rows of the tile."""
        if not self.has_box:
            return sql.SQL("({})").format(PLACED)
        return sql.SQL(
            "{searched} AND {placed} AND CASE WHEN cell.small THEN {inside} ELSE {here} END"
        ).format(
            searched=self.searched(), placed=PLACED, inside=self.inside(), here=self.here(self.source_geometry(), "source")
        )  # fmt: skip

    def searched(self) -> sql.Composable:
        """Which rows have a box that meets one of the cells: all whose middle lies in there, and others."""
        sought = [f"{name}_cells" for name in self.search.searched]
        if self.on_sphere:
            return self.meets(self.source(self.geometry.name), sought, "geography")
        return self.or_pieced("source", self.meets(self.source_geometry(), sought))

    def inside(self) -> sql.Composed:
        """Whether the middle of a row does lie in one of the cells."""
        return sql.SQL(" OR ").join(
            sql.SQL("cell.x BETWEEN {} AND {} AND cell.y BETWEEN {} AND {}").format(
                *(
                    sql.SQL("{}::pg_catalog.float8").format(sql.Placeholder(f"{name}_{edge}"))
                    for edge in ("west", "east", "south", "north")
                )
            )
            for name in self.search.searched
        )

    # --- chosen -------------------------------------------------------------------------------------------------

    def chosen(self) -> sql.Composed:
        if self.by_place:
            geometry, drawn = self.source_geometry(), self.carried()
            joined: sql.Composable = self.found_again(
                sql.SQL(
                    "source.ctid OPERATOR(pg_catalog.=) {} AND source.tableoid OPERATOR(pg_catalog.=) {}"
                ).format(identifier("winners", self.ctid), identifier("winners", self.tableoid))
            )
        else:
            geometry, joined = identifier("winners", self.names.geometry), sql.SQL("").format()
            drawn = {name: identifier("winners", name) for name in self.carried()}
        drawn = drawn | {name: identifier("winners", name) for name, _, _ in self.sorting}
        if self.count_name is not None:
            drawn[self.count_name] = identifier("winners", self.count)
        return sql.SQL("SELECT {drawn}\n    FROM winners{joined}\n    WHERE {here}").format(
            drawn=named(drawn),
            joined=joined,
            here=self.here(geometry, "source" if self.by_place else "winners"),
        )

    def found_again(self, same: sql.Composable) -> sql.Composed:
        """A join of the winners with `source` by their place or key, where `same` holds."""
        if isinstance(self.layer, RelationLayer) and self.layer.kind in "rm":
            # One by one: the planner cannot know how few they are, and would read the whole table once more.
            return sql.SQL(
                "\n    CROSS JOIN LATERAL (SELECT source.* FROM {} AS source WHERE {} OFFSET 0) AS source"
            ).format(self.rows, same)
        # Each part of a partitioned table would be looked into for each of them.
        return sql.SQL(" JOIN {} AS source ON {}").format(self.rows, same)

    def here(self, geometry: sql.Composable, table: str) -> sql.Composable:
        """Whether the box of a geometry in the layer's CRS, of a row of `table`, meets the tile."""
        match self.search.way:
            case Way.EVERY_ROW:
                return sql.SQL("true")
            case Way.TRANSFORM:
                return self.or_pieced(table, self.meets(self.drawing.whole(geometry), self.search.searched))
            case _:
                return self.or_pieced(
                    table, self.meets(geometry, [f"{name}_here" for name in self.search.searched])
                )

    def or_pieced(self, table: str, met: sql.Composable) -> sql.Composable:
        """What was put together of pieces was found by those, in the grid's CRS."""
        if self.pieced is None:
            return met
        return sql.SQL("({} OR {})").format(identifier(table, PIECED), met)

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


def named(values: dict[str, sql.Composable]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(value, identifier(name)) for name, value in values.items()
    )
