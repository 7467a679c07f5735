"""Where a layer's features lie: declared bounds, else the planner's statistics, else, in the background, its rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby

from ..errors import FlagstoneError, LayerChanged, LayerLocked, Unavailable
from ..layers.bounds import Bounds
from ..layers.crs import Crs
from ..layers.identity import Identity
from ..layers.layer import Layer
from ..layers.relation import RelationLayer
from ..settings import Settings
from .column_reader import column_reader
from .exact_extents import ExactExtents
from .lonlat_extent import lonlat_extent
from .pool import Pool, read_only
from .statements import statement

_TIMEOUT_MS = 1000
_LOCK_TIMEOUT_MS = 50
_ALL_S = 2.0
_AT_ONCE = 500

Key = tuple[int, str, Crs]
Boxes = dict[Key, Bounds | None]


class Extents:
    """Extents in longitude and latitude, remembered until `forget`. Safe for threads."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._exact = ExactExtents(pool, settings)
        self._statistics: Boxes = {}

    def close(self) -> None:
        """Stop reading rows in the background."""
        self._exact.close()

    def forget(self) -> None:
        """Statistics may have changed. Extents from rows are kept for a while: they were expensive."""
        self._statistics = {}

    def extents(
        self, layers: Sequence[Layer], postgis_schema: str, *, wait_s: float = 0.0
    ) -> dict[str, Bounds | None]:
        """Extents by layer id, with one query for all layers whose statistics were not read yet.

        Rows are only read in the background; for one that is looked at for the first time, `wait_s` are waited.
        """
        statistics = self._statistics
        found = {layer.id: layer.declared_bounds for layer in layers}
        relations = [each for each in layers if isinstance(each, RelationLayer) and each.declared_bounds is None]
        statistics.update(self._read([layer for layer in relations if _key(layer) not in statistics], postgis_schema))
        for layer in relations:
            found[layer.id] = statistics.get(_key(layer)) or self._exact.extent(layer, postgis_schema, wait_s=wait_s)
        return found

    def _read(self, layers: Sequence[RelationLayer], postgis_schema: str) -> Boxes:
        # A view has no statistics; those of geography are a box in three dimensions around the earth's centre.
        boxes: Boxes = {_key(layer): None for layer in layers if layer.kind == "v" or layer.geometry.is_geography}
        useful = sorted((layer for layer in layers if _key(layer) not in boxes), key=_role)
        end = time.monotonic() + _ALL_S
        for role, same in groupby(useful, key=_role):
            of_role = list(same)
            for start in range(0, len(of_role), _AT_ONCE):
                some = of_role[start : start + _AT_ONCE]
                boxes.update(self._read_as(Identity(role or None), some, postgis_schema, end))
        return boxes

    def _read_as(self, identity: Identity, layers: list[RelationLayer], postgis_schema: str, end: float) -> Boxes:
        """One query; where it fails, one for each half: a table that is locked or was just dropped costs the others nothing.

        What is not in the answer was not asked for: the database is gone, or the time is over.
        """
        if time.monotonic() > end:
            return {}
        by_place = {(layer.oid, layer.geometry.name): layer for layer in layers}
        arguments = {
            "relations": [layer.oid for layer in layers], "geometries": [layer.geometry.name for layer in layers]
        }  # fmt: skip
        try:
            with read_only(self._pool, identity, "extents", timeout_ms=_TIMEOUT_MS) as connection:
                connection.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
                connection.execute("SET LOCAL search_path = pg_catalog")
                rows = connection.execute(
                    statement("statistics_extents", postgis=postgis_schema), arguments, prepare=False
                ).fetchall()
        except FlagstoneError as error:
            if isinstance(error, Unavailable) and not isinstance(error, (LayerChanged, LayerLocked)):
                return {}
            if len(layers) == 1:
                return {_key(layers[0]): None}
            middle = len(layers) // 2
            return {
                **self._read_as(identity, layers[:middle], postgis_schema, end),
                **self._read_as(identity, layers[middle:], postgis_schema, end),
            }
        boxes: Boxes = {_key(layer): None for layer in layers}
        for oid, geometry, *edges in rows:
            layer = by_place[oid, geometry]
            boxes[_key(layer)] = lonlat_extent(edges, layer.geometry.crs)
        return boxes


def _key(layer: RelationLayer) -> Key:
    return (layer.oid, layer.geometry.name, layer.geometry.crs)


def _role(layer: RelationLayer) -> str:
    return column_reader(layer.readers, layer.geometry.name, layer.login).role or ""
