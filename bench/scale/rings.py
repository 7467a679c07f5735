"""Rings as the sources have them, in degrees, made into polygons between -180 and 180."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from shapely import Polygon

Ring = npt.NDArray[np.float64]
"""Points of a closed ring as rows of longitude and latitude, in degrees."""

_WORLDS = (-1, 0, 1)


def unwrapped(ring: Ring) -> Ring:
    """The ring without jumps of 360 degrees, and its middle between -180 and 180.

    One that goes around a pole, and so ends 360 degrees from its start, is led over that pole.
    """
    longitude = np.unwrap(ring[:, 0], period=360.0)
    found = np.column_stack((longitude, ring[:, 1]))
    if abs(longitude[-1] - longitude[0]) > 180:
        pole = -90.0 if ring[:, 1].mean() < 0 else 90.0
        found = np.vstack((found, [[longitude[-1], pole], [longitude[0], pole], found[0]]))
    middle = (found[:, 0].min() + found[:, 0].max()) / 2
    found[:, 0] -= 360.0 * np.floor((middle + 180.0) / 360.0)
    return found


def within_the_world(polygon: Polygon) -> list[Polygon]:
    """The polygon, or its parts on both sides of the antimeridian, the eastern ones moved by 360 degrees."""
    xmin, _, xmax, _ = polygon.bounds
    if xmin >= -180 and xmax <= 180:
        return [polygon]
    parts: list[Polygon] = []
    valid = shapely.make_valid(polygon)
    for world in _WORLDS:
        cut = shapely.intersection(valid, shapely.box(-180 + 360 * world, -90, 180 + 360 * world, 90))
        moved = shapely.transform(cut, lambda points, world=world: points - [360.0 * world, 0.0])
        parts += [
            part
            for part in shapely.get_parts(shapely.get_parts(moved))
            if part.geom_type == "Polygon" and not part.is_empty
        ]
    return parts


def with_holes(shells: Sequence[Ring], holes: Sequence[Ring]) -> list[Polygon]:
    """A polygon for each shell. A hole is cut out of the smallest shell around it."""
    inside: dict[int, list[Ring]] = {}
    outlines = [Polygon(shell) for shell in shells]
    for hole in holes:
        outline = Polygon(hole)
        around = [
            number for number, shell in enumerate(outlines) if shell.contains(outline.representative_point())
        ]
        if not around:
            raise ValueError(f"a hole at {outline.representative_point().wkt} lies in no ring of its country")
        inside.setdefault(min(around, key=lambda number: outlines[number].area), []).append(hole)
    return [Polygon(shell, inside.get(number, ())) for number, shell in enumerate(shells)]
