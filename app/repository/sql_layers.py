"""From registered statements to layers: PostgreSQL parses each, in a read-only transaction, and says what it returns."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg import generators, pq, sql
from psycopg.errors import error_from_result
from psycopg.rows import namedtuple_row

from ..errors import BadParameter
from ..layers.column import UNSERVED, Column
from ..layers.crs import Crs
from ..layers.function import Argument
from ..layers.function_arguments import checked_arguments
from ..layers.layer import GeometryColumn, Layer
from ..layers.names import nearest
from ..layers.options import LayerOptions
from ..layers.sql_header import SqlParameter
from ..layers.sql_layer import ENCODING_NAMES, TILE_NAMES, SqlLayer, SqlRowLayer, SqlTileLayer
from . import reference_systems, sql_text, typmod
from .catalog import Rejected
from .connection import BoundedConnection
from .placeholders import casts
from .pool import Pool
from .sql_text import BadSql, SqlText
from .statements import statement

log = logging.getLogger(__name__)

KIND = "sql"
_ONE_MS = 1000
_LOCK_MS = 100
_DEFAULT_SRID = 4326
_BEGINNINGS = frozenset({"select", "with", "values", "table", ""})

_FAULTS = {
    "42601": "PostgreSQL cannot read it",
    "42703": "there is no such column",
    "42P01": "there is no such table",
    "42883": "there is no such function or operator for these types",
    "42704": "there is no such type or object",
    "42501": "the login may not use what it names",
    "3F000": "there is no such schema",
    "42702": "a column's name fits more than one",
    "42803": "a column is neither grouped nor aggregated",
    "42P18": "the type of a value cannot be known; a cast says it",
    "42804": "types do not fit together",
    "0A000": "it does what a layer cannot: write, or use another feature that has no place there",
}


class _Unusable(Exception):
    """Why a statement is no layer."""


class _NotNow(Exception):
    """The database could not be asked: what was known before still holds."""


class _ResultColumn(NamedTuple):
    name: str
    shown: str
    base_type: str
    category: str
    kind: str
    is_spatial: bool
    typmod: int


@dataclass(frozen=True, slots=True)
class _Described:
    declared: SqlLayer
    arguments: tuple[Argument, ...]
    columns: tuple[_ResultColumn, ...] = field(default=())

    @property
    def makes_tile(self) -> bool:
        """Whether it returns a finished tile."""
        return len(self.columns) == 1 and self.columns[0].base_type == "bytea"

    def geometry(self) -> _ResultColumn:
        spatial = [column for column in self.columns if column.is_spatial]
        wanted = self.declared.geometry_column
        if wanted is not None:
            for column in spatial:
                if column.name == wanted:
                    return column
            raise _Unusable(f"it returns no geometry column {wanted!r}{_hint(wanted, [c.name for c in spatial])}")
        if not spatial:
            raise _Unusable("it returns neither a geometry column nor one single bytea, a finished tile")
        return spatial[0]


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
        self._told = told
        self.rejected: list[Rejected] = []
        self._asked = ""
        """The text that PostgreSQL was given last to parse."""

    def layers(self, registered: Sequence[SqlLayer], before: Mapping[str, Layer]) -> tuple[Layer, ...]:
        """The layers, in the order given; of two with one id the first. `before` are those of the last catalog."""
        made: dict[str, Layer | _Described] = {}
        for declared in registered:
            if declared.id in made:
                self._reject(declared, "another registered layer has this id")
                continue
            try:
                made[declared.id] = self._described(declared)
            except _Unusable as reason:
                self._reject(declared, str(reason))
            except _NotNow as reason:
                known = before.get(declared.id)
                if isinstance(known, (SqlRowLayer, SqlTileLayer)) and known.declared == declared:
                    made[declared.id] = known
                else:
                    self._reject(declared, str(reason))
        return self._finished(made)

    def _reject(self, declared: SqlLayer, reason: str) -> None:
        self.rejected.append(Rejected("", declared.id, KIND, None, reason))

    def _finished(self, made: Mapping[str, Layer | _Described]) -> tuple[Layer, ...]:
        srids: dict[str, int] = {}
        for layer_id, each in made.items():
            if isinstance(each, _Described):
                try:
                    srids[layer_id] = _srid(each)
                except _Unusable as reason:
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
                except _Unusable as reason:
                    self._reject(each.declared, str(reason))
        return tuple(layers)

    def _layer(self, described: _Described, srid: int, systems: Mapping[int, Crs]) -> Layer:
        if srid and srid not in systems:
            raise _Unusable(f"SRID {srid} has no definition in spatial_ref_sys that PROJ can use")
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
        columns = tuple(_columns(described.columns))
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

    # --- what PostgreSQL says -----------------------------------------------------------------------------------

    def _described(self, declared: SqlLayer) -> _Described:
        self._asked = ""
        try:
            text = sql_text.parse(declared.sql)
        except BadSql as error:
            raise _Unusable(str(error)) from error
        if text.first_word not in _BEGINNINGS:
            raise _Unusable(f"a layer is a SELECT, this begins with {text.first_word.upper()[:30]}")
        try:
            with self._pool.transaction(self._connection, timeout_ms=_ONE_MS):
                self._connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(f"{_LOCK_MS}ms")))
                arguments = tuple(self._argument(parameter) for parameter in declared.parameters)
                self._check_defaults(declared, arguments)
                return _Described(declared, arguments, self._columns_of(text, arguments))
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
            raise _NotNow(f"what it reads was locked, or took over {_ONE_MS} ms to look up") from error
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            raise _Unusable(self._explained(declared, error)) from error

    def _argument(self, parameter: SqlParameter) -> Argument:
        # The type is looked up as the statement's own names are; then it is written so that it means the same anywhere.
        try:
            [(oid,)] = self._connection.execute("SELECT pg_catalog.to_regtype(%s)::oid", [parameter.type], prepare=False)
        except (psycopg.errors.SyntaxError, psycopg.errors.InvalidTextRepresentation) as error:
            raise _Unusable(f"parameter {parameter.name}: {parameter.type!r} is no type") from error
        if oid is None:
            raise _Unusable(f"parameter {parameter.name}: there is no type {parameter.type!r}")
        [found] = self._types([oid], [-1])
        if found.kind not in ("b", "e") or found.is_spatial:
            raise _Unusable(f"parameter {parameter.name}: a value of type {parameter.type} cannot stand in an address")
        return Argument(
            parameter.name, found.shown, found.base_type, found.category, parameter.has_default,
            parameter.description, parameter.default,
        )  # fmt: skip

    def _check_defaults(self, declared: SqlLayer, arguments: tuple[Argument, ...]) -> None:
        for argument in arguments:
            if argument.default is None:
                continue
            try:
                checked_arguments([argument], {argument.name: [argument.default]})
                cast = sql.SQL("SELECT %s::{}").format(sql.SQL(argument.type.replace("%", "%%")))
                self._connection.execute(cast, [argument.default], prepare=False)
            except BadParameter as error:
                raise _Unusable(f"the default of parameter {argument.name}: {error}") from error
            except psycopg.DataError as error:
                raise _Unusable(f"the default of parameter {argument.name} is no {argument.type}") from error

    def _columns_of(self, text: SqlText, arguments: tuple[Argument, ...]) -> tuple[_ResultColumn, ...]:
        known = (*TILE_NAMES, *ENCODING_NAMES, *(argument.name for argument in arguments))
        for name in sorted(text.names - set(known)):
            raise _Unusable(f"there is no parameter {name!r} in its head, for :{name}{_hint(name, known)}")
        casts = {name: cast for name, cast in self._casts(arguments).items() if name in text.names}
        # Within a FROM nothing can be a statement that writes; the extended protocol takes one statement alone.
        query = f"SELECT * FROM (\n{text.numbered(casts)}\n) AS source"  # noqa: S608  # it is the application's own
        result = self._prepared(query)
        columns = [
            ((result.fname(place) or b"").decode(), result.ftype(place), result.fmod(place))
            for place in range(result.nfields)
        ]
        names = [name for name, _, _ in columns]
        for name in names:
            if names.count(name) > 1:
                raise _Unusable(f"it returns more than one column {name!r}; AS gives one of them another name")
        types = self._types([oid for _, oid, _ in columns], [modifier for _, _, modifier in columns])
        return tuple(found._replace(name=name) for name, found in zip(names, types, strict=True))

    def _casts(self, arguments: tuple[Argument, ...]) -> dict[str, str]:
        return casts(self._postgis_schema) | {argument.name: argument.type for argument in arguments}

    def _prepared(self, query: str) -> pq.abc.PGresult:
        """What the statement would return; it is parsed and not run."""
        connection = self._connection
        wire = connection.pgconn
        self._asked = query
        with connection.lock:
            wire.send_prepare(b"", query.encode())
            self._answer()
            wire.send_describe_prepared(b"")
            return self._answer()

    def _answer(self) -> pq.abc.PGresult:
        connection = self._connection
        result: pq.abc.PGresult
        [result] = connection.wait(generators.execute(connection.pgconn))
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise error_from_result(result, encoding="utf-8")
        return result

    def _types(self, oids: list[int], typmods: list[int]) -> list[_ResultColumn]:
        [(path,)] = self._connection.execute("SELECT pg_catalog.current_setting('search_path')", prepare=False)
        self._set_path("pg_catalog")
        with self._connection.cursor(row_factory=namedtuple_row) as cursor:
            rows = cursor.execute(statement("result_types"), {"types": oids, "typmods": typmods}, prepare=False).fetchall()
        self._set_path(path)
        return [_ResultColumn("", *row) for row in rows]

    def _set_path(self, path: str) -> None:
        self._connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [path], prepare=False)

    def _explained(self, declared: SqlLayer, error: psycopg.Error) -> str:
        """Our own words: the server's text goes to the log, the line is the file's."""
        what = _FAULTS.get(error.sqlstate or "", f"PostgreSQL refuses it (SQLSTATE {error.sqlstate})")
        reason = f"{self._place(declared, error)}{what}"
        if (declared.id, reason) not in self._told:
            log.warning("the statement of layer %s is refused: %s", declared.id, str(error).partition("\n")[0])
        return reason

    def _place(self, declared: SqlLayer, error: psycopg.Error) -> str:
        """The line in which PostgreSQL found the fault, where it says so."""
        position = error.diag.statement_position
        if position is None or error.diag.internal_position is not None:
            return ""
        # Comments keep their line breaks and one line stands before the text, so lines are counted as in the file.
        number = self._asked.count("\n", 0, int(position) - 1)
        lines = declared.sql.split("\n")
        return f"line {number}, `{lines[number - 1].strip()[:60]}`: " if 1 <= number <= len(lines) else ""


def _srid(described: _Described) -> int:
    """The reference system: what the geometry's type says, else what was declared, else degrees; 0 is the grid's own."""
    declared = described.declared
    if described.makes_tile:
        return declared.srid or 0
    geometry = described.geometry()
    typed = typmod.decode(geometry.typmod, is_geography=geometry.base_type == "geography").srid
    if typed and declared.srid and typed != declared.srid:
        raise _Unusable(f"srid is declared as {declared.srid}, but the column {geometry.name} has SRID {typed}")
    return typed or declared.srid or _DEFAULT_SRID


def _columns(found: Sequence[_ResultColumn]) -> list[Column]:
    columns = []
    for column in found:
        element = column.base_type.removeprefix("_") if column.category == "A" else column.base_type
        if element not in UNSERVED:
            columns.append(Column(column.name, column.shown, column.base_type, column.category))
    return columns


def _key(declared: SqlLayer, columns: tuple[Column, ...]) -> tuple[str, ...]:
    wanted = declared.id_column
    if wanted is None:
        return ()
    names = [column.name for column in columns]
    if wanted not in names:
        raise _Unusable(f"it returns no column {wanted!r}, its id_column{_hint(wanted, names)}")
    return (wanted,)


def _hint(asked: str, known: Sequence[str]) -> str:
    close = nearest(asked, known)
    return f"; did you mean {' or '.join(close)}?" if close else ""
