"""What an overview is made of: one layer in one grid, where that can be."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from ...errors import ConfigurationError, NotFound
from ...layers.grid import Grid
from ...layers.layer import Layer
from ...layers.relation import RelationLayer
from ..grid_systems import GridSystems
from ..identifier import identifier
from ..pool import Pool
from ..postgis import PostGIS
from . import keys, who_asks
from .band_sql import BandSql
from .shapes_sql import Shapes


@dataclass(frozen=True)
class Target:
    """One layer in one grid. `grid_srid` is the database's number of the grid's CRS."""

    layer: RelationLayer
    grid: Grid
    grid_srid: int
    postgis: PostGIS

    @property
    def relation(self) -> sql.Identifier:
        """The layer's table or view."""
        return identifier(self.layer.schema, self.layer.name)

    @property
    def sql(self) -> BandSql:
        """The statements for its bands."""
        return BandSql(Shapes(self.layer, self.grid, self.grid_srid, self.postgis))


def target(pool: Pool, layer: Layer, grid: Grid, postgis: PostGIS) -> Target:
    """The target; NotFound or ConfigurationError, with what is missing, where a layer can have no overview."""
    if not isinstance(layer, RelationLayer):
        raise NotFound(f"Layer {layer.id} is no table or view; only those have rows that can be stored ahead.")
    who_asks.refuse(pool, layer)
    keys.refuse(pool, layer)
    srid = GridSystems(pool).srid(grid, postgis)
    if srid == 0:
        raise ConfigurationError(f"spatial_ref_sys has no row for the reference system of the tile matrix set {grid.id}.")
    return Target(layer, grid, srid, postgis)
