"""`filter-crs`: the reference system in which a filter's coordinates are written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

import pyproj
from pyproj.exceptions import CRSError

from ...errors import BadParameter
from ..crs import Crs
from ..parameters import shown

_URI = re.compile(r"https?://www\.opengis\.net/def/crs/(?P<authority>[A-Za-z]+)/[\w.]+/(?P<code>\w+)", re.ASCII)
_URN = re.compile(r"urn:ogc:def:crs:(?P<authority>[A-Za-z]+):[\w.]*:(?P<code>\w+)", re.ASCII)
_SHORT = re.compile(r"\[?(?P<authority>[A-Za-z]+):(?P<code>\w+)\]?", re.ASCII)
_SRID = re.compile(r"\d{1,9}", re.ASCII)
_AUTHORITIES = frozenset({"EPSG", "ESRI", "IGNF", "IAU_2015"})


@dataclass(frozen=True, slots=True)
class FilterSystem:
    """`definition` as PROJ reads it; `swapped` where its authority puts north before east."""

    definition: str
    swapped: bool
    is_geographic: bool


CRS84 = FilterSystem("EPSG:4326", swapped=False, is_geographic=True)
"""Longitude before latitude: what a filter's coordinates are where nothing else is said (OGC 19-079r2 §7.3)."""


def asked_system(text: str, layer: Crs, parameter: str = "filter-crs") -> FilterSystem:
    """The system that a URI, URN, `EPSG:3857` or SRID names; BadParameter where there is none.

    URIs and codes have the axes of their authority: latitude first in EPSG:4326. A plain number is a SRID as PostGIS
    has it, longitude or easting first; also one that only this database knows, where the layer has it.
    """
    if _SRID.fullmatch(text):
        if int(text) == layer.srid:
            return FilterSystem(layer.definition, swapped=False, is_geographic=layer.is_geographic)
        return replace(_known(parameter, text, _of_authority("EPSG", text)), swapped=False)
    if text.upper() == "CRS84":
        return CRS84
    named = _URI.fullmatch(text) or _URN.fullmatch(text) or _SHORT.fullmatch(text)
    if named is None:
        raise _unknown(parameter, text)
    authority, code = named["authority"].upper(), named["code"]
    if authority == "OGC":
        if code.upper() in ("CRS84", "84"):
            return CRS84
        raise _unknown(parameter, text)
    return _known(parameter, text, _of_authority(authority, code))


def _known(parameter: str, text: str, found: FilterSystem | None) -> FilterSystem:
    if found is None:
        raise _unknown(parameter, text)
    return found


def _unknown(parameter: str, text: str) -> BadParameter:
    form = "CRS84, EPSG:3857, http://www.opengis.net/def/crs/EPSG/0/3857 or a SRID"
    return BadParameter(parameter, f"{parameter} must name a system of flat coordinates as {form}, not {shown(text)}.")


@lru_cache(maxsize=128)
def _of_authority(authority: str, code: str) -> FilterSystem | None:
    if authority not in _AUTHORITIES or len(code) > 12:
        return None
    try:
        system = pyproj.CRS.from_authority(authority, code)
    except CRSError:
        return None
    if len(system.axis_info) != 2 or not (system.is_geographic or system.is_projected):
        return None
    swapped = [axis.direction for axis in system.axis_info] == ["north", "east"]
    return FilterSystem(f"{authority}:{code}", swapped, bool(system.is_geographic))
