"""By which SRID the database knows the reference system of a grid that came from a file."""

from __future__ import annotations

import logging
import time

from ..errors import FlagstoneError
from ..layers.grid import Grid
from ..layers.identity import ANONYMOUS
from ..layers.projection import authority_of, definitions_of
from .pool import Pool, read_only
from .postgis import PostGIS
from .statements import statement

log = logging.getLogger(__name__)

_AGAIN_S = 60.0
_TIMEOUT_MS = 1000


class GridSystems:
    """Remembers what `spatial_ref_sys` said. Safe for threads: at worst two ask the same."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[str, int] = {}
        self._missing: dict[str, float] = {}

    def srid(self, grid: Grid, postgis: PostGIS) -> int:
        """The SRID; 0 where the database has none, so that each geometry's way there is made from text, slowly."""
        crs = grid.crs
        if not grid.is_custom:
            return crs.srid
        known = self._known.get(crs.definition)
        if known is not None:
            return known
        asked_at = self._missing.get(crs.definition)
        if asked_at is not None and time.monotonic() - asked_at < _AGAIN_S:
            return 0
        try:
            srid = self._asked(grid, postgis)
        except FlagstoneError:
            # A login that may not read the table, or a database that is gone: the tile's own statement will say.
            return crs.srid
        if srid is not None:
            self._known[crs.definition] = srid
            return srid
        if asked_at is None:
            log.warning(
                "spatial_ref_sys has no row for the reference system of the tile matrix set %s: its tiles take some "
                "milliseconds for each feature. A row with this definition mends that: "
                "INSERT INTO spatial_ref_sys (srid, srtext) VALUES (990001, '%s')",
                grid.id, definitions_of(crs.definition)[0].replace("'", "''"),
            )  # fmt: skip
        self._missing[crs.definition] = time.monotonic()
        return 0

    def _asked(self, grid: Grid, postgis: PostGIS) -> int | None:
        authority, code = authority_of(grid.crs.definition)
        values = {
            "srid": grid.crs.srid, "authority": authority, "code": code, "definitions": list(definitions_of(grid.crs.definition))
        }  # fmt: skip
        with read_only(self._pool, ANONYMOUS, "the reference systems", timeout_ms=_TIMEOUT_MS) as connection:
            connection.execute("SET LOCAL search_path = pg_catalog")
            row = connection.execute(statement("grid_system", postgis=postgis.schema), values, prepare=False).fetchone()
        return None if row is None else int(row[0])
