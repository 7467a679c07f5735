"""What a band holds that is below a pixel: a square of a pixel, straight in units of the tile.

ST_AsMVTGeom would check and cut each of them as it does a country, in three times the time.
"""

from __future__ import annotations

from psycopg import sql

from ..layers.band_layer import Dot
from ..layers.bounds import Bounds
from .identifier import identifier

_LEAST_UNITS = 1.5
"""Width of a dot in a tile of few units: two places more than a unit apart never fall on one of them."""


def dot_values(dot: Dot, box: Bounds, resolution: int) -> dict[str, object]:
    """Parameters: the tile's corner in the grid's CRS, its units in one of that, and half of a dot in units."""
    across, down = resolution / box.width, resolution / box.height
    return {
        "dot_width": dot.pixel, "dot_west": box.xmin, "dot_north": box.ymax, "dot_across": across, "dot_down": down,
        "dot_half_x": max(dot.pixel * across, _LEAST_UNITS) / 2, "dot_half_y": max(dot.pixel * down, _LEAST_UNITS) / 2,
    }  # fmt: skip


def carried(dot: Dot) -> dict[str, sql.Composable]:
    """The columns of `source` that it needs."""
    return {name: sql.SQL("source.{}").format(identifier(name)) for name in (dot.x, dot.y, dot.width)}


def dot_or(dot: Dot, other: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    """The dot of a candidate that is below a pixel, as ST_AsMVTGeom would give it; `other` for those that are not."""

    def edge(place: str, origin: str, units: str, half: str, sign: sql.SQL, turn: sql.SQL) -> sql.Composed:
        return sql.SQL(
            "pg_catalog.round({turn}(candidates.{place} - {origin}) * {units} {sign} {half})"
        ).format(
            place=identifier(place),
            origin=_float(origin),
            units=_float(units),
            half=_float(half),
            sign=sign,
            turn=turn,
        )

    here, back = sql.SQL(""), sql.SQL("-")
    edges = [
        edge(place, origin, units, half, sign, turn)
        for sign in (sql.SQL("-"), sql.SQL("+"))
        for place, origin, units, half, turn in (
            (dot.x, "dot_west", "dot_across", "dot_half_x", here), (dot.y, "dot_north", "dot_down", "dot_half_y", back)
        )
    ]  # fmt: skip
    # Rings of MVT turn the other way round than those that ST_MakeEnvelope makes.
    return sql.SQL(
        "CASE WHEN candidates.{width} < {pixel} THEN {s}.ST_Reverse({s}.ST_MakeEnvelope({edges})) ELSE {other} END"
    ).format(
        width=identifier(dot.width),
        pixel=_float("dot_width"),
        s=schema,
        edges=sql.SQL(", ").join(edges),
        other=other,
    )


def _float(name: str) -> sql.Composed:
    return sql.SQL("{}::pg_catalog.float8").format(sql.Placeholder(name))
