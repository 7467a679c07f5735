"""From SRIDs to coordinate reference systems that are also known outside the database."""

from __future__ import annotations

from collections.abc import Collection

from psycopg.errors import InsufficientPrivilege

from ..layers.crs import Crs, is_known, is_on_earth
from .connection import BoundedConnection
from .pool import Pool
from .statements import statement


def read(pool: Pool, connection: BoundedConnection, postgis_schema: str, srids: Collection[int]) -> dict[int, Crs]:
    """The systems of `spatial_ref_sys` with these SRIDs; what is not there, or nothing that PROJ can use, is missing.

    A definition that PROJ cannot use does harm beyond its layer: after PostGIS has failed to make a projection of it,
    the next good transform on the same connection fails too.
    """
    if not srids:
        return {}
    query = statement("spatial_ref_sys", postgis=postgis_schema)
    try:
        with pool.transaction(connection):
            rows = connection.execute(query, {"srids": sorted(srids)}, prepare=False).fetchall()
    except InsufficientPrivilege:
        # Most SRIDs are EPSG's own numbers; the others stay unknown to a login that may not read the table.
        return {srid: Crs(srid, f"EPSG:{srid}") for srid in srids if is_known(f"EPSG:{srid}")}
    defined = {srid: Crs(srid, _definition(*columns)) for srid, *columns in rows}
    return {srid: crs for srid, crs in defined.items() if is_on_earth(crs.definition)}


def _definition(authority: str | None, code: int | None, wkt: str | None, proj4: str | None) -> str:
    """`EPSG:n` where PROJ knows it: short, and with EPSG's own area and datum shifts; else what the row has."""
    named = f"EPSG:{code}"
    if (authority or "").upper() == "EPSG" and is_known(named):
        return named
    wkt, proj4 = (wkt or "").strip(), (proj4 or "").strip()
    return wkt if wkt and (is_known(wkt) or not proj4) else proj4
