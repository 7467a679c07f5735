"""From registered statements to layers, and why one is none."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from ..layers.column import Column
from ..layers.crs import Crs
from ..layers.layer import GeometryColumn, Layer
from ..layers.options import LayerOptions
from ..layers.sql_layer import SqlLayer, SqlRowLayer, SqlTileLayer
from . import reference_systems, typmod
from .catalog import Rejected
from .connection import BoundedConnection
from .pool import Pool
from .sql_description import Described, Describer, NotNow, ResultColumn, Unusable, hint

KIND = "sql"
_DEFAULT_SRID = 4326


class SqlLayers:
    """Makes layers of statements on one connection. Raises only where that is lost.

    `told` are ids and reasons that are in the log already.
    """

    def __init__(
        self, pool: Pool, connection: BoundedConnection, postgis_schema: str, login: str, told: Container[tuple[str, str]] = ()
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._postgis_schema = postgis_schema
        self._login = login
        self._describer = Describer(pool, connection, postgis_schema, told)
        self.rejected: list[Rejected] = []

    def layers(self, registered: Sequence[SqlLayer], before: Mapping[str, Layer]) -> tuple[Layer, ...]:
        """The layers, in the order given; of two with one id the first. `before` are those of the last catalog."""
        made: dict[str, Layer | Described] = {}
        for declared in registered:
            if declared.id in made:
                self._reject(declared, "another registered layer has this id")
                continue
            try:
                made[declared.id] = self._describer.described(declared)
            except Unusable as reason:
                self._reject(declared, str(reason))
            except NotNow as reason:
                known = before.get(declared.id)
                if isinstance(known, (SqlRowLayer, SqlTileLayer)) and known.declared == declared:
                    made[declared.id] = known
                else:
                    self._reject(declared, str(reason))
        return self._finished(made)

    def _reject(self, declared: SqlLayer, reason: str) -> None:
        self.rejected.append(Rejected("", declared.id, KIND, None, reason))

    def _finished(self, made: Mapping[str, Layer | Described]) -> tuple[Layer, ...]:
        srids: dict[str, int] = {}
        for layer_id, each in made.items():
            if isinstance(each, Described):
                try:
                    srids[layer_id] = _srid(each)
                except Unusable as reason:
                    self._reject(each.declared, str(reason))
        systems = reference_systems.read(
            self._pool, self._connection, self._postgis_schema, {srid for srid in srids.values() if srid}
        )
        layers: list[Layer] = []
        for layer_id, each in made.items():
            if isinstance(each, Layer):
                layers.append(each)
            elif layer_id in srids:
                try:
                    layers.append(self._layer(each, srids[layer_id], systems))
                except Unusable as reason:
                    self._reject(each.declared, str(reason))
        return tuple(layers)

    def _layer(self, described: Described, srid: int, systems: Mapping[int, Crs]) -> Layer:
        if srid and srid not in systems:
            raise Unusable(f"SRID {srid} has no definition in spatial_ref_sys that PROJ can use")
        declared = described.declared
        said: dict[str, Any] = {
            "id": declared.id, "schema": "", "name": declared.id, "login": self._login, "declared": declared,
            "title": declared.title, "description": declared.description, "attribution": declared.attribution,
            "declared_bounds": declared.declared_bounds, "arguments": described.arguments,
            "options": LayerOptions(minzoom=declared.minzoom, maxzoom=declared.maxzoom),
        }  # fmt: skip
        if described.makes_tile:
            return SqlTileLayer(crs=systems[srid] if srid else None, **said)
        geometry = described.geometry()
        is_geography = geometry.base_type == "geography"
        kind, typed_srid = typmod.decode(geometry.typmod, is_geography=is_geography)
        columns = _columns(described.columns)
        return SqlRowLayer(
            geometry=GeometryColumn(geometry.name, kind, systems[srid], is_geography),
            columns=columns,
            key=_key(declared, columns),
            # What a role may read, a statement does not say: it is the login's.
            readers={self._login: None},
            runs_code=True,
            is_typed=typed_srid > 0,
            returned=tuple(column.name for column in columns),
            **said,
        )


def _srid(described: Described) -> int:
    """The reference system: what the geometry's type says, else what was declared, else degrees; 0 is the grid's own."""
    declared = described.declared
    if described.makes_tile:
        return declared.srid or 0
    geometry = described.geometry()
    typed = typmod.decode(geometry.typmod, is_geography=geometry.base_type == "geography").srid
    if typed and declared.srid and typed != declared.srid:
        raise Unusable(f"srid is declared as {declared.srid}, but the column {geometry.name} has SRID {typed}")
    return typed or declared.srid or _DEFAULT_SRID


def _columns(found: Sequence[ResultColumn]) -> tuple[Column, ...]:
    columns = (Column(column.name, column.shown, column.base_type, column.category) for column in found)
    return tuple(column for column in columns if column.is_served)


def _key(declared: SqlLayer, columns: tuple[Column, ...]) -> tuple[str, ...]:
    wanted = declared.id_column
    if wanted is None:
        return ()
    names = [column.name for column in columns]
    if wanted not in names:
        raise Unusable(f"it returns no column {wanted!r}, its id_column{hint(wanted, names)}")
    return (wanted,)
