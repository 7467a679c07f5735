"""The statements that fill a band: rows compete for cells, what wins or is large enough gets its shape.

    features   one row per feature: the layer's columns, its whole geometry in the grid's CRS (NULL where it is too small
               to be drawn as it is), its measures and the number of rows that it stands for
    judged     with its cell, and whether it competes
    ranked     those that compete, by cell
    shaped     winners with the rows of their cell, and everything that is large enough, at the band's zoom
    stored     heavy polygons in pieces
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from ...layers.overview import BandNames, BandPlan, Lattice, has_row_security, key_of, stored_columns
from ...layers.tile import PIXELS
from ...layers.totals import totals
from ..identifier import identifier
from .shapes_sql import HEAVY_POINTS, PACKED_POINTS, Shapes
from .totals_sql import mean, of_cell, own_total

MEASURES = ("x", "y", "width", "size")

# Columns within the statements, beside those of the layer, which may have any name.
DIMENSION, _CX, _CY, _COMPETES, _PLACE, _TOTAL, _PART, _NUMBER, _HEAVY = (
    identifier(f"flagstone~{name}")
    for name in ("dimension", "cx", "cy", "competes", "place", "total", "part", "number", "heavy")
)


@dataclass(frozen=True)
class BandSql:
    """Statements for the bands of one layer in one grid. Of a table with row security they hold single rows."""

    shapes: Shapes

    @property
    def names(self) -> BandNames:
        return BandNames.beside(stored_columns(self.shapes.layer))

    @property
    def _columns(self) -> list[sql.Identifier]:
        return [identifier(name) for name in stored_columns(self.shapes.layer)]

    @property
    def _list(self) -> sql.Composed:
        return sql.SQL(", ").join(self._columns)

    def _own(self, *names: str) -> sql.Composed:
        return sql.SQL(", ").join(identifier(getattr(self.names, name)) for name in names)

    @property
    def _totals(self) -> list[sql.Identifier]:
        return [identifier(name) for each in totals(self.shapes.layer) for name in (each.total, each.rows)]

    @property
    def _measures(self) -> sql.Composed:
        """The columns that go from band to band beside those of the layer and the count."""
        return sql.SQL(", ").join([*(identifier(getattr(self.names, name)) for name in MEASURES), *self._totals])

    @property
    def _fixed(self) -> sql.Composed:
        """Numbers come before the layer's columns, the wide ones first: so rows of places take an eighth less."""
        added = sql.Composed([part for name in self._totals for part in (sql.SQL(", "), name)])
        return sql.SQL("{}{}").format(self._own("count", *MEASURES, "piece"), added)

    @property
    def _has_pieces(self) -> bool:
        """Whether a feature may be in pieces. Points never are, and two columns without a value would cost each row eight bytes."""
        return not self.shapes.layer.geometry.only_points and not has_row_security(self.shapes.layer)

    @property
    def _packed(self) -> sql.Composed:
        return sql.SQL(", {}").format(self._own("whole", "shape")) if self._has_pieces else sql.SQL("").format()

    # --- features -----------------------------------------------------------------------------------------------

    def features_of_table(
        self, finest: float, condition: sql.Composable | None, rows: sql.Composable | None = None, *more: sql.Composable
    ) -> sql.Composed:
        """Features of the layer's rows. Narrower than `finest`, in units of the grid's CRS, they have no geometry.

        `condition` chooses rows of the alias `source`, which stands for the table, or for `rows` of it. `more` are further
        columns, each with its name.
        """
        names, shapes = self.names, self.shapes
        where = sql.SQL("") if condition is None else sql.SQL("\nAND {}").format(condition)
        return sql.SQL(
            "SELECT {columns}, 1::pg_catalog.int8 AS {count}, measured.x AS {x}, measured.y AS {y}, measured.width AS {width},"
            " measured.size AS {size}{totals}, {s}.ST_Dimension(placed.geom)::pg_catalog.int2 AS {dimension},"
            " CASE WHEN measured.width >= {finest} OR {s}.ST_Dimension(placed.geom) = 0 THEN placed.geom END AS {geometry}{more}\n"
            "FROM {relation} AS source\n{stored}\n{placed}\n"
            "CROSS JOIN LATERAL (SELECT {measures}) AS measured (x, y, width, size)\n"
            "WHERE placed.geom IS NOT NULL AND NOT {s}.ST_IsEmpty(placed.geom){where}"
        ).format(
            columns=sql.SQL(", ").join(sql.SQL("source.{}").format(name) for name in self._columns),
            count=identifier(names.count), x=identifier(names.x), y=identifier(names.y), width=identifier(names.width),
            size=identifier(names.size), geometry=identifier(names.geometry), finest=sql.Literal(finest), s=shapes.s,
            relation=rows or identifier(shapes.layer.schema, shapes.layer.name), stored=shapes.source(), placed=shapes.placed(),
            measures=shapes.measures(sql.SQL("placed.geom")), where=where, dimension=DIMENSION,
            more=sql.Composed([part for each in more for part in (sql.SQL(", "), each)]),
            totals=sql.Composed([own_total(each) for each in totals(shapes.layer)]),
        )  # fmt: skip

    def features_of_band(self, band: sql.Composable, finer: BandPlan, condition: sql.Composable | None) -> sql.Composed:
        """Features of the band below, the finer one, or of rows of it: a winner stands for all that it won against."""
        names, s = self.names, self.shapes.s
        where = sql.SQL("") if condition is None else sql.SQL("\nAND {}").format(condition)
        geometry: sql.Composable = identifier(names.geometry)
        dimension = sql.SQL("{}.ST_Dimension({})").format(s, geometry)
        if self._has_pieces:
            shape = identifier(names.shape)
            packed = sql.SQL("COALESCE({}, {})").format(identifier(names.whole), shape)
            dimension = sql.SQL("CASE WHEN {} IS NULL THEN {} ELSE 2 END").format(shape, dimension)
            whole = self.shapes.unpacked(packed, Lattice.of_band(self.shapes.grid, finer))
            geometry = sql.SQL("CASE WHEN {} IS NULL THEN {} ELSE {} END").format(shape, geometry, whole)
        return sql.SQL(
            "SELECT {columns}, {measures}, {dimension}::pg_catalog.int2 AS {as_dimension}, {geometry} AS {as_geometry}\n"
            "FROM {table} AS source\nWHERE {piece} <= 1{where}"
        ).format(
            columns=self._list, measures=sql.SQL("{}, {}").format(self._own("count"), self._measures), dimension=dimension,
            as_dimension=DIMENSION, geometry=geometry, as_geometry=identifier(names.geometry), table=band,
            piece=identifier(names.piece), where=where,
        )  # fmt: skip

    # --- band ---------------------------------------------------------------------------------------------------

    def band(self, features: sql.Composable, plan: BandPlan) -> sql.Composed:
        """The rows of a band, in the order of Hilbert's curve (PostGIS 3 sorts geometry so)."""
        if has_row_security(self.shapes.layer):
            return self._single_rows(features, plan)
        names = self.names
        return sql.SQL(
            "WITH features AS NOT MATERIALIZED (\n{features}\n), judged AS NOT MATERIALIZED (\n{judged}\n), ranked AS (\n{ranked}\n"
            "), shaped AS (\n{shaped}\n), stored AS (\n{stored}\n)\n"
            "SELECT {own}, {columns}{shapes}, {geometry}{means} FROM stored ORDER BY {geometry}"
        ).format(
            features=features, judged=self._judged(plan), ranked=self._ranked(), shaped=self._shaped(plan),
            stored=self._stored(plan), columns=self._list, own=self._fixed, shapes=self._packed,
            geometry=identifier(names.geometry), means=sql.Composed([mean(each) for each in totals(self.shapes.layer)]),
        )  # fmt: skip

    def cell(self, plan: BandPlan) -> sql.Composed:
        """The cell of a row as two values, column and row of a lattice that is aligned to the grid."""
        origin = self.shapes.grid.matrices[self.shapes.grid.minzoom]
        return sql.SQL("pg_catalog.floor(({x} - {ox}) / {cell}), pg_catalog.floor(({oy} - {y}) / {cell})").format(
            x=identifier(self.names.x), y=identifier(self.names.y), ox=sql.Literal(origin.origin_x),
            oy=sql.Literal(origin.origin_y), cell=sql.Literal(plan.cell),
        )  # fmt: skip

    def is_aside(self) -> sql.Composed:
        """Whether a row's middle lies outside of the box of what is left of its geometry, or of this piece of it."""
        s, names = self.shapes.s, self.names
        return sql.SQL("NOT {geometry} OPERATOR({s}.&&) {s}.ST_MakePoint({x}, {y})").format(
            s=s, geometry=identifier(names.geometry), x=identifier(names.x), y=identifier(names.y)
        )

    def _judged(self, plan: BandPlan) -> sql.Composed:
        return sql.SQL(
            "SELECT features.*, cell.cx AS {cx}, cell.cy AS {cy}, {width} < {small} AS {competes}\n"
            "FROM features CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy)"
        ).format(
            width=identifier(self.names.width), small=sql.Literal(plan.small), cell=self.cell(plan), cx=_CX, cy=_CY, competes=_COMPETES
        )

    def _ranked(self) -> sql.Composed:
        return sql.SQL(
            "SELECT judged.*, pg_catalog.row_number() OVER (PARTITION BY {cx}, {cy} ORDER BY {order}) AS {place},"
            " (pg_catalog.sum({count}) OVER (PARTITION BY {cx}, {cy}))::pg_catalog.int8 AS {total}{totals}\nFROM judged WHERE {competes}"
        ).format(
            order=self.order(), count=identifier(self.names.count), cx=_CX, cy=_CY, place=_PLACE, total=_TOTAL, competes=_COMPETES,
            totals=sql.Composed([
                sql.SQL(", (pg_catalog.sum({0}) OVER (PARTITION BY {1}, {2}))::pg_catalog.{3} AS {4}").format(
                    name, _CX, _CY, sql.Identifier("int8" if number % 2 else "numeric"), of_cell(number)
                )
                for number, name in enumerate(self._totals)
            ]),
        )  # fmt: skip

    def order(self) -> sql.Composed:
        """Who is first: by the layer's rank, then the larger one, then by the key."""
        keys: list[sql.Composable] = []
        for key in self.shapes.layer.options.rank:
            keys.append(sql.SQL("{} DESC NULLS LAST" if key.descending else "{}").format(identifier(key.column.name)))
        keys.append(sql.SQL("{} DESC").format(identifier(self.names.size)))
        keys += [identifier(name) for name in key_of(self.shapes.layer)]
        return sql.SQL(", ").join(keys)

    def _single_rows(self, features: sql.Composable, plan: BandPlan) -> sql.Composed:
        """Every row, each once and in one piece: none stands for others, and what is too small has its smallest shape."""
        names = self.names
        return sql.SQL(
            "WITH features AS MATERIALIZED (\n{features}\n), shaped AS (\n"
            "SELECT {count}, {measures}, 0::pg_catalog.int4 AS {piece}, {columns}, {shape} AS {geometry}"
            " FROM features\n)\nSELECT * FROM shaped ORDER BY {geometry}"
        ).format(
            features=features, columns=self._list, count=identifier(names.count), measures=self._own(*MEASURES),
            piece=identifier(names.piece), shape=self._winner(plan), geometry=identifier(names.geometry),
        )  # fmt: skip

    def _winner(self, plan: BandPlan) -> sql.Composed:
        """What is drawn of a row, however small it is."""
        names, shapes = self.names, self.shapes
        x, y, geometry = identifier(names.x), identifier(names.y), identifier(names.geometry)
        return sql.SQL("CASE WHEN {dimension} = 0 THEN {geometry} WHEN {width} < {pixel} THEN {smallest} ELSE {as_it_is} END").format(
            dimension=DIMENSION, geometry=geometry, width=identifier(names.width), pixel=sql.Literal(plan.pixel),
            smallest=shapes.smallest(DIMENSION, x, y, plan), as_it_is=shapes.as_it_is(geometry, x, y, plan),
        )  # fmt: skip

    def _shaped(self, plan: BandPlan) -> sql.Composed:
        names, shapes = self.names, self.shapes
        x, y, geometry = identifier(names.x), identifier(names.y), identifier(names.geometry)
        as_it_is = shapes.as_it_is(geometry, x, y, plan)
        winner = self._winner(plan)
        return sql.SQL(
            "SELECT {columns}, {total} AS {count}, {of_row}{of_cell}, {winner} AS {geometry} FROM ranked WHERE {place} = 1\n"
            "UNION ALL\nSELECT {columns}, {count}, {measures}, {as_it_is} AS {geometry} FROM judged WHERE NOT {competes}"
        ).format(
            total=_TOTAL, place=_PLACE, competes=_COMPETES, of_row=self._own(*MEASURES),
            of_cell=sql.Composed([sql.SQL(", {} AS {}").format(of_cell(number), name) for number, name in enumerate(self._totals)]),
            columns=self._list, count=identifier(names.count), measures=self._measures, winner=winner,
            as_it_is=as_it_is, geometry=geometry,
        )  # fmt: skip

    def _stored(self, plan: BandPlan) -> sql.Composed:
        """Heavy polygons that are wider than two tiles in pieces; the first one carries the whole, from which coarser bands
        are made. A tile that shows most of a polygon has only more to do where that is in pieces."""
        names, s, shapes = self.names, self.shapes.s, self.shapes
        geometry, piece = identifier(names.geometry), identifier(names.piece)
        common = sql.SQL("{}, {}, {}").format(self._list, self._own("count"), self._measures)
        if not self._has_pieces:
            return sql.SQL("SELECT {common}, 0::pg_catalog.int4 AS {piece}, {geometry} FROM shaped").format(
                common=common, piece=piece, geometry=geometry
            )
        heavy = sql.SQL("{s}.ST_Dimension({g}) = 2 AND {s}.ST_NPoints({g}) > {heavy} AND {width} > {tiles}").format(
            s=s, g=geometry, heavy=sql.Literal(HEAVY_POINTS), width=identifier(names.width),
            tiles=sql.Literal(2 * PIXELS * plan.pixel),
        )  # fmt: skip
        parts = sql.SQL(
            "SELECT part.geom, pg_catalog.row_number() OVER (ORDER BY {s}.ST_Dimension(part.geom) DESC, part.geom, part.path) AS number"
            " FROM {s}.ST_Dump({heavy}.{g}) AS part"
        ).format(s=s, heavy=_HEAVY, g=geometry)
        lattice, number, part = Lattice.of_band(shapes.grid, plan), sql.SQL("piece.{}").format(_NUMBER), sql.SQL("piece.{}").format(_PART)
        own = sql.SQL("shaped.{}").format(geometry)
        is_packed = sql.SQL("{s}.ST_Dimension({g}) = 2 AND {s}.ST_NPoints({g}) > {points}").format(
            s=s, g=own, points=sql.Literal(PACKED_POINTS)
        )
        return sql.SQL(
            "SELECT {common}, 0::pg_catalog.int4 AS {piece}, NULL::pg_catalog.bytea AS {whole},"
            " CASE WHEN {is_packed} THEN {packed_own} END AS {shape}, CASE WHEN {is_packed} THEN {across_own} ELSE {geometry} END AS {geometry}"
            " FROM shaped WHERE ({heavy}) IS NOT TRUE\n"
            "UNION ALL\nSELECT {common}, {number}::pg_catalog.int4,"
            " CASE WHEN {number} = 1 AND {several} THEN {packed_whole} END, {packed}, {across}"
            " FROM (SELECT * FROM shaped WHERE {heavy} OFFSET 0) AS {as_heavy}"
            " CROSS JOIN LATERAL ({pieces}) AS piece ({as_number}, {as_part}, {as_total})"
        ).format(
            common=common, piece=piece, whole=identifier(names.whole), shape=identifier(names.shape), geometry=geometry, heavy=heavy,
            number=number, several=sql.SQL("piece.{} > 1").format(_TOTAL), as_number=_NUMBER, as_part=_PART, as_total=_TOTAL,
            packed_whole=shapes.packed(sql.SQL("{}.{}").format(_HEAVY, geometry), lattice), packed=shapes.packed(part, lattice),
            across=shapes.across(part), as_heavy=_HEAVY, pieces=shapes.pieces(parts), is_packed=is_packed,
            packed_own=shapes.packed(own, lattice), across_own=shapes.across(own),
        )  # fmt: skip

    def in_pieces(self) -> sql.Composed:
        """Whether a row of a band or of pieces is packed, or one of several of its feature."""
        return sql.SQL("{} IS NOT NULL").format(identifier(self.names.shape)) if self._has_pieces else sql.SQL("{}").format(sql.SQL("false"))

    # --- pieces for the zooms above -------------------------------------------------------------------------------

    def heavy(self, condition: sql.Composable | None, rows: sql.Composable | None = None) -> sql.Composed:
        """Heavy polygons of the table, or of `rows` of it, as they are, in the grid's CRS and in pieces."""
        names, shapes, s = self.names, self.shapes, self.shapes.s
        where = sql.SQL("") if condition is None else sql.SQL("\nAND {}").format(condition)
        parts = sql.SQL(
            "SELECT sound.geom, pg_catalog.row_number() OVER (ORDER BY {s}.ST_Dimension(sound.geom) DESC, sound.geom, part.path) AS number"
            " FROM {s}.ST_Dump(placed.geom) AS part CROSS JOIN LATERAL (SELECT {sound} AS geom OFFSET 0) AS sound"
            " WHERE NOT {s}.ST_IsEmpty(sound.geom)"
        ).format(s=s, sound=shapes.sound(sql.SQL("part.geom")))
        lattice, part = Lattice.of_pieces(shapes.grid), sql.SQL("piece.geom")
        return sql.SQL(
            "SELECT {columns}, piece.number::pg_catalog.int4 AS {piece}, {packed} AS {shape}, {across} AS {geometry}\n"
            "FROM {relation} AS source\n{stored}\n{placed}\n"
            "CROSS JOIN LATERAL ({pieces}) AS piece (number, geom, pieces)\n"
            "WHERE {s}.ST_Dimension(stored.geom) = 2 AND {s}.ST_NPoints(stored.geom) > {heavy}"
            " AND {s}.ST_Dimension(placed.geom) = 2{where}\nORDER BY {geometry}"
        ).format(
            columns=sql.SQL(", ").join(sql.SQL("source.{}").format(name) for name in self._columns),
            piece=identifier(names.piece), packed=shapes.packed(part, lattice), shape=identifier(names.shape),
            across=shapes.across(part), geometry=identifier(names.geometry),
            relation=rows or identifier(shapes.layer.schema, shapes.layer.name), stored=shapes.source(), placed=shapes.placed(),
            pieces=shapes.pieces(parts), s=s, heavy=sql.Literal(HEAVY_POINTS * 2), where=where,
        )  # fmt: skip
