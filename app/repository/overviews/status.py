"""What there is of overviews in a database, and whether every row of a layer is accounted for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection, sql
from psycopg.rows import class_row

from ...layers.overview import has_row_security, variant, with_filters
from ...layers.relation import RelationLayer
from ..identifier import identifier
from ..statements import statement
from . import registry
from .one_at_a_time import lock_name
from .row_filter import always
from .target import Target


class BandStatus(NamedTuple):
    """One table of an overview: `kind` is band, pieces or blocks; `bytes` are with its indexes, None where it is gone."""

    kind: str
    zoom: int | None
    table: str
    rows: int
    cell_pixels: int | None
    bytes: int | None
    measured: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OverviewStatus:
    """An overview as the registry has it; `table_bytes` are of the layer's own table, None where that is gone."""

    id: int
    relation: int
    schema_name: str
    table_name: str
    geometry_column: str
    grid: str
    grid_key: str
    complete: bool
    started: datetime
    refreshed: datetime | None
    table_bytes: int | None
    document: dict[str, Any]
    bands: list[list[Any]]

    @property
    def tables(self) -> list[BandStatus]:
        """Its tables, finest zoom last, those for the zooms above at the end."""
        measured = self.document.get("measured", {})
        return [
            BandStatus(
                kind, zoom, table, rows, cell, size, measured.get(f"z{zoom}" if kind == "band" else kind, {})
            )
            for kind, zoom, table, rows, cell, size in self.bands
        ]

    @property
    def filter(self) -> str | None:
        """The condition beside the layer's own filter that it was built for."""
        return self.document.get("filter")

    def built_of(self, layers: Iterable[RelationLayer]) -> RelationLayer | None:
        """The one of these that it belongs to, with the condition that it was built for; None where it is configured no more."""
        found = next((each for each in layers if (each.oid, each.geometry.name) == (self.relation, self.geometry_column)), None)
        if found is None:
            return None
        return next((each for each in with_filters(found) if variant(each) == self.document.get("variant", "")), None)

    @property
    def lock(self) -> str:
        """What a build or refresh of it locks."""
        return lock_name(self.relation, self.geometry_column, self.grid_key, self.document.get("variant", ""))

    @property
    def bytes(self) -> int:
        """Disk of all its tables."""
        return sum(each.bytes or 0 for each in self.tables)

    @property
    def is_unused(self) -> bool:
        """Whether its layer's table is gone."""
        return self.table_bytes is None


def read(connection: Connection[Any]) -> list[OverviewStatus]:
    """Every overview of the database, by table and grid."""
    if not registry.is_there(connection):
        return []
    with connection.cursor(row_factory=class_row(OverviewStatus)) as cursor:
        return cursor.execute(statement("overview_status"), prepare=False).fetchall()


@dataclass(frozen=True, slots=True)
class Account:
    """Rows of a layer's table by what became of them. `by_zoom` are the sums of the counts of each band."""

    table: int
    filtered: int
    null: int
    empty: int
    outside: int
    by_zoom: dict[int, int]

    @property
    def expected(self) -> int:
        """Rows that every band has to stand for."""
        return self.table - self.filtered - self.null - self.empty - self.outside

    @property
    def is_exact(self) -> bool:
        """Whether there are bands, and each stands for exactly these; if not, rows changed since it was built."""
        return bool(self.by_zoom) and all(drawn == self.expected for drawn in self.by_zoom.values())


def account(connection: Connection[Any], target: Target, overview: OverviewStatus) -> Account | None:
    """Every row of the layer counted, with what is outside of the grid found out as the build does; None for an overview
    of single rows, whose counts nobody may see. It reads the whole table."""
    if has_row_security(target.layer):
        return None
    shapes, s = target.sql.shapes, target.sql.shapes.s
    column, chosen = shapes.column(), always(connection, target)
    filtered = sql.SQL("true") if chosen is None else sql.SQL("({}) IS TRUE").format(chosen)
    counted = sql.SQL(
            "SELECT count(*), count(*) FILTER (WHERE NOT {filtered}),"
            " count(*) FILTER (WHERE {filtered} AND {column} IS NULL),"
            " count(*) FILTER (WHERE {filtered} AND {s}.ST_IsEmpty({column})),"
            " count(*) FILTER (WHERE {filtered} AND NOT {s}.ST_IsEmpty({column}) AND (placed.geom IS NULL"
            " OR {s}.ST_IsEmpty(placed.geom)))"
            " FROM {relation} AS source\n{stored}\n{placed}"
    ).format(
        filtered=filtered, column=column, s=s, relation=identifier(target.layer.schema, target.layer.name),
        stored=shapes.source(), placed=shapes.placed(),
    )  # fmt: skip
    table, left_out, null, empty, outside = connection.execute(counted).fetchone() or (0, 0, 0, 0, 0)
    names = target.sql.names
    by_zoom: dict[int, int] = {}
    for band in overview.tables:
        if band.kind == "band" and band.zoom is not None and band.bytes is not None:
            drawn = connection.execute(
                sql.SQL("SELECT COALESCE(sum({}), 0)::int8 FROM {} WHERE {} <= 1").format(
                    identifier(names.count), identifier("flagstone", band.table), identifier(names.piece)
                )
            ).fetchone()
            by_zoom[band.zoom] = int(drawn[0]) if drawn else 0
    return Account(int(table), int(left_out), int(null), int(empty), int(outside), by_zoom)
