"""The geometry of bands: a row's shape in the grid's CRS, and what of it is left at a zoom.

Neighbours stay closed because vertices are moved to a lattice, each by itself: an edge that two polygons share gets the
same vertices in both. A simplification that looks along the line (Douglas-Peucker) starts elsewhere in each.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from ...layers.bounds import Bounds
from ...layers.grid import Grid
from ...layers.overview import BandPlan, Lattice
from ...layers.relation import RelationLayer
from ...layers.world import pieces, world
from ..geometry_sql import GeometrySql
from ..identifier import identifier, text_literal
from ..packed_sql import packed, unpacked
from ..postgis import PostGIS

LATTICE = 0.5
"""Distance of the lattice's points in pixels: with the round-off a quarter of a pixel, which nobody sees."""
SCATTER = 2
"""Distance in pixels of what stands for parts that are all below a pixel: they do not touch."""
LONG = 4
"""Length in pixels from which a thin area is drawn by its edge."""
SLANT = 0.36
"""Part of a pixel to each side that a stroke goes: aslant it is a pixel long. Along the very edge of a tile the clip would
leave nothing of it."""
HEAVY_POINTS = 512
"""Vertices from which a polygon is stored in pieces."""
PACKED_POINTS = 16
"""Vertices from which a polygon of a band is stored packed: a line across its box and the bytes take less than it from 6 on."""
CUT_POINTS = 256
"""Vertices up to which a polygon is cut in halves."""
PIECE_POINTS = 512
"""Vertices from which on the next part, in the order of cutting, goes to the next piece. ST_Subdivide leaves parts of 60
vertices in the mean, and a country has thousands of islands: a row for each would be larger than what it holds."""


@dataclass(frozen=True)
class Shapes:
    """Clauses for one layer in one grid. `grid_srid` is the database's number of the grid's CRS, 0 where it has none."""

    layer: RelationLayer
    grid: Grid
    grid_srid: int
    postgis: PostGIS

    @property
    def s(self) -> sql.Identifier:
        """PostGIS's schema."""
        return identifier(self.postgis.schema)

    @property
    def _drawing(self) -> GeometrySql:
        crs = self.layer.geometry.crs
        return GeometrySql(
            self.layer.geometry, self._stored, self.grid_srid, False, self.postgis,
            # Who builds once may look at every row: those beyond ±180 are moved to where they belong.
            pieces=pieces(crs, self.grid.crs, comes_round=world(crs) is not None),
            grid_text=None if self.grid_srid else self.grid.crs.definition,
        )  # fmt: skip

    @property
    def _stored(self) -> sql.Identifier:
        return identifier("stored", "geom")

    def source(self) -> sql.Composed:
        """The geometry column of `source`, as a lateral item `stored (geom)`."""
        return sql.SQL("CROSS JOIN LATERAL (SELECT {} AS geom OFFSET 0) AS stored").format(self.column())

    def column(self) -> sql.Composable:
        """The geometry column of `source`, a geography as the same numbers in the plane."""
        column = sql.SQL("source.{}").format(identifier(self.layer.geometry.name))
        return (
            sql.SQL("{}::{}.geometry").format(column, self.s) if self.layer.geometry.is_geography else column
        )

    def placed(self) -> sql.Composed:
        """Lateral items after `stored` that end in `placed (geom)`: in the grid's CRS, cut at the grid's edge;
        NULL where nothing of it is in the grid."""
        drawing, s = self._drawing, self.s
        return sql.SQL(
            "{straight}\n"
            "CROSS JOIN LATERAL (SELECT {s}.ST_Force2D({geom}) AS geom OFFSET 0) AS moved\n"
            # A place that is no number (NaN) compares as if it lay within.
            "CROSS JOIN LATERAL (SELECT CASE WHEN {nowhere} THEN NULL WHEN moved.geom OPERATOR({s}.@) {outline} THEN moved.geom"
            " WHEN moved.geom OPERATOR({s}.&&) {outline} THEN {cut} END AS geom OFFSET 0) AS placed"
        ).format(
            straight=drawing.straightening(),
            geom=drawing.placed(),
            s=s,
            outline=self._outline(),
            cut=self._cut(),
            nowhere=self._nowhere(sql.SQL("moved.geom")),
        )

    def _nowhere(self, geom: sql.Composable) -> sql.Composed:
        """Whether an edge of a geometry's box is no number."""
        edges = sql.SQL(", ").join(
            sql.SQL("{}.{}({})").format(self.s, sql.SQL(edge), geom) for edge in ("ST_XMin", "ST_YMin", "ST_XMax", "ST_YMax")
        )
        return sql.SQL("'NaN'::pg_catalog.float8 IN ({})").format(edges)

    def _cut(self) -> sql.Composed:
        """What lies in the grid, part by part: ST_ClipByBox2D fills the wrong side of some invalid polygons, and of a
        line or point along the very edge it leaves nothing."""
        part = sql.SQL("part.geom")
        return sql.SQL(
            "(SELECT {s}.ST_CollectionHomogenize({s}.ST_Collect(CASE WHEN {s}.ST_Dimension({g}) < 2"
            " THEN {s}.ST_Intersection({g}, {outline}) ELSE {s}.ST_ClipByBox2D({sound}, {box}) END))"
            " FROM {s}.ST_Dump(moved.geom) AS part WHERE {g} OPERATOR({s}.&&) {outline})"
        ).format(s=self.s, g=part, sound=self.sound(part), box=self._box(), outline=self._outline())

    def sound(self, geom: sql.Composable) -> sql.Composed:
        """One polygon, repaired where it is invalid; lines and points as they are."""
        # PostGIS 3.2 has GEOS's method by structure: six times as fast for rings of many thousand vertices.
        method = sql.SQL(
            ", 'method=structure keepcollapsed=false'" if self.postgis.version >= (3, 2, 0) else ""
        )
        return sql.SQL(
            "CASE WHEN {s}.ST_Dimension({g}) < 2 OR {s}.ST_IsValid({g}) THEN {g}"
            " ELSE {s}.ST_CollectionExtract({s}.ST_MakeValid({g}{method}), 3) END"
        ).format(s=self.s, g=geom, method=method)

    def _outline(self) -> sql.Composed:
        edges = sql.SQL(", ").join(map(sql.Literal, (*self.grid.extent.as_list(), self.grid_srid)))
        return sql.SQL("{}.ST_MakeEnvelope({})").format(self.s, edges)

    def _box(self) -> sql.Composed:
        box: Bounds = self.grid.extent
        text = f"BOX({box.xmin!r} {box.ymin!r},{box.xmax!r} {box.ymax!r})"
        return sql.SQL("{}::{}.box2d").format(text_literal(text), self.s)

    def measures(self, geom: sql.Composable) -> sql.Composed:
        """Four values: the middle of the geometry's box (x, y), the longer side of the box, and area or length."""
        given = {"s": self.s, "g": geom}
        width = sql.SQL("GREATEST({s}.ST_XMax({g}) - {s}.ST_XMin({g}), {s}.ST_YMax({g}) - {s}.ST_YMin({g}))").format(**given)
        size = sql.SQL(
            "CASE {s}.ST_Dimension({g}) WHEN 2 THEN {s}.ST_Area({g}) WHEN 1 THEN {s}.ST_Length({g}) ELSE 0 END"
        ).format(**given)
        return sql.SQL(
            "({s}.ST_XMin({g}) + {s}.ST_XMax({g})) / 2, ({s}.ST_YMin({g}) + {s}.ST_YMax({g})) / 2, {width}, {size}"
        ).format(width=_single(width), size=_single(size), **given)

    # --- pieces -------------------------------------------------------------------------------------------------

    def pieces(self, parts: sql.Composable) -> sql.Composed:
        """A table (number, geom, pieces) of the pieces of one feature: parts that follow upon one another, together. `parts` is a
        table of (geom, number), each an area, of which the heavy ones are cut, or a line or a point, which are not."""
        s = self.s
        return sql.SQL(
            "SELECT pg_catalog.row_number() OVER (ORDER BY grouped.piece), grouped.geom, pg_catalog.count(*) OVER () FROM"
            " (SELECT counted.piece, {s}.ST_Collect(counted.geom ORDER BY counted.number, counted.cut) AS geom FROM"
            " (SELECT small.*, (pg_catalog.sum({s}.ST_NPoints(small.geom)) OVER (ORDER BY small.number, small.cut)"
            " - {s}.ST_NPoints(small.geom)) / {points} AS piece FROM"
            " (SELECT part.number, cut.number AS cut, cut.geom FROM ({parts}) AS part CROSS JOIN LATERAL"
            " (SELECT part.geom, 1::pg_catalog.int8 WHERE {s}.ST_Dimension(part.geom) < 2 OR {s}.ST_NPoints(part.geom) <= {cut}"
            " UNION ALL SELECT * FROM {s}.ST_Subdivide(CASE WHEN {s}.ST_Dimension(part.geom) = 2"
            " AND {s}.ST_NPoints(part.geom) > {cut}"
            " THEN part.geom END, {cut}) WITH ORDINALITY) AS cut (geom, number)) AS small) AS counted"
            " GROUP BY counted.piece) AS grouped"
        ).format(s=s, parts=parts, points=sql.Literal(PIECE_POINTS), cut=sql.Literal(CUT_POINTS))

    def packed(self, geom: sql.Composable, lattice: Lattice) -> sql.Composed:
        """A geometry in the grid's CRS as bytes."""
        return packed(geom, lattice, self.s)

    def unpacked(self, column: sql.Composable, lattice: Lattice) -> sql.Composed:
        """What was packed: of a vertex that lay on the band's lattice exactly the same numbers."""
        return sql.SQL("{s}.ST_SnapToGrid({geom}, {x}, {y}, {step}, {step})").format(
            s=self.s, geom=unpacked(column, lattice, self.grid_srid, self.s), x=sql.Literal(lattice.x), y=sql.Literal(lattice.y),
            step=sql.Literal(lattice.step),
        )  # fmt: skip

    def across(self, geom: sql.Composable) -> sql.Composed:
        """A line across the box of a geometry: what an index needs of it."""
        return sql.SQL(
            "{s}.ST_SetSRID({s}.ST_MakeLine({s}.ST_MakePoint({s}.ST_XMin({g}), {s}.ST_YMin({g})),"
            " {s}.ST_MakePoint({s}.ST_XMax({g}), {s}.ST_YMax({g}))), {srid})"
        ).format(s=self.s, g=geom, srid=sql.Literal(self.grid_srid))

    # --- at a zoom ----------------------------------------------------------------------------------------------

    def as_it_is(
        self, geom: sql.Composable, x: sql.Composable, y: sql.Composable, plan: BandPlan
    ) -> sql.Composed:
        """What is left of a geometry at the band's zoom; never nothing."""
        return sql.SQL(
            "CASE {s}.ST_Dimension({g}) WHEN 2 THEN COALESCE({areas}, {dots}, {dot})"
            " WHEN 1 THEN COALESCE({lines}, {strokes}, {stroke}) ELSE {points} END"
        ).format(
            s=self.s, g=geom, areas=self._areas(geom, plan), dots=self._scattered(geom, 2, plan), dot=self._dot(x, y, plan),
            lines=self._lines(geom, plan), strokes=self._scattered(geom, 1, plan), stroke=self._stroke(x, y, plan),
            points=self._points(geom, plan),
        )  # fmt: skip

    def smallest(
        self, dimension: sql.Composable, x: sql.Composable, y: sql.Composable, plan: BandPlan
    ) -> sql.Composed:
        """A shape of one pixel at a place: a square, a stroke or a point, as the dimension says."""
        return sql.SQL("CASE {d} WHEN 2 THEN {dot} WHEN 1 THEN {stroke} ELSE {point} END").format(
            d=dimension, dot=self._dot(x, y, plan), stroke=self._stroke(x, y, plan), point=self._point(x, y)
        )

    def _areas(self, geom: sql.Composable, plan: BandPlan) -> sql.Composed:
        """Polygons on the lattice, without the parts that are below a pixel; NULL where none is left.

        Parts that are too small go first, and repairs come last: there is little left to repair then. What is so thin
        that the lattice would leave scraps of it becomes its edge, half a pixel wide on each side.
        """
        part, half = sql.SQL("part.geom"), sql.Literal(plan.pixel / 2)
        edge = sql.SQL(
            "{s}.ST_Buffer({s}.ST_Simplify({s}.ST_Boundary({g}), {half}, true), {half}, 1)"
        ).format(s=self.s, g=part, half=half)
        thin = sql.SQL("{long} AND {s}.ST_Area({g}) * 2 < {s}.ST_Perimeter({g}) * {half}").format(
            long=self._wide(part, plan.pixel * LONG), s=self.s, g=part, half=half
        )
        joined = sql.SQL("{s}.ST_Collect(kept.geom)").format(s=self.s)
        return sql.SQL(
            # Parts that touch one another now are one.
            "(SELECT {s}.ST_CollectionHomogenize(CASE WHEN {s}.ST_IsValid({joined})"
            " THEN {joined} ELSE {s}.ST_UnaryUnion({joined}) END)"
            " FROM {s}.ST_Dump({s}.ST_CollectionExtract({g}, 3)) AS part"
            " CROSS JOIN LATERAL (SELECT CASE WHEN {thin}"
            " THEN {edge} ELSE {s}.ST_Simplify({snapped}, 0) END AS geom OFFSET 0) AS moved"
            " CROSS JOIN LATERAL (SELECT {sound} AS geom OFFSET 0) AS sound"
            " CROSS JOIN LATERAL {s}.ST_Dump(sound.geom) AS kept WHERE {wide} AND {still_wide})"
        ).format(
            s=self.s, g=geom, joined=joined, thin=thin, edge=edge, snapped=self._snapped(part, plan.pixel * LATTICE),
            sound=self.sound(sql.SQL("moved.geom")), wide=self._wide(part, plan.pixel),
            still_wide=self._wide(sql.SQL("kept.geom"), plan.pixel),
        )  # fmt: skip

    def _lines(self, geom: sql.Composable, plan: BandPlan) -> sql.Composed:
        """Lines without bends of less than half a pixel, and without the parts that are below a pixel. Never cut: what
        follows upon one another is one part."""
        lines = sql.SQL("{s}.ST_CollectionExtract({g}, 2)").format(s=self.s, g=geom)
        return sql.SQL(
            "(SELECT {s}.ST_CollectionHomogenize({s}.ST_Collect({s}.ST_Simplify(part.geom, {half}, true)))"
            " FROM {s}.ST_Dump(CASE WHEN {s}.ST_NumGeometries({g}) > 1 THEN {s}.ST_LineMerge({lines}) ELSE {lines} END) AS part"
            " WHERE {wide})"
        ).format(
            s=self.s,
            g=geom,
            lines=lines,
            half=sql.Literal(plan.pixel / 2),
            wide=self._wide(sql.SQL("part.geom"), plan.pixel),
        )

    def _scattered(self, geom: sql.Composable, dimension: int, plan: BandPlan) -> sql.Composed:
        """Parts that are all below a pixel: one shape of a pixel for each place of a lattice where some of them lie."""
        step, part = plan.pixel * SCATTER, sql.SQL("part.geom")
        place = self._snapped(sql.SQL("{s}.ST_Centroid({s}.ST_Envelope({g}))").format(s=self.s, g=part), step)
        made = self._dot if dimension == 2 else self._stroke
        return sql.SQL(
            "(SELECT {s}.ST_CollectionHomogenize({s}.ST_Collect({made} ORDER BY place.x, place.y))"
            " FROM (SELECT DISTINCT {s}.ST_X({place}) AS x, {s}.ST_Y({place}) AS y"
            " FROM {s}.ST_Dump({s}.ST_CollectionExtract({g}, {kind})) AS part) AS place)"
        ).format(
            s=self.s, made=made(sql.SQL("place.x"), sql.SQL("place.y"), plan), place=place, g=geom,
            kind=sql.Literal(dimension + 1),
        )  # fmt: skip

    def _points(self, geom: sql.Composable, plan: BandPlan) -> sql.Composed:
        return sql.SQL("{s}.ST_RemoveRepeatedPoints({snapped})").format(
            s=self.s, snapped=self._snapped(geom, plan.pixel * LATTICE)
        )

    def _snapped(self, geom: sql.Composable, step: float) -> sql.Composed:
        origin = self.grid.matrices[self.grid.minzoom]
        return sql.SQL("{s}.ST_SnapToGrid({g}, {x}, {y}, {step}, {step})").format(
            s=self.s,
            g=geom,
            x=sql.Literal(origin.origin_x),
            y=sql.Literal(origin.origin_y),
            step=sql.Literal(step),
        )

    def _wide(self, geom: sql.Composable, width: float) -> sql.Composed:
        return sql.SQL(
            "GREATEST({s}.ST_XMax({g}) - {s}.ST_XMin({g}), {s}.ST_YMax({g}) - {s}.ST_YMin({g})) >= {width}"
        ).format(s=self.s, g=geom, width=sql.Literal(width))

    def _dot(self, x: sql.Composable, y: sql.Composable, plan: BandPlan) -> sql.Composed:
        half = sql.Literal(plan.pixel / 2)
        return sql.SQL(
            "{s}.ST_MakeEnvelope({x} - {half}, {y} - {half}, {x} + {half}, {y} + {half}, {srid})"
        ).format(s=self.s, x=x, y=y, half=half, srid=sql.Literal(self.grid_srid))

    def _stroke(self, x: sql.Composable, y: sql.Composable, plan: BandPlan) -> sql.Composed:
        return sql.SQL(
            "{s}.ST_SetSRID({s}.ST_MakeLine({s}.ST_MakePoint({x} - {part}, {y} - {part}),"
            " {s}.ST_MakePoint({x} + {part}, {y} + {part})), {srid})"
        ).format(s=self.s, x=x, y=y, part=sql.Literal(plan.pixel * SLANT), srid=sql.Literal(self.grid_srid))

    def _point(self, x: sql.Composable, y: sql.Composable) -> sql.Composed:
        return sql.SQL("{s}.ST_SetSRID({s}.ST_MakePoint({x}, {y}), {srid})").format(
            s=self.s, x=x, y=y, srid=sql.Literal(self.grid_srid)
        )


def _single(number: sql.Composable) -> sql.Composed:
    """A number in single precision: what it cannot tell from 0, and would be an error, is 0. Computed once."""
    return sql.SQL("COALESCE(NULLIF(GREATEST({}, {least}), {least}), 0)::pg_catalog.float4").format(
        number, least=sql.SQL("1e-37::pg_catalog.float8")
    )
