"""Spatial operators of a filter as SQL, found by the spatial index where the operator implies that boxes meet."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import sql

from ..layers.cql2.tree import GeometryLiteral, LayerGeometry, Near, Spatial
from .identifier import identifier
from .postgis import PostGIS

_FUNCTIONS = {
    "intersects": "ST_Intersects",
    "equals": "ST_Equals",
    "touches": "ST_Touches",
    "within": "ST_Within",
    "overlaps": "ST_Overlaps",
    "crosses": "ST_Crosses",
    "contains": "ST_Contains",
}

_SOLID = frozenset({"TIN", "TRIANGLE", "POLYHEDRALSURFACE"})
_MAYBE_SOLID = _SOLID | {"GEOMETRY"}

Bound = Callable[[object], sql.Placeholder]


def spatial(node: Spatial, postgis: PostGIS, bound: Bound) -> sql.Composed:
    """The operator in parentheses. Everything is flat: a geography's edges are straight lines between its degrees."""
    if node.predicate == "disjoint":
        return sql.SQL("(NOT {})").format(spatial(Spatial("intersects", node.left, node.right), postgis, bound))
    writer = _SpatialSql(postgis, bound)
    one, other = (writer.operand(each, node.predicate) for each in (node.left, node.right))
    met = sql.SQL("{}.{}({}, {})").format(writer.schema, sql.SQL(_FUNCTIONS[node.predicate]), one, other)
    match node:
        case Spatial(left=LayerGeometry() as layer, right=GeometryLiteral() as literal):
            boxes = writer.boxes(layer, literal, other)
        case Spatial(left=GeometryLiteral() as literal, right=LayerGeometry() as layer):
            boxes = writer.boxes(layer, literal, one)
        case _:
            return met
    return met if boxes is None else sql.SQL("({} AND {})").format(boxes, met)


def near(node: Near, postgis: PostGIS, bound: Bound) -> sql.Composed:
    """Whether a row lies within a distance, by the index. Of geography on the sphere, where a degree has many lengths."""
    writer = _SpatialSql(postgis, bound)
    distance = sql.SQL("{}::pg_catalog.float8").format(bound(repr(node.distance)))
    if node.geometry.is_geography:
        column: sql.Composable = identifier("source", node.geometry.name)
        literal = writer.literal(node.literal.wkt, node.literal.srid, "geography")
        return sql.SQL("{}.ST_DWithin({}, {}, {})").format(writer.schema, column, literal, distance)
    literal = writer.literal(node.literal.wkt, node.literal.srid, "geometry")
    return sql.SQL("({c} OPERATOR({s}.&&) {s}.ST_Expand({l}, {d}) AND {s}.ST_DWithin({g}, {l}, {d}))").format(
        s=writer.schema, c=identifier("source", node.geometry.name), g=writer.operand(node.geometry, "intersects"), l=literal, d=distance
    )


class _SpatialSql:
    def __init__(self, postgis: PostGIS, bound: Bound) -> None:
        self.schema = identifier(postgis.schema)
        self._postgis = postgis
        self._bound = bound

    def boxes(self, layer: LayerGeometry, literal: GeometryLiteral, written: sql.Composable) -> sql.Composed | None:
        """That the boxes meet, on the column itself: what the index can tell. None where that is not certain."""
        if layer.is_geography:
            if literal.around is None:
                return None
            written = self.literal(literal.around, literal.srid, "geography")
        return sql.SQL("{} OPERATOR({}.&&) {}").format(identifier("source", layer.name), self.schema, written)

    def operand(self, side: LayerGeometry | GeometryLiteral, predicate: str) -> sql.Composable:
        """One side as a geometry of the layer's SRID."""
        if isinstance(side, GeometryLiteral):
            return self.literal(side.wkt, side.srid, "geometry")
        column: sql.Composable = identifier("source", side.name)
        if side.is_geography:
            column = sql.SQL("{}::{}").format(column, self._type("geometry"))
        if side.type in _MAYBE_SOLID:
            column = self._flat(column)
        if side.type == "GEOMETRY":
            # Rows of an untyped column may lack the SRID that the others have.
            column = sql.SQL("{}.ST_SetSRID({}, {})").format(self.schema, column, sql.Literal(side.srid))
        if predicate == "intersects":
            return column
        # Of a polygon that crosses itself the other operators may fail, and the tile with them.
        return sql.SQL("CASE WHEN {s}.ST_IsValid({g}) THEN {g} ELSE {s}.ST_MakeValid({g}) END").format(s=self.schema, g=column)

    def _flat(self, column: sql.Composable) -> sql.Composed:
        """Surfaces in space as the polygons that a map shows: the operators know of none."""
        return sql.SQL(
            "CASE WHEN {s}.GeometryType({g}) = ANY ({solid}) THEN (SELECT {s}.ST_Collect({s}.ST_MakePolygon("
            "{s}.ST_ExteriorRing({s}.ST_Force2D(part.geom)))) FROM {s}.ST_Dump({g}) AS part) ELSE {g} END"
        ).format(s=self.schema, g=column, solid=sql.Literal(sorted(_SOLID)))

    def literal(self, wkt: str, srid: int, kind: str) -> sql.Composed:
        """A geometry of the filter as a value of one of PostGIS's types."""
        return sql.SQL("{}::{}").format(self._bound(f"SRID={srid};{wkt}"), self._type(kind))

    def _type(self, name: str) -> sql.Identifier:
        return identifier(self._postgis.schema, name)
