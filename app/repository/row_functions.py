"""Rows of `sql/row_functions.sql`: which functions that return rows are layers, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from ..layers.column import Column
from ..layers.crs import Crs
from ..layers.function import Argument
from ..layers.layer import GeometryColumn
from ..layers.row_function import Filled, FilledArgument, RowFunctionLayer
from ..settings import Settings
from . import comments, selection, typmod
from .catalog import Rejected
from .statements import statement

KIND = "function"
_DEFAULT_SRID = 4326
_PLACE = {"z": Filled.ZOOM, "x": Filled.COLUMN, "y": Filled.ROW}
_NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})
_NOT_NAMED = (
    'it returns rows, and nothing names it as a layer: neither FLAGSTONE_ROW_FUNCTIONS, nor {"layer": true} in its comment'
)


class RowArgument(NamedTuple):
    """An argument that goes in; `spatial` is `geometry`, `geography` or None."""

    name: str
    type: str
    base_type: str
    category: str
    has_default: bool
    default: str | None
    spatial: str | None


class RowColumn(NamedTuple):
    """A column that comes out."""

    name: str
    type: str
    base_type: str
    category: str
    spatial: str | None
    typmod: int


@dataclass(frozen=True, slots=True)
class RowFunction:
    """One function, as the database describes it."""

    oid: int
    schema: str
    name: str
    extension: str | None
    volatility: str
    is_variadic: bool
    definition: str
    comment: str | None
    arguments: list[list[Any]] | None
    columns: list[list[Any]]
    is_bare: bool
    callers: list[str] | None

    @property
    def given(self) -> tuple[RowArgument, ...]:
        """Its arguments, in their order."""
        return tuple(RowArgument(*each) for each in self.arguments or ())

    @property
    def returned(self) -> tuple[RowColumn, ...]:
        """Its columns, in their order."""
        return tuple(RowColumn(*each) for each in self.columns)

    @property
    def types(self) -> tuple[str, ...]:
        """The `typname` of each argument."""
        return tuple(each.base_type for each in self.given)

    @property
    def geometry(self) -> RowColumn:
        """The geometry column: the one that the comment names, else the first."""
        spatial = [column for column in self.returned if column.spatial]
        wanted = comments.members(self.comment).get("geometry")
        return next((column for column in spatial if column.name == wanted), spatial[0])

    @property
    def srid(self) -> int:
        """The reference system of its geometry: what the type says, else what the comment says, else degrees.

        PostgreSQL does not keep what CREATE FUNCTION says of the types of OUT columns; those of a table's row type it does.
        """
        geometry = self.geometry
        typed = typmod.decode(geometry.typmod, is_geography=geometry.spatial == "geography").srid
        said = comments.members(self.comment).get("srid")
        named = said if isinstance(said, int) and not isinstance(said, bool) and 0 < said < 1_000_000 else 0
        return typed or named or _DEFAULT_SRID


def read(connection: Connection[Any], oids: Sequence[int] | None = None) -> list[RowFunction]:
    """Every function that returns rows with a geometry, or those with these oids."""
    if oids is not None and not oids:
        return []
    with connection.cursor(row_factory=class_row(RowFunction)) as cursor:
        return cursor.execute(statement("row_functions"), {"functions": list(oids or [])}, prepare=False).fetchall()


def chosen(functions: Iterable[RowFunction], settings: Settings) -> tuple[list[RowFunction], list[Rejected]]:
    """Those that somebody names as layers, the ones with fewer arguments first, and why others are not.

    Functions of extensions are not even mentioned, unless somebody names them: PostGIS alone has a dozen.
    """
    accepted, rejected = [], []
    for function in functions:
        named = _is_named(function, settings)
        if function.extension is not None and not named:
            continue
        reason = selection.function_refusal(function, settings) or (None if named else _NOT_NAMED) or _flaw(function)
        if reason is None:
            accepted.append(function)
        else:
            rejected.append(rejection(function, reason))
    accepted.sort(key=lambda each: (each.schema, each.name, len(each.types), each.types))
    return accepted, rejected


def rejection(function: RowFunction, reason: str) -> Rejected:
    """That it is no layer, and why."""
    return Rejected(function.schema, function.name, KIND, None, reason)


def layer(function: RowFunction, layer_id: str, login: str, systems: Mapping[int, Crs]) -> RowFunctionLayer:
    """The layer of one function under this id; its SRID must be among the systems."""
    said = comments.parse(function.comment)
    texts = comments.members(function.comment).get("arguments")
    geometry = function.geometry
    is_geography = geometry.spatial == "geography"
    given = [(each, _filled(each)) for each in function.given]
    return RowFunctionLayer(
        id=layer_id,
        schema=function.schema,
        name=function.name,
        login=login,
        title=said.title,
        description=said.description,
        attribution=said.attribution,
        declared_bounds=said.bounds,
        comment=said.entry,
        tilejson_members={name: value for name, value in said.members.items() if name not in ("arguments", "srid")},
        geometry=GeometryColumn(
            geometry.name, typmod.decode(geometry.typmod, is_geography=is_geography).type, systems[function.srid], is_geography
        ),
        columns=tuple(_columns(function.returned)),
        readers=dict.fromkeys(function.callers or (), None),
        runs_code=True,
        oid=function.oid,
        arguments=tuple(_argument(each, texts) for each, filled in given if filled is None),
        filled=tuple(
            FilledArgument(each.name, each.type, filled, each.spatial == "geography") for each, filled in given if filled
        ),
        is_bare=function.is_bare,
        returned=tuple(column.name for column in _columns(function.returned)),
        is_typed=is_geography or typmod.decode(geometry.typmod, is_geography=False).srid > 0,
        volatility=function.volatility,
        definition=function.definition,
    )


def _is_named(function: RowFunction, settings: Settings) -> bool:
    names = (function.name, f"{function.schema}.{function.name}")
    if any(fnmatchcase(name, pattern) for pattern in settings.row_functions for name in names):
        return True
    # What somebody installed in Flagstone's own schema is there to be served.
    return comments.members(function.comment).get("layer") is True or (
        function.schema == selection.OWN_SCHEMA and function.extension is None
    )


def _flaw(function: RowFunction) -> str | None:
    if function.is_variadic:
        return "it takes any number of arguments (VARIADIC)"
    names = [each.name for each in function.given]
    if "" in names:
        return "one of its arguments has no name"
    if any(each.category == "P" for each in function.given):
        return "it takes an argument of any type"
    columns = [each.name for each in function.returned]
    if any(columns.count(name) > 1 for name in columns):
        return "two of its columns have the same name"
    if "" in columns:
        return "one of its columns has no name"
    return None


def _filled(argument: RowArgument) -> Filled | None:
    """What of the tile fills this argument; None where the query string does."""
    if argument.spatial is not None:
        return Filled.BOUNDS
    return _PLACE.get(argument.name) if argument.base_type in _NUMBERS else None


def _argument(given: RowArgument, texts: Any) -> Argument:
    text = texts.get(given.name) if isinstance(texts, dict) else None
    description = text if isinstance(text, str) else None
    return Argument(given.name, given.type, given.base_type, given.category, given.has_default, description, given.default)


def _columns(returned: Iterable[RowColumn]) -> Iterable[Column]:
    columns = (Column(column.name, column.type, column.base_type, column.category) for column in returned)
    return (column for column in columns if column.is_served)
