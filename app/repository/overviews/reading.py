"""What the catalog knows of overviews: which of them fit their layers, and why others are not served."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection, DataError, ProgrammingError
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import class_row

from ...layers.layer import Layer
from ...layers.overview import Band, BandPlan, Overview, with_filters
from ...layers.overview_definition import definition
from ...layers.relation import RelationLayer
from .. import own_schema
from ..statements import statement
from . import who_asks

SUPERSEDED = "there is a newer one, or a whole one"


@dataclass(frozen=True, slots=True)
class Found:
    """An overview as the database describes it."""

    id: int
    relation: int
    geometry_column: str
    grid: str
    grid_key: str
    definition: str
    build: str
    complete: bool
    single_rows: bool
    bands: list[list[Any]] | None
    readers: dict[str, list[str] | None] | None
    is_wider: bool
    has_row_security: bool
    is_open: bool
    is_mapped: bool = False

    def overview(self) -> Overview:
        """As a value of the layer."""
        tables = [(kind, _band(*others)) for kind, *others in self.bands or ()]
        return Overview(
            self.id, self.grid, self.grid_key, self.definition, self.build,
            bands={band.plan.zoom: band for kind, band in tables if kind == "band"},
            pieces=next((band for kind, band in tables if kind == "pieces"), None),
            single_rows=self.single_rows,
            readers={role: None if names is None else frozenset(names) for role, names in (self.readers or {}).items()},
        )  # fmt: skip

    def fault(self, layer: RelationLayer) -> str | None:
        """Why it must not be served; None where it may."""
        if self.has_row_security and not self.single_rows:
            return "the table got row security after it was built"
        if self.is_mapped:
            return "its foreign server has user mappings for single roles by now: what it shows depends on who asks"
        if all(self.definition != definition(each, self.grid_key) for each in with_filters(layer)):
            return "the layer's table, columns, key, filter or rank changed since it was built"
        if self.single_rows and not layer.key:
            return "no key of the table tells its rows apart any more: row security could not be kept"
        if self.is_open:
            return "the row security of its own tables was changed by somebody; build it again"
        if self.is_wider:
            return "more roles may read it than the layer's table; `flask overviews refresh` sets its grants right"
        return None


def _band(
    zoom: int | None, table: str, oid: int, small: int | None, cell: int | None, pixel: float | None, in_pieces: bool, rows: int
) -> Band:
    plan = BandPlan(-1 if zoom is None else zoom, pixel or 0.0, small or 1, cell or 1)
    return Band(plan, table, oid, in_pieces, rows)


@dataclass(frozen=True, slots=True)
class Stored:
    """Every overview of the database that the login may know of. `notice` says why there are none, where somebody has to
    know."""

    found: tuple[Found, ...] = ()
    notice: str | None = None


def read(connection: Connection[Any], roles: Collection[str]) -> Stored:
    """What there is; nothing, with a notice, where an older Flagstone wrote it down. In a transaction of the caller."""
    if not own_schema.readable(connection, "overview", "overview_band"):
        return Stored()
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(Found)) as cursor:
            found = cursor.execute(statement("overviews"), {"roles": sorted(roles)}, prepare=False).fetchall()
            mapped = who_asks.mapped(connection, {each.relation for each in found}) if found else frozenset()
            return Stored(tuple(replace(each, is_mapped=each.relation in mapped) for each in found))
    except InsufficientPrivilege:
        return Stored()
    except (ProgrammingError, DataError) as error:
        said = (error.diag.message_primary or str(error)).partition("\n")[0]
        return Stored(notice=(
            f"No overview is served: schema flagstone lists them in another way than this Flagstone does ({said}), as an older one"
            " did. `flask overviews build --all` makes that list, and the overviews, as they have to be."
        ))  # fmt: skip


def attached(layers: Iterable[Layer], found: Collection[Found]) -> tuple[tuple[Layer, ...], dict[int, str]]:
    """The layers with the overviews that fit them; and of the others, by id, why they are not served.

    Of several for one layer, grid and further condition the newest whole one is served, or the newest where none is whole.
    """
    by_column: dict[tuple[int, str], list[Found]] = {}
    for each in found:
        by_column.setdefault((each.relation, each.geometry_column), []).append(each)
    faults = {each.id: "its table is gone, or no layer any more" for each in found}
    made: list[Layer] = []
    for layer in layers:
        if isinstance(layer, RelationLayer):
            fitting: dict[tuple[str, str], Overview] = {}
            for each in by_column.get((layer.oid, layer.geometry.name), ()):
                fault = each.fault(layer)
                if fault is not None:
                    faults[each.id] = fault
                elif (each.grid_key, each.definition) in fitting:
                    faults[each.id] = SUPERSEDED
                else:
                    faults.pop(each.id, None)
                    fitting[each.grid_key, each.definition] = each.overview()
            made.append(replace(layer, overviews=tuple(fitting.values())) if fitting else layer)
        else:
            made.append(layer)
    return tuple(made), faults
