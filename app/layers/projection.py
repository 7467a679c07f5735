"""What PROJ knows of a definition (`EPSG:4326`, WKT or a PROJ string), and the ways between two of them."""

from __future__ import annotations

import math
from functools import lru_cache

import pyproj
from pyproj.exceptions import CRSError, ProjError

CYLINDRICAL = ("Popular Visualisation Pseudo Mercator", "Mercator (variant A)", "Mercator (variant B)")
"""PROJ's names of the projections in which x is the longitude."""
TRANSVERSE = ("Transverse Mercator", "Transverse Mercator (South Orientated)")
"""PROJ's names of the projection that is cylindrical around a meridian."""


@lru_cache(maxsize=512)
def projection_of(definition: str) -> pyproj.CRS | None:
    """What PROJ makes of a definition; None where that is nothing."""
    try:
        return pyproj.CRS.from_user_input(definition)
    except CRSError:
        return None


@lru_cache(maxsize=512)
def transformer_between(source: str, target: str) -> pyproj.Transformer | None:
    """The way from one CRS to another, x before y; None where there is none."""
    one, other = projection_of(source), projection_of(target)
    if one is None or other is None:
        return None
    try:
        return pyproj.Transformer.from_crs(one, other, always_xy=True)
    except ProjError:
        return None


def authority_of(definition: str) -> tuple[str, str]:
    """Who numbers the CRS, and its number; empty where nobody does."""
    projection = projection_of(definition)
    found = None if projection is None else projection.to_authority()
    return ("", "") if found is None else (found[0].upper(), found[1])


def definitions_of(definition: str) -> tuple[str, ...]:
    """The definition as WKT: in the short form that every PostGIS can read, then in the newest."""
    projection = projection_of(definition)
    if projection is None:
        return (definition,)
    try:
        short = projection.to_wkt("WKT1_GDAL")
    except CRSError:
        return (projection.to_wkt(),)
    return (short, projection.to_wkt()) if short else (projection.to_wkt(),)


def central_meridian(definition: str, methods: tuple[str, ...]) -> float | None:
    """Degrees; None where the projection is made by another method, or counts in another unit."""
    projection = projection_of(definition)
    operation = None if projection is None else projection.coordinate_operation
    if operation is None or operation.method_name not in methods:
        return None
    for parameter in operation.params:
        if parameter.name == "Longitude of natural origin" and parameter.unit_name == "degree":
            return float(parameter.value)
    return None


def per_degree(definition: str) -> float | None:
    """Units of x for a degree of longitude, where x is the longitude; None for all other projections."""
    axis = _axis(definition)
    return None if axis is None else axis[1]


def centre(definition: str) -> float | None:
    """x of the central meridian, where x is the longitude."""
    axis = _axis(definition)
    return None if axis is None else axis[0]


@lru_cache(maxsize=512)
def _axis(definition: str) -> tuple[float, float] | None:
    """x of the central meridian, and of a degree."""
    middle = central_meridian(definition, CYLINDRICAL)
    projection = projection_of(definition)
    if middle is None or projection is None or projection.geodetic_crs is None:
        return None
    transformer = transformer_between(projection.geodetic_crs.to_wkt(), definition)
    if transformer is None:
        return None
    try:
        (at_middle, a_quarter_on), _ = transformer.transform([middle, middle + 90.0], [0.0, 0.0], errcheck=True)
    except ProjError:
        return None
    scale = (a_quarter_on - at_middle) / 90
    return (at_middle, scale) if 0 < scale < 1e9 else None


DEGREE_M = 111_319.49079327358
"""Metres of a degree of longitude at the equator of WGS 84."""


@lru_cache(maxsize=512)
def metres_per_unit(definition: str) -> float:
    """Metres of a unit of x; of a degree at the equator. 1 where PROJ does not know the definition."""
    projection = projection_of(definition)
    if projection is None or not projection.axis_info:
        return 1.0
    factor = projection.axis_info[0].unit_conversion_factor or 1.0
    # The factor of an angle leads to radians.
    return math.degrees(factor) * DEGREE_M if projection.is_geographic else factor
