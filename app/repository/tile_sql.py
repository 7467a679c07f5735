"""The text of the tile query: one per layer, grid, column set and number of search boxes; the tile is a parameter.

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
from ..layers.identity import Identity
from ..layers.relation import RelationLayer
from .postgis import PostGIS

VERSION = 1
"""Raised whenever the same rows give other bytes; part of the cache key."""

HEAVY_BYTES = 12_000
"""Stored size from which a geometry is clipped and simplified before the transform, about 1,000 vertices."""

_EXTENT = sql.SQL("%(resolution)s::pg_catalog.int4")
_LINEAR = {"LINESTRING", "MULTILINESTRING"}
_AREAL = {"POLYGON", "MULTIPOLYGON"}
_CURVED = {"CIRCULARSTRING", "COMPOUNDCURVE", "CURVEPOLYGON", "MULTICURVE", "MULTISURFACE"}
_SOLID = {"TIN", "TRIANGLE", "POLYHEDRALSURFACE"}


def identifier(*names: str) -> sql.Identifier:
    """A quoted name for a statement that has parameters: there psycopg reads a single % as the start of one."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


@dataclass(frozen=True, slots=True)
class Names:
    """Names that no column of the layer has, for what the query adds to the columns."""

    geometry: str
    feature_id: str
    row: str
    """The whole row that is encoded: PostgreSQL takes a bare name for a column first."""

    @classmethod
    def beside(cls, columns: tuple[Column, ...]) -> Names:
        taken = {column.name for column in columns}

        def free(name: str) -> str:
            while name in taken:
                name += "_"
            return name

        return cls(free("~geometry"), free("~id"), free("~row"))


def tile_query(
    layer: RelationLayer, identity: Identity, grid_srid: int, columns: tuple[Column, ...], boxes: int, postgis: PostGIS
) -> sql.Composed:
    """The statement for one layer, as this identity may read it, in the grid with this SRID.

    `boxes` is the number of search boxes: 0 where the whole relation has to be looked at, 2 where the tile crosses
    ±180 in the layer's CRS. Parameters: `search` and `search2` (geometry), `clip` (box2d), `clip_geometry` and `corner1`
    to `corner4` (geometry), `tolerance` (units of the layer's CRS), `envelope` (box2d in the grid's CRS), `limit`, `resolution`,
    `buffer`, `name`.
    """
    clauses = _Clauses(layer, identity, grid_srid, columns, boxes, postgis)
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


class _Clauses:
    def __init__(
        self,
        layer: RelationLayer,
        identity: Identity,
        grid_srid: int,
        columns: tuple[Column, ...],
        boxes: int,
        postgis: PostGIS,
    ) -> None:
        self.layer = layer
        self.identity = identity
        self.grid_srid = grid_srid
        self.columns = columns
        self.boxes = boxes
        self.postgis = postgis
        self.schema = identifier(postgis.schema)
        self.names = Names.beside(layer.columns)
        self.geometry = layer.geometry
        self.id_column = layer.id_column_for(identity) if postgis.has_feature_ids else None
        self.srid = layer.geometry.crs.srid

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
            relation=identifier(self.layer.schema, self.layer.name),
            found=self._found(),
            order=self._order(),
        )

    def _renamed(self, name: str, alias: str) -> sql.Composed:
        return sql.SQL("source.{} AS {}").format(identifier(name), identifier(alias))

    def _source_geometry(self) -> sql.Composed:
        column = sql.SQL("source.{}").format(identifier(self.geometry.name))
        if self.geometry.is_geography:
            return sql.SQL("{}::{}").format(column, self._type("geometry"))
        return column

    def _found(self) -> sql.Composed:
        """The index condition. NULL and empty geometries meet no box."""
        column = identifier(self.geometry.name)
        if self.boxes == 0:
            return sql.SQL("source.{} IS NOT NULL").format(column)
        conditions = [
            sql.SQL("source.{} OPERATOR({}.&&) {}").format(column, self.schema, self._search(name))
            for name in ("search", "search2")[: self.boxes]
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(conditions))

    def _search(self, name: str) -> sql.Composed:
        return sql.SQL("{}::{}").format(
            sql.Placeholder(name), self._type("geography" if self.geometry.is_geography else "geometry")
        )

    def _order(self) -> sql.Composed:
        """One total order of the rows, whatever the plan: by key, else by place, else by all that is served."""
        keys: list[sql.Composable]
        if key := self.layer.key_for(self.identity):
            keys = [sql.SQL("source.{}").format(identifier(name)) for name in key]
        elif self.layer.has_ctid_for(self.identity):
            keys = [sql.SQL("source.tableoid"), sql.SQL("source.ctid")]
        else:
            # Rows that are equal in all of this are equal in the tile too, so their order does not matter.
            keys = [sql.SQL("{}.ST_AsBinary({})").format(self.schema, self._source_geometry())]
            keys += [sql.SQL("source.{}::pg_catalog.text").format(identifier(c.name)) for c in self.columns]
        return sql.SQL(", ").join(keys)

    # --- features -----------------------------------------------------------------------------------------------

    def features(self) -> sql.Composed:
        # OFFSET 0 keeps the planner from pasting the geometry into each place that uses it, which would make it twice.
        return sql.SQL("SELECT {selected}\n    FROM candidates{linear}\n    OFFSET 0").format(
            selected=sql.SQL(", ").join(self._attributes()), linear=self._linear()
        )

    def _attributes(self) -> Iterator[sql.Composable]:
        yield sql.SQL("{}.ST_AsMVTGeom({}, {}, {}, %(buffer)s::pg_catalog.int4, true) AS {}").format(
            self.schema, self._transformed(self._drawn()), self._box("envelope"), _EXTENT, identifier(self.names.geometry)
        )
        if self.id_column is not None:
            yield identifier("candidates", self.names.feature_id)
        for column in self.columns:
            yield sql.SQL("{} AS {}").format(_served(column), identifier(column.name))

    @property
    def _needs_linear(self) -> bool:
        return self.geometry.type == "GEOMETRY" or self.geometry.type in _CURVED | _SOLID

    @property
    def _geom(self) -> sql.Composable:
        """The candidate's geometry, made of straight lines."""
        return sql.SQL("linear.geom") if self._needs_linear else identifier("candidates", self.names.geometry)

    def _linear(self) -> sql.Composable:
        """Curves and surfaces in space are turned into what the later steps can take."""
        if not self._needs_linear:
            return sql.SQL("")
        source = identifier("candidates", self.names.geometry)
        flat = sql.SQL(
            "(SELECT {s}.ST_Collect({s}.ST_MakePolygon({s}.ST_ExteriorRing({s}.ST_Force2D(part.geom))))"
            " FROM {s}.ST_Dump({g}) AS part)"
        ).format(s=self.schema, g=source)
        geom = sql.SQL(
            "CASE WHEN {s}.GeometryType({g}) = ANY ({solid}) THEN {flat}"
            " WHEN {s}.ST_HasArc({g}) THEN {s}.ST_CurveToLine({g}) ELSE {g} END"
        ).format(s=self.schema, g=source, solid=sql.Literal(sorted(_SOLID)), flat=flat)
        if self.geometry.type == "GEOMETRY":
            # Rows of an untyped column may lack the SRID that the others have.
            geom = sql.SQL("CASE WHEN {s}.ST_SRID({g}) = 0 THEN {s}.ST_SetSRID({geom}, {srid}) ELSE {geom} END").format(
                s=self.schema, g=source, geom=geom, srid=sql.Literal(self.srid)
            )
        return sql.SQL("\n    CROSS JOIN LATERAL (SELECT {} AS geom OFFSET 0) AS linear").format(geom)

    def _drawn(self) -> sql.Composable:
        """What is worth transforming: of a heavy geometry only what the tile shows of it."""
        cases = []
        if not self.geometry.only_points:
            cases.append(sql.SQL("WHEN {} THEN {}").format(self._is_heavy(), self._shown_of_heavy()))
        if self._turns_degrees:
            # A single latitude above 90 makes ST_Transform fail, and the tile with it.
            cases.append(
                sql.SQL("WHEN NOT {g} OPERATOR({s}.@) {s}.ST_MakeEnvelope(-180, -90, 180, 90) THEN {s}.ST_ClipByBox2D({g}, {box})").format(
                    g=self._geom, s=self.schema, box=sql.SQL("'BOX(-180 -90,180 90)'::{}").format(self._type("box2d"))
                )
            )
        if not cases:
            return self._geom
        return sql.SQL("CASE {} ELSE {} END").format(sql.SQL(" ").join(cases), self._geom)

    @property
    def _turns_degrees(self) -> bool:
        return self.geometry.crs.is_geographic and self.grid_srid != self.srid

    def _is_heavy(self) -> sql.Composed:
        # The stored size: known without reading the geometry.
        return sql.SQL("pg_catalog.pg_column_size({}) > {}").format(
            identifier("candidates", self.names.geometry), sql.Literal(HEAVY_BYTES)
        )

    def _shown_of_heavy(self) -> sql.Composed:
        """The geometry clipped to the tile, if the clip can be trusted, and simplified to half a pixel.

        A scalar subquery: rows that are not heavy never run it. ST_Force2D comes first because its result lies in
        memory: each call on the stored geometry would fetch and decompress it again. What collapses is preserved,
        because whether a feature is too small to draw is ST_AsMVTGeom's decision.
        """
        return sql.SQL(
            "(SELECT CASE WHEN %(tolerance)s::pg_catalog.float8 > 0"
            " THEN {s}.ST_Simplify(checked.geom, %(tolerance)s::pg_catalog.float8, true) ELSE checked.geom END"
            " FROM (SELECT {checked} AS geom FROM (SELECT whole.geom AS whole, {clipped} AS geom"
            " FROM (SELECT {s}.ST_Force2D({g}) AS geom OFFSET 0) AS whole OFFSET 0) AS clipped OFFSET 0) AS checked)"
        ).format(s=self.schema, g=self._geom, checked=self._checked(), clipped=self._clipped())

    def _clipped(self) -> sql.Composed:
        """The geometry within the buffered tile; NULL where nothing is to be cut off, or no certain box to cut to."""
        if self.boxes != 1:
            return sql.SQL("NULL::{}").format(self._type("geometry"))
        return sql.SQL(
            "CASE WHEN NOT whole.geom OPERATOR({s}.@) %(clip_geometry)s::{type}"
            " AND {s}.GeometryType(whole.geom) = ANY ({kinds}) THEN {s}.ST_ClipByBox2D(whole.geom, {box}) END"
        ).format(
            s=self.schema, type=self._type("geometry"), box=self._box("clip"), kinds=sql.Literal(sorted(_LINEAR | _AREAL))
        )

    def _checked(self) -> sql.Composed:
        """The clipped geometry where it can be trusted, else the whole one.

        ST_ClipByBox2D fills the wrong side of some invalid polygons. It then disagrees with the polygon about at
        least one corner of the box.
        """
        agrees = sql.SQL(" AND ").join(
            sql.SQL("{s}.ST_Intersects(clipped.geom, {c}) = {s}.ST_Intersects(clipped.whole, {c})").format(
                s=self.schema, c=sql.SQL("{}::{}").format(sql.Placeholder(corner), self._type("geometry"))
            )
            for corner in ("corner1", "corner2", "corner3", "corner4")
        )
        return sql.SQL(
            "CASE WHEN clipped.geom IS NULL THEN clipped.whole"
            " WHEN {s}.ST_Dimension(clipped.geom) < 2 AND {s}.ST_Dimension(clipped.whole) < 2 OR {agrees} THEN clipped.geom"
            " ELSE clipped.whole END"
        ).format(s=self.schema, agrees=agrees)

    def _transformed(self, geom: sql.Composable) -> sql.Composable:
        if self.srid == self.grid_srid:
            return geom
        return sql.SQL("{}.ST_Transform({}, {})").format(self.schema, geom, sql.Literal(self.grid_srid))

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
        ).format(relation=identifier(self.layer.schema, self.layer.name), found=self._found())

    def _type(self, name: str) -> sql.Identifier:
        return identifier(self.postgis.schema, name)

    def _box(self, name: str) -> sql.Composed:
        return sql.SQL("{}::{}").format(sql.Placeholder(name), self._type("box2d"))


def _served(column: Column) -> sql.Composed:
    """The column's value as one of the types that MVT has."""
    value = identifier("candidates", column.name)
    match column.cast:
        case Cast.AS_IS:
            # A domain over integer is an integer; ST_AsMVT looks at the type's own oid and would make it text.
            return sql.SQL("{}::{}").format(value, identifier("pg_catalog", column.base_type))
        case Cast.DOUBLE:
            return sql.SQL("{}::pg_catalog.float8").format(value)
        case Cast.TEXT:
            return sql.SQL("{}::pg_catalog.text").format(value)
        case Cast.JSON_TEXT:
            return sql.SQL("pg_catalog.to_json({})::pg_catalog.text").format(value)
        case Cast.ISO_TIME:
            return sql.SQL("pg_catalog.to_json({}) OPERATOR(pg_catalog.#>>) '{{}}'::pg_catalog.text[]").format(value)
