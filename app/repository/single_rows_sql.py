"""How rows of a band of single rows are found: by where their middle lies.

A policy stands before all that could tell of rows by an error or a notice, and PostGIS's `&&` is not marked as leakproof:
no spatial index is asked before the policy, which would then be asked about every row. Comparisons of numbers are.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import pairwise

from psycopg import sql

from ..layers.band_layer import BandLayer
from ..layers.overview import BandNames, BandPlan, stored_columns
from ..layers.single_rows import widths
from .identifier import identifier


def indexes(names: BandNames, plan: BandPlan) -> list[sql.Composed]:
    """What an index that `near` asks is over, and of which rows: one for each class of widths."""
    x, y = identifier(names.x), identifier(names.y)
    return [sql.SQL("({x}, {y}) WHERE {of_class}").format(x=x, y=y, of_class=each) for each in classes(names, plan)]


def classes(names: BandNames, plan: BandPlan) -> list[sql.Composed]:
    """Conditions that divide the rows of a band by their width: for each there is an index of their middles."""
    return [
        _of_class(identifier(names.width), low, high) for low, high in pairwise((0.0, *widths(plan), math.inf))
    ]


def near(
    layer: BandLayer, plan: BandPlan, boxes: Collection[sql.Composable], postgis: sql.Identifier
) -> sql.Composed:
    """Whether a row of `source` may meet one of the boxes, which are geometries without columns. Never false for one that
    does."""
    names = BandNames.beside(stored_columns(layer))
    x, y, width = (sql.SQL("source.{}").format(identifier(name)) for name in (names.x, names.y, names.width))
    arms: list[sql.Composed] = []
    for low, high in pairwise((0.0, *widths(plan), math.inf)):
        of_class = _of_class(width, low, high)
        if math.isinf(high):
            arms.append(of_class)
            continue
        # Half of what is wide, and the pixel that the smallest shape may stand out; a float4 is rounded.
        margin = sql.SQL("{}::pg_catalog.float8").format(sql.Literal(high * 0.51 + plan.pixel))
        arms += [
            sql.SQL(
                "({of_class} AND {x} BETWEEN {s}.ST_XMin({box}) - {margin} AND {s}.ST_XMax({box}) + {margin}"
                " AND {y} BETWEEN {s}.ST_YMin({box}) - {margin} AND {s}.ST_YMax({box}) + {margin})"
            ).format(of_class=of_class, x=x, y=y, s=postgis, box=box, margin=margin)
            for box in boxes
        ]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(arms))


def _of_class(width: sql.Composable, low: float, high: float) -> sql.Composed:
    bounds = []
    if low > 0:
        bounds.append(sql.SQL("{} > {}::pg_catalog.float4").format(width, sql.Literal(low)))
    if not math.isinf(high):
        bounds.append(sql.SQL("{} <= {}::pg_catalog.float4").format(width, sql.Literal(high)))
    return sql.SQL(" AND ").join(bounds)
