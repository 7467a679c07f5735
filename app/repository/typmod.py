"""What a geometry column's type modifier says, read as PostGIS packs it (liblwgeom.h, TYPMOD_GET_*).

Done here because PostGIS's own functions would load its library for a catalog that needs nothing else of it.
"""

from __future__ import annotations

from typing import NamedTuple

_TYPES = (
    "GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION",
    "CIRCULARSTRING", "COMPOUNDCURVE", "CURVEPOLYGON", "MULTICURVE", "MULTISURFACE", "POLYHEDRALSURFACE", "TRIANGLE",
    "TIN",
)  # fmt: skip
_GEOGRAPHY_SRID = 4326


class GeometryType(NamedTuple):
    """`srid` 0 is unknown; `type` is GEOMETRY for any."""

    type: str
    srid: int


def decode(typmod: int, *, is_geography: bool) -> GeometryType:
    """Type and SRID of a `geometry(…)` or `geography(…)`; -1 is a column without either."""
    if typmod < 0:
        return GeometryType("GEOMETRY", _GEOGRAPHY_SRID if is_geography else 0)
    # 21 bits with a sign: bit 28 is the sign bit
    srid = ((typmod & 0x0FFFFF00) - (typmod & 0x10000000)) >> 8
    number = (typmod & 0x000000FC) >> 2
    return GeometryType(_TYPES[number] if number < len(_TYPES) else "GEOMETRY", srid)
