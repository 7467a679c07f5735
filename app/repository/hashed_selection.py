"""The choice by cells without a sort: the least of each cell's rows, kept in a hash table while the rows are read.

For tables with a key of one integer, ordered by numbers: their order is one array of numbers (`order_numbers`). Winners are
read by their key. All else is sorted, as `selection_clauses` has it.
"""

from __future__ import annotations

from psycopg import sql

from ..layers.band_layer import BandLayer
from ..layers.layer import RowLayer
from ..layers.request import LayerRequest
from .filter_sql import Condition
from .identifier import identifier
from .order_numbers import key_number, key_of, rank_numbers
from .postgis import PostGIS
from .selection_clauses import PLACED, SIZE, Selection, named
from .tile_search import Search

FIRST_COLUMN, FIRST_ROW, ROWS = "first_column", "first_row", "rows_of_cells"
"""Parameters that number the cells of a tile: the first column and row of them, and how many rows there are."""

# Keeps what is computed from being computed wherever it is used. As a literal with its type it is a constant to the planner,
# which takes a number for more than that, and reads the table in one process.
_ONCE = sql.SQL("OFFSET '0'::pg_catalog.int8")


class HashedSelection(Selection):
    """`numbers` are what the order is of, the last `key_parts` of them the key."""

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
        super().__init__(request, layer, search, condition, postgis, on_sphere=on_sphere)
        ranks = rank_numbers(self.sort_keys, self.source)
        key = key_number(layer, layer.key_for(self.identity), self.source)
        whole_rows = self.by_place and self.pieced is None and not isinstance(layer, BandLayer)
        self.fits = self.has_box and whole_rows and ranks is not None and key is not None
        """Whether this choice can be made so."""
        self.ranked, self.key_parts = ranks or [], key or []

    def winners(self) -> sql.Composed:
        """The array of each winner, which is its place in the order, with its count."""
        numbers = {f"n{place}": value for place, value in enumerate((*self.ranked, *self.key_parts))}
        ordered: list[sql.Composable] = [identifier("cell", name) for name in numbers]
        sized = len(self.ranked)
        is_point = self.geometry.type == "POINT"
        if not is_point:
            ordered[sized:sized] = [sql.SQL("-cell.area"), sql.SQL("-cell.perimeter")]
        return sql.SQL(
            "SELECT pg_catalog.min(judged.{place}) AS {place}, pg_catalog.count(*) AS {count}\n    FROM (\n"
            "        SELECT ARRAY[{ordered}] AS {place}, {cell}\n        FROM (\n            SELECT {names}, {measured}\n"
            "            FROM {rows} {once}\n        ) AS cell {once}\n    ) AS judged\n"
            # A condition that the planner takes to be true of nearly all rows: of few it would sort them.
            "    WHERE judged.cell IS NOT NULL\n    GROUP BY judged.cell{alone}"
        ).format(
            place=identifier(self.place),
            count=identifier(self.count),
            ordered=sql.SQL(", ").join(ordered),
            cell=self._cell(is_point),
            names=sql.SQL(", ").join([*map(sql.Identifier, numbers), sql.Identifier("geom")]),
            measured=self._measured(is_point),
            rows=self._read(numbers, is_point),
            once=_ONCE,
            alone=sql.SQL("" if is_point else ", judged.alone"),
        )

    def _cell(self, is_point: bool) -> sql.Composed:
        """The number of a small row's cell; of a large row -1, with its key in `alone`. NULL of what is not looked for."""
        number = sql.SQL("(cell.x - {}) * {} + (cell.y - {})").format(
            *(
                sql.SQL("{}::pg_catalog.float8").format(sql.Placeholder(name))
                for name in (FIRST_COLUMN, ROWS, FIRST_ROW)
            )
        )
        if is_point:
            return sql.SQL("CASE WHEN {} AND ({}) THEN {} END AS cell").format(PLACED, self.inside(), number)
        here = self.here(identifier("cell", "geom"), "cell")
        parts = [
            sql.SQL("cell.{}").format(sql.Identifier(f"n{len(self.ranked) + at}"))
            for at in range(len(self.key_parts))
        ]
        alone = parts[0] if len(parts) == 1 else sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(parts))
        return sql.SQL(
            "CASE WHEN NOT ({placed}) THEN NULL WHEN cell.small THEN CASE WHEN {inside} THEN {number} END"
            " WHEN {here} THEN -1 END AS cell, CASE WHEN NOT cell.small THEN {alone} END AS alone"
        ).format(placed=PLACED, inside=self.inside(), number=number, here=here, alone=alone)

    def _measured(self, is_point: bool) -> sql.Composed:
        if is_point:
            return sql.SQL(
                "pg_catalog.floor({s}.ST_X(geom) / {size}) AS x, pg_catalog.floor({s}.ST_Y(geom) / {size}) AS y"
            ).format(s=self.schema, size=SIZE)
        return sql.SQL(
            "pg_catalog.floor((x1 + x2) / 2 / {size}) AS x, pg_catalog.floor((y1 + y2) / 2 / {size}) AS y,"
            " x2 - x1 <= {size} AND y2 - y1 <= {size} AS small, (x2 - x1) * (y2 - y1) AS area, x2 - x1 + y2 - y1 AS perimeter"
        ).format(size=SIZE)

    def _read(self, numbers: dict[str, sql.Composable], is_point: bool) -> sql.Composed:
        """The rows, with their numbers, geometries and edges."""
        found = {**numbers, "geom": self.source_geometry()}
        if not is_point:
            found["box"] = sql.SQL("{}::{}").format(self.source_geometry(), self.drawing.type("box2d"))
        rows = sql.SQL(
            "(\n                SELECT {} FROM {} AS source WHERE {} {}\n            ) AS boxed"
        ).format(named(found), self.rows, self.filtered(self.searched()), _ONCE)
        if is_point:
            return rows
        return sql.SQL(
            "(\n                SELECT {names}, {s}.ST_XMin(box) AS x1, {s}.ST_XMax(box) AS x2, {s}.ST_YMin(box) AS y1,"
            " {s}.ST_YMax(box) AS y2\n                FROM {rows} {once}\n            ) AS edge"
        ).format(
            names=sql.SQL(", ").join([*map(sql.Identifier, numbers), sql.Identifier("geom")]),
            s=self.schema, rows=rows, once=_ONCE,
        )  # fmt: skip

    # --- chosen -------------------------------------------------------------------------------------------------

    def chosen(self) -> sql.Composed:
        place = identifier("winners", self.place)
        sized = 0 if self.geometry.type == "POINT" else 2
        number = key_of(place, len(self.ranked) + sized + 1, len(self.key_parts))
        [name] = self.layer.key_for(self.identity)
        column = next(each for each in self.layer.columns if each.name == name)
        key = sql.SQL("{}::{}").format(number, identifier("pg_catalog", column.base_type))
        drawn = {**self.carried(), self.place: place}
        if self.count_name is not None:
            drawn[self.count_name] = identifier("winners", self.count)
        same = sql.SQL("{} OPERATOR(pg_catalog.=) {}").format(self.source(name), key)
        return sql.SQL("SELECT {drawn}\n    FROM winners{joined}\n    WHERE {here}").format(
            drawn=named(drawn),
            joined=self.found_again(same),
            here=self.here(self.source_geometry(), "source"),
        )

    def order(self) -> sql.Composed:
        return sql.SQL("{}").format(identifier("chosen", self.place))
