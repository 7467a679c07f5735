"""What the statements of a tile have in common: which rows meet it, their order, and how they become a layer.

Each clause is one small function. Everything is composed by psycopg.sql: identifiers are quoted, values are
parameters. Functions, types and operators of PostGIS carry the schema that it was found in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from psycopg import sql

from ..layers.band_layer import BandLayer, PiecedLayer
from ..layers.column import Cast, Column
from ..layers.layer import RowLayer
from ..layers.order import SortKey
from ..layers.request import LayerRequest
from ..layers.world import pieces
from . import dots_sql
from .filter_sql import Condition
from .geometry_sql import GeometrySql
from .identifier import identifier
from .json_sql import closed_value, opened_objects
from .numeric_sql import as_double
from .overview_rows import PIECED, beside_pieces, joined
from .postgis import PostGIS
from .rows import rows_of
from .single_rows_sql import near
from .tile_search import Search, Way

_EXTENT = sql.SQL("%(resolution)s::pg_catalog.int4")


@dataclass(frozen=True, slots=True)
class Names:
    """Names that no column of the layer has, for what a query adds to the columns."""

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


class Clauses:
    """Clauses over `source`, the layer's rows, and over `candidates`, those of them that are drawn."""

    def __init__(
        self,
        request: LayerRequest,
        layer: RowLayer,
        search: Search,
        condition: Condition | None,
        postgis: PostGIS,
    ) -> None:
        self.layer = layer
        self._found_already = False
        self.identity = request.identity
        self.columns = request.columns
        self.sort_keys = request.order
        self.condition = condition
        self.search = search
        self.schema = identifier(postgis.schema)
        self.names = Names.beside(layer.columns)
        self.geometry = layer.geometry
        self.id_column = layer.id_column_for(request.identity) if postgis.has_feature_ids else None
        stored = identifier("candidates", self.names.geometry)
        self.pieced = identifier("candidates", PIECED) if isinstance(layer, PiecedLayer) else None
        self.dot = layer.dot if isinstance(layer, BandLayer) else None
        grid = request.grid.crs
        self.drawing = GeometrySql(
            layer.geometry, stored, search.grid_srid, search.clips, postgis,
            # Shapes on the sphere are laid out beyond ±180 where they cross it.
            pieces=pieces(layer.geometry.crs, grid, comes_round=search.comes_round or layer.geometry.is_sphere_shape),
            grid_text=None if search.grid_srid else grid.definition,
            pieced=self.pieced, in_pieces=isinstance(layer, BandLayer) and layer.in_pieces,
            looks_for_tiny=search.looks_for_tiny,
        )  # fmt: skip
        self.rows = self._rows(request, postgis)

    def _rows(self, request: LayerRequest, postgis: PostGIS) -> sql.Composable:
        """What stands behind FROM. Where pieces are put together it is only those that meet the tile, and fulfil the filter."""
        layer, met = self.layer, self.filtered(self.found())
        rows: sql.Composable
        if isinstance(layer, PiecedLayer):
            rows = beside_pieces(layer, self._read_columns(), met, self.schema)
        elif isinstance(layer, BandLayer) and layer.in_pieces:
            rows = joined(layer, self._read_columns(), met, self.schema)
        else:
            return rows_of(layer, [name for name, _ in request.arguments], postgis.schema)
        self._found_already, self.condition = True, None
        return rows

    def _read_columns(self) -> tuple[str, ...]:
        """The layer's columns that are read beside its geometry: none that this identity need not be able to read."""
        names = [column.name for column in (*self.columns, *(key.column for key in self.sort_keys))]
        return tuple(dict.fromkeys([*names, *self.layer.key, *([] if self.id_column is None else [self.id_column.name])]))

    # --- rows ---------------------------------------------------------------------------------------------------

    def carried(self) -> dict[str, sql.Composable]:
        """What of a row is needed to draw it, by the names that it has among the candidates."""
        carried = {self.names.geometry: self.source_geometry()}
        if self.id_column is not None:
            carried[self.names.feature_id] = self.source(self.id_column.name)
        if self.pieced is not None:
            carried[PIECED] = self.source(PIECED)
        if self.dot is not None:
            carried |= dots_sql.carried(self.dot)
        return carried | {column.name: self.source(column.name) for column in self.columns}

    def source(self, name: str) -> sql.Composable:
        return sql.SQL("source.{}").format(identifier(name))

    def source_geometry(self) -> sql.Composable:
        """The stored geometry, a geography as the same numbers in the plane."""
        column = self.source(self.geometry.name)
        if self.geometry.is_geography:
            return sql.SQL("{}::{}").format(column, self.drawing.type("geometry"))
        return column

    def filtered(self, found: sql.Composable) -> sql.Composable:
        """Each side has parentheses of its own: no OR gets out of the box."""
        return found if self.condition is None else sql.SQL("{} AND {}").format(found, self.condition.text)

    def found(self) -> sql.Composed:
        """Which rows meet the tile's buffered box. NULL and empty geometries meet none."""
        if self._found_already:
            return sql.SQL("{}").format(sql.SQL("true"))
        match self.search.way:
            case Way.EVERY_ROW:
                return sql.SQL("({} IS NOT NULL)").format(self.source(self.geometry.name))
            case Way.INDEX:
                kind = "geography" if self.geometry.is_geography else "geometry"
                return self.meets(self.source(self.geometry.name), self.search.searched, kind)
            case Way.CAST:
                return self.meets(self.source_geometry(), self.search.searched)
            case Way.TRANSFORM:
                return self.meets(self.drawing.whole(self.source_geometry()), self.search.searched)

    def meets(self, judged: sql.Composable, boxes: Collection[str], kind: str = "geometry") -> sql.Composed:
        """Whether the box of a geometry meets one of the parameters of these names."""
        conditions = [
            sql.SQL("{} OPERATOR({}.&&) {}").format(judged, self.schema, self.drawing.parameter(name, kind))
            for name in boxes
        ]
        met = sql.SQL("({})").format(sql.SQL(" OR ").join(conditions))
        layer = self.layer
        if isinstance(layer, BandLayer) and layer.single_rows is not None and judged == self.source(self.geometry.name):
            parameters = [self.drawing.parameter(name, kind) for name in boxes]
            return sql.SQL("({} AND {})").format(near(layer, layer.single_rows, parameters, self.schema), met)
        return met

    def ranks(self) -> list[tuple[sql.Composable, sql.Composable]]:
        """What the request and the layer's rank sort by: each with the direction behind it."""
        return [(self.source(key.column.name), _direction(key)) for key in self.sort_keys]

    def keys(self) -> list[sql.Composable]:
        """What tells rows apart whose ranks are equal: their key, else their place, else all that is served."""
        key = self.layer.key_for(self.identity)
        keys = [self.source(name) for name in key]
        if key and self.layer.key_is_never_null:
            return keys
        if self.layer.has_ctid_for(self.identity):
            return [*keys, sql.SQL("source.tableoid"), sql.SQL("source.ctid")]
        # Rows that are equal in all of this are equal in the tile too, so their order does not matter.
        keys.append(sql.SQL("{}.ST_AsBinary({})").format(self.schema, self.source_geometry()))
        # Not by the column's own collation, to which different texts may be equal.
        return keys + [
            sql.SQL('source.{}::pg_catalog.text COLLATE pg_catalog."C"').format(identifier(c.name))
            for c in self.columns
        ]

    def more_than_the_limit(self) -> sql.Composed:
        """Whether more rows meet the tile than the limit."""
        return sql.SQL(
            "EXISTS (SELECT 1 FROM {} AS source WHERE {} OFFSET %(limit)s::pg_catalog.int8)"
        ).format(self.rows, self.filtered(self.found()))

    # --- features -----------------------------------------------------------------------------------------------

    def features(self, count: str | None = None) -> sql.Composed:
        """The candidates, encoded. `count` is a column of theirs that is an attribute as it is."""
        shapes: sql.Composable = sql.SQL("")
        geometry: sql.Composable = self.drawing.drawn()
        # OFFSET 0 keeps the planner from pasting the geometry into each place that uses it, which would make it again.
        if self.drawing.may_vanish:
            shapes = sql.SQL("\n    CROSS JOIN LATERAL (SELECT {} AS geom OFFSET 0) AS shape").format(
                geometry
            )
            geometry = sql.SQL("shape.geom")
        selected = [
            *self._attributes(geometry, count),
            *([] if count is None else [identifier("candidates", count)]),
        ]
        return sql.SQL("SELECT {selected}\n    FROM candidates{straight}{shapes}\n    OFFSET 0").format(
            selected=sql.SQL(", ").join(selected), straight=self.drawing.straightening(), shapes=shapes
        )

    def _attributes(self, geometry: sql.Composable, count: str | None) -> Iterator[sql.Composable]:
        drawn = self.drawing.in_tile(geometry, _EXTENT)
        if self.dot is not None:
            drawn = dots_sql.dot_or(self.dot, drawn, self.schema)
        yield sql.SQL("{} AS {}").format(drawn, identifier(self.names.geometry))
        if self.id_column is not None:
            yield identifier("candidates", self.names.feature_id)
        for column in self.columns:
            yield sql.SQL("{} AS {}").format(_served(column), identifier(column.name))
        opened = [column for column in self.columns if column.cast is Cast.OPEN]
        if opened:
            taken = [self.geometry.name, *(column.name for column in self.layer.columns)]
            taken += [] if count is None else [count]
            yield sql.SQL("{} AS {}").format(opened_objects(opened, taken), identifier(self.names.opened))

    def encoded(self) -> sql.Composed:
        """ST_AsMVT with the extent: without it the decoder would place every coordinate wrongly."""
        row = identifier(self.names.row)
        arguments = [row, sql.SQL("%(name)s::pg_catalog.text"), _EXTENT, sql.Literal(self.names.geometry)]
        if self.id_column is not None:
            arguments.append(sql.Literal(self.names.feature_id))
        return sql.SQL("{}.ST_AsMVT({}) FILTER (WHERE {} IS NOT NULL)").format(
            self.schema, sql.SQL(", ").join(arguments), identifier(self.names.row, self.names.geometry)
        )


def _direction(key: SortKey) -> sql.Composable:
    return sql.SQL(" DESC NULLS LAST") if key.descending else sql.SQL("")


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
            return sql.SQL(
                "pg_catalog.to_json({}) OPERATOR(pg_catalog.#>>) '{{}}'::pg_catalog.text[]"
            ).format(value)
