"""The part of the tile query that draws: a row's geometry, as the grid's CRS has it and as small as the tile allows.

Clip, then simplify, then transform: a transform of all vertices of a heavy geometry is what makes tiles slow.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from ..layers.layer import GeometryColumn
from ..layers.world import Piece
from .geography_sql import laid_out
from .identifier import identifier, text_literal
from .postgis import PostGIS
from .small_shapes_sql import AREAL, LINEAR, around, is_tiny, middle, middle_in_mercator, small_shape

HEAVY_BYTES = 12_000
"""Stored size from which a geometry is clipped and simplified before the transform, about 1,000 vertices."""

_CURVED = {"CIRCULARSTRING", "COMPOUNDCURVE", "CURVEPOLYGON", "MULTICURVE", "MULTISURFACE"}
_SOLID = {"TIN", "TRIANGLE", "POLYHEDRALSURFACE"}


@dataclass(frozen=True)
class GeometrySql:
    """Clauses over `source`, the column of the candidates that holds the stored geometry.

    `clips` says whether there is a box to cut heavy geometry to; the parameters are named in `tile_query`. `pieces` are
    the parts of the layer's plane that can be drawn, where not all of it can, or where it is another place's too.
    `grid_text` defines the grid's CRS where the database has no number for it.
    """

    geometry: GeometryColumn
    source: sql.Identifier
    grid_srid: int
    clips: bool
    postgis: PostGIS
    pieces: tuple[Piece, ...] = ()
    grid_text: str | None = None
    pieced: sql.Identifier | None = None
    """Column that says that the geometry is in the grid's CRS already, put together of pieces."""
    in_pieces: bool = False
    """Whether geometries are put together of pieces: what cuts them once more may leave gaps along the old cuts."""
    looks_for_tiny: bool = False
    """Whether many rows may be too small to be seen: they are drawn by the middle of their box."""

    @property
    def schema(self) -> sql.Identifier:
        return identifier(self.postgis.schema)

    def type(self, name: str) -> sql.Identifier:
        """One of PostGIS's types."""
        return identifier(self.postgis.schema, name)

    def parameter(self, name: str, kind: str) -> sql.Composed:
        """A parameter as a value of one of PostGIS's types."""
        return sql.SQL("{}::{}").format(sql.Placeholder(name), self.type(kind))

    def drawn(self) -> sql.Composable:
        """The geometry in the grid's CRS. Of a heavy one only what the tile shows is transformed."""
        shown = self._on_earth(self._straight)
        if not self.geometry.only_points and not self.in_pieces:
            # The stored size: known without reading the geometry.
            shown = sql.SQL("CASE WHEN pg_catalog.pg_column_size({}) > {} THEN {} ELSE {} END").format(
                self.source, sql.Literal(HEAVY_BYTES), self._shown_of_heavy(), shown
            )
        drawn = self._transformed(shown)
        if self._has_tiny:
            drawn = sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(self._is_tiny(), self._middle(), drawn)
        if self.pieced is None:
            return drawn
        return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(self.pieced, self.source, drawn)

    @property
    def _has_tiny(self) -> bool:
        """Not where there is no transform to be saved, and not where a place may be drawn elsewhere."""
        transforms = self.geometry.crs.srid != self.grid_srid and not self.geometry.is_geography
        whole = self.pieced is None and not self.in_pieces and not self.pieces
        return self.looks_for_tiny and transforms and whole and self.geometry.type in LINEAR | AREAL

    def _middle(self) -> sql.Composable:
        """The middle of its box, transformed."""
        srid = self.geometry.crs.srid
        if (srid, self.grid_srid) == (4326, 3857):
            return middle_in_mercator(self.source, self.schema)
        return self._transformed(middle(self.source, srid, self.schema))

    def _is_tiny(self) -> sql.Composable:
        # The box of a heavy one costs reading all of it.
        light = sql.SQL("pg_catalog.pg_column_size({}) <= {} AND {}").format(
            self.source, sql.Literal(HEAVY_BYTES), is_tiny(self.source, self.schema)
        )
        if not self.geometry.crs.is_geographic:
            return light
        return sql.SQL("{} AND {} OPERATOR({}.@) {}").format(light, self.source, self.schema, self._world())

    def placed(self) -> sql.Composable:
        """All of the straightened geometry in the grid's CRS."""
        return self._transformed(self._on_earth(self._straight))

    @property
    def may_vanish(self) -> bool:
        """Whether ST_AsMVTGeom leaves out what is smaller than a unit of the tile: all but points."""
        return not self.geometry.only_points

    def in_tile(self, geom: sql.Composable, extent: sql.Composable) -> sql.Composable:
        """A geometry of the grid's CRS in units of the tile; NULL where it lies outside.

        What is too small for that is drawn as small as can be seen, so `geom` must be a name: only such rows pay for it.
        """

        def encoded(shape: sql.Composable) -> sql.Composed:
            return sql.SQL("{}.ST_AsMVTGeom({}, {}, {}, %(buffer)s::pg_catalog.int4, true)").format(
                self.schema, shape, self.parameter("envelope", "box2d"), extent
            )

        if not self.may_vanish:
            return encoded(geom)
        small = small_shape(geom, self.geometry, self.schema, encoded, as_tiny=self._has_tiny)
        made = sql.SQL("COALESCE({}, CASE WHEN {} OPERATOR({}.&&) {}{} THEN {} END)").format(
            encoded(geom), geom, self.schema, self.parameter("shown", "geometry"), self._is_whole(), small
        )
        if not self._has_tiny:
            return made
        return sql.SQL("CASE WHEN {}.GeometryType({}) = 'POINT' THEN {} ELSE {} END").format(
            self.schema, geom, around(encoded(geom), self.geometry, self.schema), made
        )

    def _is_whole(self) -> sql.Composable:
        """Of a heavy geometry that was cut at the tile, the part may be small although the geometry is not."""
        if not self.clips:
            return sql.SQL("")
        return sql.SQL(
            " AND (pg_catalog.pg_column_size({g}) <= {heavy} OR {g} OPERATOR({s}.@) {outline})"
        ).format(
            g=self.source,
            s=self.schema,
            heavy=sql.Literal(HEAVY_BYTES),
            outline=self.parameter("clip_geometry", "geometry"),
        )

    def whole(self, stored: sql.Composable) -> sql.Composable:
        """All of a stored geometry in the grid's CRS: what a search without a box in the layer's CRS looks at."""
        if self.geometry.type == "GEOMETRY":
            stored = self._labelled(stored, stored)
        return self._transformed(self._on_earth(stored))

    def _transformed(self, geom: sql.Composable) -> sql.Composable:
        if self.geometry.crs.srid == self.grid_srid:
            return geom
        if self.grid_text is not None:
            return sql.SQL("{}.ST_Transform({}, {}, {})").format(
                self.schema, geom, text_literal(self.geometry.crs.definition), text_literal(self.grid_text)
            )
        return sql.SQL("{}.ST_Transform({}, {})").format(self.schema, geom, sql.Literal(self.grid_srid))

    def _labelled(self, stored: sql.Composable, geom: sql.Composable) -> sql.Composed:
        """Rows of an untyped column may lack the SRID that the others have."""
        return sql.SQL(
            "CASE WHEN {s}.ST_SRID({g}) = 0 THEN {s}.ST_SetSRID({geom}, {srid}) ELSE {geom} END"
        ).format(s=self.schema, g=stored, geom=geom, srid=sql.Literal(self.geometry.crs.srid))

    def straightening(self) -> sql.Composable:
        """A lateral join that turns curves, and surfaces in space, into what the other steps can take; often empty."""
        if not self._needs_straightening:
            return sql.SQL("")
        if self.geometry.is_geography:
            return self._lateral(laid_out(self.source, self.schema))
        flat = sql.SQL(
            "(SELECT {s}.ST_Collect({s}.ST_MakePolygon({s}.ST_ExteriorRing({s}.ST_Force2D(part.geom))))"
            " FROM {s}.ST_Dump({g}) AS part)"
        ).format(s=self.schema, g=self.source)
        geom = sql.SQL(
            "CASE WHEN {s}.GeometryType({g}) = ANY ({solid}) THEN {flat}"
            " WHEN {s}.ST_HasArc({g}) THEN {s}.ST_CurveToLine({g}) ELSE {g} END"
        ).format(s=self.schema, g=self.source, solid=sql.Literal(sorted(_SOLID)), flat=flat)
        if self.geometry.type == "GEOMETRY":
            geom = self._labelled(self.source, geom)
        return self._lateral(geom)

    def _lateral(self, geom: sql.Composable) -> sql.Composed:
        # OFFSET 0 keeps the planner from pasting the expression into each place that uses it.
        return sql.SQL("\n    CROSS JOIN LATERAL (SELECT {} AS geom OFFSET 0) AS straight").format(geom)

    @property
    def _needs_straightening(self) -> bool:
        if self.geometry.is_geography:
            return self.geometry.is_sphere_shape
        return self.geometry.type == "GEOMETRY" or self.geometry.type in _CURVED | _SOLID

    @property
    def _straight(self) -> sql.Composable:
        return sql.SQL("straight.geom") if self._needs_straightening else self.source

    def _on_earth(self, geom: sql.Composable) -> sql.Composable:
        """Cut at the poles and at ±180: a single latitude above 90 makes ST_Transform fail, and the tile with it.

        Only rows that reach beyond come here, and are made valid first: ST_ClipByBox2D fills the wrong side of some
        invalid polygons.
        """
        if self.pieces:
            return self._in_pieces(geom)
        if not self.geometry.crs.is_geographic or self.geometry.crs.srid == self.grid_srid:
            return geom
        return sql.SQL(
            "CASE WHEN {g} OPERATOR({s}.@) {world} THEN {g}"
            " WHEN {s}.ST_IsValid({g}) THEN {s}.ST_ClipByBox2D({g}, 'BOX(-180 -90,180 90)'::{box})"
            " ELSE {s}.ST_Intersection({s}.ST_MakeValid({g}), {world}) END"
        ).format(
            g=geom, s=self.schema, box=self.type("box2d"), world=self._world(),
        )  # fmt: skip

    def _world(self) -> sql.Composed:
        return sql.SQL("{}.ST_MakeEnvelope(-180, -90, 180, 90, {})").format(
            self.schema, sql.Literal(self.geometry.crs.srid)
        )

    def _in_pieces(self, geom: sql.Composable) -> sql.Composable:
        """Cut where a piece of the layer's plane ends, and each part moved to where it belongs.

        What a full turn or more is wide overlaps itself then, or has a seam: an area becomes one again.
        """
        inside = sql.SQL(" OR ").join(
            sql.SQL("{} OPERATOR({}.@) {}").format(geom, self.schema, self._box(piece, "geometry"))
            for piece in self.pieces
            if piece.shift == 0
        )
        cut = sql.SQL(
            "SELECT {s}.ST_Translate({s}.ST_ClipByBox2D(sound.geom, piece.box), piece.shift, 0) AS geom"
            " FROM (SELECT {s}.ST_Force2D(CASE WHEN {s}.ST_IsValid({g}) THEN {g} ELSE {s}.ST_MakeValid({g}) END) AS geom OFFSET 0) AS sound,"
            " (VALUES {pieces}) AS piece (box, shift)"
        ).format(
            s=self.schema, g=geom,
            pieces=sql.SQL(", ").join(
                sql.SQL("({}, {}::pg_catalog.float8)").format(self._box(piece, "box2d"), sql.Literal(piece.shift))
                for piece in self.pieces
            ),
        )  # fmt: skip
        joined = sql.SQL("{s}.ST_CollectionHomogenize({s}.ST_Collect(part.geom))").format(s=self.schema)
        turn = max(piece.shift for piece in self.pieces)
        if turn > 0 and not self.geometry.only_points:
            joined = sql.SQL(
                "CASE WHEN {s}.ST_Dimension({g}) = 2 AND {s}.ST_XMax({g}) - {s}.ST_XMin({g}) >= {turn}"
                " THEN {s}.ST_UnaryUnion({joined}) ELSE {joined} END"
            ).format(s=self.schema, g=geom, turn=sql.Literal(turn), joined=joined)
        return sql.SQL(
            "CASE WHEN {inside} THEN {g} ELSE (SELECT {joined} FROM ({cut}) AS part"
            " WHERE NOT {s}.ST_IsEmpty(part.geom)) END"
        ).format(s=self.schema, g=geom, inside=inside, joined=joined, cut=cut)

    def _box(self, piece: Piece, kind: str) -> sql.Composed:
        box = piece.box
        if kind == "box2d":
            text = f"BOX({box.xmin!r} {box.ymin!r},{box.xmax!r} {box.ymax!r})"
            return sql.SQL("{}::{}").format(sql.Literal(text), self.type("box2d"))
        edges = sql.SQL(", ").join(map(sql.Literal, (*box.as_list(), self.geometry.crs.srid)))
        return sql.SQL("{}.ST_MakeEnvelope({})").format(self.schema, edges)

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
            " FROM (SELECT {earth} AS geom FROM (SELECT {s}.ST_Force2D({g}) AS geom OFFSET 0) AS loaded OFFSET 0) AS whole"
            " OFFSET 0) AS clipped OFFSET 0) AS checked)"
        ).format(
            s=self.schema, g=self._straight, earth=self._on_earth(sql.SQL("loaded.geom")), checked=self._checked(),
            clipped=self._clipped(),
        )  # fmt: skip

    def _clipped(self) -> sql.Composed:
        """The geometry within the buffered tile; NULL where nothing is to be cut off, or no certain box to cut to."""
        if not self.clips:
            return sql.SQL("NULL::{}").format(self.type("geometry"))
        return sql.SQL(
            "CASE WHEN NOT whole.geom OPERATOR({s}.@) {outline}"
            " AND {s}.GeometryType(whole.geom) = ANY ({kinds}) THEN {s}.ST_ClipByBox2D(whole.geom, {box}) END"
        ).format(
            s=self.schema, outline=self.parameter("clip_geometry", "geometry"), box=self.parameter("clip", "box2d"),
            kinds=sql.Literal(sorted(LINEAR | AREAL)),
        )  # fmt: skip

    def _checked(self) -> sql.Composed:
        """The clipped geometry where it can be trusted, else the whole one.

        ST_ClipByBox2D fills the wrong side of some invalid polygons. It then disagrees with the polygon about at
        least one corner of the box.
        """
        if not self.clips:
            return sql.SQL("clipped.whole").format()
        # Each call copies a whole geometry that it has not seen: one or two for all corners are cheaper than four.
        agrees = sql.SQL(
            "(SELECT (found.inside IS NULL OR {s}.ST_Covers(clipped.whole, found.inside))"
            " AND (found.outside IS NULL OR NOT {s}.ST_Intersects(clipped.whole, found.outside))"
            " FROM (SELECT {s}.ST_Collect(corner.geom) FILTER (WHERE corner.inside) AS inside,"
            " {s}.ST_Collect(corner.geom) FILTER (WHERE NOT corner.inside) AS outside"
            " FROM (SELECT place.geom, {s}.ST_Intersects(clipped.geom, place.geom) AS inside"
            " FROM (VALUES {corners}) AS place (geom) OFFSET 0) AS corner) AS found)"
        ).format(
            s=self.schema,
            corners=sql.SQL(", ").join(
                sql.SQL("({})").format(self.parameter(corner, "geometry"))
                for corner in ("corner1", "corner2", "corner3", "corner4")
            ),
        )
        return sql.SQL(
            "CASE WHEN clipped.geom IS NULL THEN clipped.whole"
            " WHEN {s}.ST_Dimension(clipped.geom) < 2 AND {s}.ST_Dimension(clipped.whole) < 2 OR {agrees} THEN clipped.geom"
            " ELSE clipped.whole END"
        ).format(s=self.schema, agrees=agrees)
