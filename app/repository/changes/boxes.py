"""The boxes of the log, which are in the CRS of each geometry, in longitude and latitude."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection

from ...layers.bounds import EVERYWHERE, Bounds
from ..statements import statement

_LONLAT = 4326
_WEB_MERCATOR = 3857
_RADIUS_M = 6_378_137.0
"""Of the sphere of EPSG:3857."""
_STEPS = 16
"""Pieces into which the edges of a box are cut before it is projected: they may be bent then."""
_BULGE = 0.025
"""Part of a box by which an edge between two of its points may bulge."""
_WIDEST = 180.0
"""A box of more degrees tells nothing of what is within: its edges may go around a pole, or across ±180."""


def lonlat_boxes(
    connection: Connection[Any], found: Sequence[list[list[float]] | None], postgis: str, default_srid: int | None = None
) -> list[tuple[Bounds, ...] | None]:
    """The boxes of each change: of each the edges, and the SRID of the CRS that they are in.

    Rows of SRID 0 are in `default_srid`, longitude and latitude where there is none. None for a change that may be anywhere:
    what cannot be projected is, and what is no box at all.
    """
    usual = default_srid or _LONLAT
    by_srid: dict[int, list[Bounds]] = {}
    for boxes in found:
        for box in boxes or ():
            if (given := _given(box, usual)) is not None and given[1] not in (_LONLAT, _WEB_MERCATOR):
                by_srid.setdefault(given[1], []).append(given[0])
    projected = {
        (srid, box): made
        for srid, boxes in by_srid.items()
        for box, made in zip(boxes, _projected(connection, srid, boxes, postgis), strict=True)
    }
    return [_together(boxes, projected, usual) for boxes in found]


def _together(
    boxes: Sequence[Sequence[float]] | None, projected: dict[tuple[int, Bounds], Bounds | None], usual: int
) -> tuple[Bounds, ...] | None:
    if boxes is None:
        return None
    made: list[Bounds] = []
    for each in boxes:
        given = _given(each, usual)
        if given is None:
            return None
        box, srid = given
        one = (
            box
            if srid == _LONLAT
            else _from_mercator(box)
            if srid == _WEB_MERCATOR
            else projected[srid, box]
        )
        if one is None:
            return None
        made.append(one)
    return tuple(made)


def _given(box: object, usual: int) -> tuple[Bounds, int] | None:
    """A box of the log and its SRID; None where it is no box: anybody who may call flagstone.changed() writes it, and what
    begins east of its end may mean the way across ±180."""
    if (
        not isinstance(box, list)
        or len(box) != 5
        or any(each is None or not math.isfinite(each) or abs(each) >= EVERYWHERE.xmax for each in box)
    ):
        return None
    x1, y1, x2, y2, srid = box
    if x1 > x2:
        return None
    return Bounds(x1, min(y1, y2), x2, max(y1, y2)), int(srid) or usual


def _from_mercator(box: Bounds) -> Bounds:
    """By the formula itself: PROJ would turn what is beyond ±180 around, but a tile shows it in its buffer."""
    west, east = (math.degrees(x / _RADIUS_M) for x in (box.xmin, box.xmax))
    south, north = (
        math.degrees(math.atan(math.sinh(max(-20.0, min(20.0, y / _RADIUS_M))))) for y in (box.ymin, box.ymax)
    )
    return Bounds(west, south, east, north)


def _projected(
    connection: Connection[Any], srid: int, boxes: Sequence[Bounds], postgis: str
) -> list[Bounds | None]:
    edges = {"srid": srid, "lonlat": _LONLAT, "steps": _STEPS} | {
        name: [getattr(box, name) for box in boxes] for name in ("xmin", "ymin", "xmax", "ymax")
    }
    try:
        with connection.transaction():
            rows = connection.execute(statement("change_boxes", postgis=postgis), edges).fetchall()
    except psycopg.Error:
        if connection.closed:
            raise
        if len(boxes) == 1:
            return [None]
        # One that cannot be projected must not make the others stand for everything.
        half = len(boxes) // 2
        return [
            *_projected(connection, srid, boxes[:half], postgis),
            *_projected(connection, srid, boxes[half:], postgis),
        ]
    return [_usable(Bounds(*row)) if None not in row else None for row in rows]


def _usable(box: Bounds) -> Bounds | None:
    if not all(map(math.isfinite, box.as_list())) or box.width > _WIDEST:
        return None
    slack = _BULGE * max(box.width, box.height)
    return box.padded(slack, slack)
