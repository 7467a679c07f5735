"""The text of the tile query: one per layer, grid, column set and way to search; the tile is a parameter.

    candidates   rows whose box meets the tile's buffered box, in the layer's CRS, the first ones of one total order
    features     each of them clipped, simplified, transformed and encoded, in that order
    (result)     the encoded layer, and whether the limit left rows out

Each clause is one small function. Everything is composed by psycopg.sql: identifiers are quoted, values are
parameters. Functions, types and operators of PostGIS carry the schema that it was found in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from ..layers.column import Cast, Column
from ..layers.layer import RowLayer
from ..layers.order import SortKey
from ..layers.request import LayerRequest
from ..layers.sql_layer import SqlTileLayer
from ..layers.world import pieces
from .filter_sql import Condition
from .geometry_sql import GeometrySql
from .identifier import identifier
from .json_sql import closed_value, opened_objects
from .numeric_sql import as_double
from .postgis import PostGIS
from .rows import rows_of, statement_of
from .tile_search import Search, Way

VERSION = 2
"""Raised whenever the same rows give other bytes; part of the cache key."""

_EXTENT = sql.SQL("%(resolution)s::pg_catalog.int4")

@dataclass(frozen=True, slots=True)
class Names:
    """Names that no column of the layer has, for what the query adds to the columns."""

    geometry: str
    feature_id: str
    opened: str
    """The keys and values of all objects that are opened."""
    row: str
    """The whole row that is encoded: PostgreSQL takes a bare name for a column first."""

    @classmethod
    def beside(cls, columns: tuple[Column, ...]) -> Names:
        taken = {column.name for column in columns}

        def free(name: str) -> str:
            while name in taken:
                name += "_"
            return name

        return cls(free("~geometry"), free("~id"), free("~open"), free("~row"))


def tile_query(
    request: LayerRequest, layer: RowLayer, search: Search, condition: Condition | None, postgis: PostGIS
) -> sql.Composed:
    """The statement for one layer, as the request's identity may read it, in the request's grid.

    `condition` is what the request's filter says. Of the search only its shape is in the text. Parameters: `search`, `search2` and so on (geometry),
    `clip` (box2d), `clip_geometry` and `corner1` to `corner4` (geometry), `tolerance` (units of the layer's CRS),
    `envelope` (box2d in the grid's CRS), `limit`, `resolution`, `buffer`, `name`; and those of the condition.
    """
    clauses = _Clauses(request, layer, search, condition, postgis)
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
        candidates=clauses.candidates(),
        features=clauses.features(),
        encoded=clauses.encoded(),
        limited=clauses.limited(),
        row=identifier(clauses.names.row),
    )


def sql_tile(layer: SqlTileLayer, postgis: PostGIS) -> bytes:
    """The statement for a layer whose registered statement makes the tile itself: its first row is the tile."""
    return sql.SQL("SELECT tile.body, false FROM (\n{}\n) AS tile (body) LIMIT 1").format(
        statement_of(layer, postgis.schema)
    ).as_bytes(None)


class _Clauses:
    def __init__(
        self, request: LayerRequest, layer: RowLayer, search: Search, condition: Condition | None, postgis: PostGIS
    ) -> None:
        self.layer = layer
        self.rows = rows_of(layer, [name for name, _ in request.arguments], postgis.schema)
        self.identity = request.identity
        self.columns = request.columns
        self.order = request.order
        self.condition = condition
        self.search = search
        self.schema = identifier(postgis.schema)
        self.names = Names.beside(layer.columns)
        self.geometry = layer.geometry
        self.id_column = layer.id_column_for(request.identity) if postgis.has_feature_ids else None
        stored = identifier("candidates", self.names.geometry)
        grid = request.grid.crs
        self.drawing = GeometrySql(
            layer.geometry, stored, search.grid_srid, search.clips, postgis,
            # Shapes on the sphere are laid out beyond ±180 where they cross it.
            pieces=pieces(layer.geometry.crs, grid, comes_round=search.comes_round or layer.geometry.is_sphere_shape),
            grid_text=None if search.grid_srid else grid.definition,
        )  # fmt: skip

    # --- candidates ---------------------------------------------------------------------------------------------

    def candidates(self) -> sql.Composed:
        selected = [sql.SQL("{} AS {}").format(self._source_geometry(), identifier(self.names.geometry))]
        if self.id_column is not None:
            selected.append(self._renamed(self.id_column.name, self.names.feature_id))
        selected += [sql.SQL("source.{}").format(identifier(column.name)) for column in self.columns]
        return sql.SQL(
            "SELECT {selected}\n    FROM {relation} AS source\n    WHERE {found}\n    ORDER BY {order}\n"
            "    LIMIT %(limit)s::pg_catalog.int8"
        ).format(
            selected=sql.SQL(", ").join(selected),
            relation=self.rows,
            found=self._chosen(),
            order=self._order(),
        )

    def _renamed(self, name: str, alias: str) -> sql.Composed:
        return sql.SQL("source.{} AS {}").format(identifier(name), identifier(alias))

    def _source_geometry(self) -> sql.Composed:
        column = sql.SQL("source.{}").format(identifier(self.geometry.name))
        if self.geometry.is_geography:
            return sql.SQL("{}::{}").format(column, self.drawing.type("geometry"))
        return column

    def _chosen(self) -> sql.Composed:
        """Rows of the tile that fulfil the filter. Each side has parentheses of its own: no OR gets out of the box."""
        if self.condition is None:
            return self._found()
        return sql.SQL("{} AND {}").format(self._found(), self.condition.text)

    def _found(self) -> sql.Composed:
        """Which rows meet the tile's buffered box. NULL and empty geometries meet none."""
        column = sql.SQL("source.{}").format(identifier(self.geometry.name))
        kind = "geometry"
        judged: sql.Composable
        match self.search.way:
            case Way.EVERY_ROW:
                return sql.SQL("({} IS NOT NULL)").format(column)
            case Way.INDEX:
                judged, kind = column, "geography" if self.geometry.is_geography else "geometry"
            case Way.CAST:
                judged = self._source_geometry()
            case Way.TRANSFORM:
                judged = self.drawing.whole(self._source_geometry())
        conditions = [
            sql.SQL("{} OPERATOR({}.&&) {}").format(judged, self.schema, self.drawing.parameter(name, kind))
            for name in self.search.searched
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(conditions))

    def _order(self) -> sql.Composed:
        """One total order of the rows, whatever the plan: by key, else by place, else by all that is served."""
        keys: list[sql.Composable] = [self._sorted(key) for key in self.order]
        key = self.layer.key_for(self.identity)
        keys += [sql.SQL("source.{}").format(identifier(name)) for name in key]
        if key and self.layer.key_is_never_null:
            return sql.SQL(", ").join(keys)
        if self.layer.has_ctid_for(self.identity):
            keys += [sql.SQL("source.tableoid"), sql.SQL("source.ctid")]
        else:
            # Rows that are equal in all of this are equal in the tile too, so their order does not matter.
            keys.append(sql.SQL("{}.ST_AsBinary({})").format(self.schema, self._source_geometry()))
            # Not by the column's own collation, to which different texts may be equal.
            keys += [sql.SQL('source.{}::pg_catalog.text COLLATE pg_catalog."C"').format(identifier(c.name)) for c in self.columns]
        return sql.SQL(", ").join(keys)

    def _sorted(self, key: SortKey) -> sql.Composed:
        descending = sql.SQL(" DESC NULLS LAST") if key.descending else sql.SQL("")
        return sql.SQL("source.{}{}").format(identifier(key.column.name), descending)

    # --- features -----------------------------------------------------------------------------------------------

    def features(self) -> sql.Composed:
        # OFFSET 0 keeps the planner from pasting the geometry into each place that uses it, which would make it twice.
        return sql.SQL("SELECT {selected}\n    FROM candidates{straight}\n    OFFSET 0").format(
            selected=sql.SQL(", ").join(self._attributes()), straight=self.drawing.straightening()
        )

    def _attributes(self) -> Iterator[sql.Composable]:
        yield sql.SQL("{}.ST_AsMVTGeom({}, {}, {}, %(buffer)s::pg_catalog.int4, true) AS {}").format(
            self.schema, self.drawing.drawn(), self.drawing.parameter("envelope", "box2d"), _EXTENT, identifier(self.names.geometry)
        )
        if self.id_column is not None:
            yield identifier("candidates", self.names.feature_id)
        for column in self.columns:
            yield sql.SQL("{} AS {}").format(_served(column), identifier(column.name))
        opened = [column for column in self.columns if column.cast is Cast.OPEN]
        if opened:
            taken = [self.geometry.name, *(column.name for column in self.layer.columns)]
            yield sql.SQL("{} AS {}").format(opened_objects(opened, taken), identifier(self.names.opened))

    # --- result -------------------------------------------------------------------------------------------------

    def encoded(self) -> sql.Composed:
        """ST_AsMVT with the extent: without it the decoder would place every coordinate wrongly."""
        row = identifier(self.names.row)
        arguments = [row, sql.SQL("%(name)s::pg_catalog.text"), _EXTENT, sql.Literal(self.names.geometry)]
        if self.id_column is not None:
            arguments.append(sql.Literal(self.names.feature_id))
        return sql.SQL("{}.ST_AsMVT({}) FILTER (WHERE {} IS NOT NULL)").format(
            self.schema, sql.SQL(", ").join(arguments), identifier(self.names.row, self.names.geometry)
        )

    def limited(self) -> sql.Composed:
        """Whether there are more rows than the limit; looked up only where there are as many."""
        return sql.SQL(
            "CASE WHEN pg_catalog.count(*) < %(limit)s::pg_catalog.int8 THEN false ELSE EXISTS ("
            "SELECT 1 FROM {relation} AS source WHERE {found} OFFSET %(limit)s::pg_catalog.int8) END"
        ).format(relation=self.rows, found=self._chosen())


def _served(column: Column) -> sql.Composed:
    """The column's value as one of the types that MVT has."""
    value = identifier("candidates", column.name)
    match column.cast:
        case Cast.OPEN:
            return closed_value(value)
        case Cast.AS_IS:
            # A domain over integer is an integer; ST_AsMVT looks at the type's own oid and would make it text.
            return sql.SQL("{}::{}").format(value, identifier("pg_catalog", column.base_type))
        case Cast.DOUBLE:
            return as_double(value, column)
        case Cast.TEXT:
            return sql.SQL("{}::pg_catalog.text").format(value)
        case Cast.JSON_TEXT:
            return sql.SQL("pg_catalog.to_json({})::pg_catalog.text").format(value)
        case Cast.ISO_TIME:
            return sql.SQL("pg_catalog.to_json({}) OPERATOR(pg_catalog.#>>) '{{}}'::pg_catalog.text[]").format(value)
