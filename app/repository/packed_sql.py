"""Geometries as whole numbers of a lattice, in TWKB: what an overview holds of heavy polygons, in a quarter of the bytes."""

from __future__ import annotations

from psycopg import sql

from ..layers.overview import Lattice


def packed(geom: sql.Composable, lattice: Lattice, postgis: sql.Identifier) -> sql.Composed:
    """A geometry as bytes, its vertices moved to the lattice."""
    return sql.SQL("{s}.ST_AsTWKB({s}.ST_TransScale({geom}, {x}, {y}, {per_step}, {per_step}), 0)").format(
        s=postgis, geom=geom, x=sql.Literal(-lattice.x), y=sql.Literal(-lattice.y), per_step=sql.Literal(1 / lattice.step)
    )


def unpacked(column: sql.Composable, lattice: Lattice, srid: int, postgis: sql.Identifier) -> sql.Composed:
    """What was packed; it takes half of the time that reading the same vertices from a geometry does."""
    return sql.SQL(
        "{s}.ST_SetSRID({s}.ST_TransScale({s}.ST_GeomFromTWKB({column}), {x}, {y}, {step}, {step}), {srid})"
    ).format(
        s=postgis, column=column, x=sql.Literal(lattice.x / lattice.step), y=sql.Literal(lattice.y / lattice.step),
        step=sql.Literal(lattice.step), srid=sql.Literal(srid),
    )  # fmt: skip
