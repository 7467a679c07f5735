"""Rows of `sql/relations.sql`: what they hold, and how they become layers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from psycopg import Connection
from psycopg.rows import class_row

from ..layers.column import Column
from ..layers.crs import Crs
from ..layers.layer import GeometryColumn
from ..layers.names import layer_id
from ..layers.relation import RelationLayer
from . import comments, typmod
from .statements import statement

_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation with geometry, as the database describes it. `geometries` and `columns` are in the table's order."""

    oid: int
    schema: str
    name: str
    kind: str
    is_populated: bool
    extension: str | None
    parents: list[int] | None
    estimated_rows: int | None
    has_ctid: bool
    has_row_security: bool
    comment: str | None
    definition: str
    geometries: list[tuple[str, bool, int]]
    columns: list[tuple[str, str, str, str, str | None]] | None
    key: list[str] | None
    readers: dict[str, list[str] | None] | None

    def column_is_readable(self, name: str) -> bool:
        """Whether anybody may read the column."""
        return any(columns is None or name in columns for columns in (self.readers or {}).values())

    def spatial_columns(self) -> list[SpatialColumn]:
        """Its geometry columns with what their types say."""
        return [
            SpatialColumn(name, *typmod.decode(modifier, is_geography=is_geography), is_geography)
            for name, is_geography, modifier in self.geometries
        ]


class SpatialColumn(NamedTuple):
    """A geometry or geography column; `srid` 0 where its type does not say."""

    name: str
    type: str
    srid: int
    is_geography: bool


class ViewFacts(NamedTuple):
    """What a view's definition tells: the key of its table in the view's column names, and whether it runs code.

    `definition` is another text whenever the view, one below it or the row security of a table below it changes.
    """

    key: tuple[str, ...]
    runs_code: bool
    definition: str


def read(connection: Connection[Any], oids: list[int] | None = None) -> list[Relation]:
    """Every relation with geometry, or those with these oids and the parents of the partitions among them."""
    if oids is not None and not oids:
        return []
    with connection.cursor(row_factory=class_row(Relation)) as cursor:
        return cursor.execute(statement("relations"), {"relations": oids or []}, prepare=False).fetchall()


def running_code(connection: Connection[Any]) -> frozenset[int]:
    """Oids of relations that run somebody's function when they are read, for another reason than a view's definition."""
    return frozenset(oid for (oid,) in connection.execute(statement("code_relations"), prepare=False))


class LayerBuilder:
    """Makes layers of relations, and shares what is equal among them: 5,000 tables have few different columns."""

    def __init__(self, login: str, systems: Mapping[int, Crs], running_code: Set[int]) -> None:
        self._login = login
        self._systems = systems
        self._running_code = running_code
        self._shared: dict[Any, Any] = {}

    def layers(
        self, relation: Relation, srids: Mapping[str, int], view: ViewFacts | None = None
    ) -> Iterator[RelationLayer]:
        """A layer for each geometry column that has an SRID in `srids`."""
        said = comments.parse(relation.comment)
        columns = self._share(tuple(self._columns(relation.columns or [])))
        readers = self._readers(relation.readers or {})
        runs_code = relation.has_row_security or relation.oid in self._running_code
        for place, column in enumerate(relation.spatial_columns()):
            if column.name not in srids:
                continue
            crs = self._systems[srids[column.name]]
            yield RelationLayer(
                id=layer_id(relation.schema, relation.name, None if place == 0 else column.name),
                schema=self._share(relation.schema),
                name=relation.name,
                oid=relation.oid,
                kind=self._share(relation.kind),
                geometry=self._share(GeometryColumn(column.name, column.type, crs, column.is_geography)),
                columns=columns,
                key=self._share(tuple(relation.key or ()) if view is None else view.key),
                login=self._login,
                readers=readers,
                title=said.title,
                description=said.description,
                attribution=said.attribution,
                estimated_rows=relation.estimated_rows,
                declared_bounds=said.bounds,
                comment=said.entry,
                tilejson_members=said.members,
                has_ctid=relation.has_ctid,
                runs_code=runs_code or (view is not None and view.runs_code),
                definition=relation.definition if view is None else view.definition,
                is_first_geometry=place == 0,
            )

    def _columns(self, rows: list[tuple[str, str, str, str, str | None]]) -> Iterator[Column]:
        for name, shown, base, category, description in rows:
            column = Column(name, shown, base, category, description)
            if column.is_served:
                yield self._share(column)

    def _readers(self, rows: dict[str, list[str] | None]) -> dict[str, frozenset[str] | None]:
        readers = {role: None if names is None else frozenset(names) for role, names in rows.items()}
        shared: dict[str, frozenset[str] | None] = self._shared.setdefault(frozenset(readers.items()), readers)
        return shared

    def _share(self, value: _T) -> _T:
        shared: _T = self._shared.setdefault(value, value)
        return shared
