"""What PostgreSQL says of a statement: it parses each in a read-only transaction and runs none."""

from __future__ import annotations

import logging
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg
from psycopg import generators, pq, sql
from psycopg.errors import error_from_result
from psycopg.rows import namedtuple_row

from ..errors import BadParameter
from ..layers.function import Argument
from ..layers.function_arguments import checked_arguments
from ..layers.names import nearest
from ..layers.sql_header import SqlParameter
from ..layers.sql_layer import ENCODING_NAMES, TILE_NAMES, SqlLayer
from . import sql_text
from .connection import BoundedConnection
from .placeholders import casts
from .pool import Pool
from .sql_text import BadSql, SqlText
from .statements import statement

log = logging.getLogger(__name__)

_ONE_MS = 1000
_LOCK_MS = 100
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


class Unusable(Exception):
    """Why a statement is no layer."""


class NotNow(Exception):
    """The database could not be asked: what was known before still holds."""


class ResultColumn(NamedTuple):
    """A column that a statement returns. `shown` is its type as it is written, `base_type` that of a domain, or its own."""

    name: str
    shown: str
    base_type: str
    category: str
    kind: str
    is_spatial: bool
    typmod: int


@dataclass(frozen=True, slots=True)
class Described:
    """A statement with its parameters, and the columns that it returns."""

    declared: SqlLayer
    arguments: tuple[Argument, ...]
    columns: tuple[ResultColumn, ...]

    @property
    def makes_tile(self) -> bool:
        """Whether it returns a finished tile."""
        return len(self.columns) == 1 and self.columns[0].base_type == "bytea"

    def geometry(self) -> ResultColumn:
        """The column that is drawn: the declared one, else the first geometry; Unusable where there is none."""
        spatial = [column for column in self.columns if column.is_spatial]
        wanted = self.declared.geometry_column
        if wanted is not None:
            for column in spatial:
                if column.name == wanted:
                    return column
            raise Unusable(f"it returns no geometry column {wanted!r}{hint(wanted, [c.name for c in spatial])}")
        if not spatial:
            raise Unusable("it returns neither a geometry column nor one single bytea, a finished tile")
        return spatial[0]


class Describer:
    """Asks PostgreSQL about statements, on one connection. `told` are ids and reasons that are in the log already."""

    def __init__(
        self, pool: Pool, connection: BoundedConnection, postgis_schema: str, told: Container[tuple[str, str]] = ()
    ) -> None:
        self._pool = pool
        self._connection = connection
        self._postgis_schema = postgis_schema
        self._told = told
        self._asked = ""
        """The text that PostgreSQL was given last to parse."""

    def described(self, declared: SqlLayer) -> Described:
        """What one statement takes and returns; Unusable or NotNow say why that cannot be told."""
        self._asked = ""
        try:
            text = sql_text.parse(declared.sql)
        except BadSql as error:
            raise Unusable(str(error)) from error
        if text.first_word not in _BEGINNINGS:
            raise Unusable(f"a layer is a SELECT, this begins with {text.first_word.upper()[:30]}")
        try:
            with self._pool.transaction(self._connection, timeout_ms=_ONE_MS):
                self._connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(f"{_LOCK_MS}ms")))
                arguments = tuple(self._argument(parameter) for parameter in declared.parameters)
                self._check_defaults(declared, arguments)
                return Described(declared, arguments, self._columns_of(text, arguments))
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable) as error:
            raise NotNow(f"what it reads was locked, or took over {_ONE_MS} ms to look up") from error
        except psycopg.Error as error:
            if self._connection.closed:
                raise
            raise Unusable(self._explained(declared, error)) from error

    def _argument(self, parameter: SqlParameter) -> Argument:
        # The type is looked up as the statement's own names are; then it is written so that it means the same anywhere.
        try:
            [(oid,)] = self._connection.execute("SELECT pg_catalog.to_regtype(%s)::oid", [parameter.type], prepare=False)
        except (psycopg.errors.SyntaxError, psycopg.errors.InvalidTextRepresentation) as error:
            raise Unusable(f"parameter {parameter.name}: {parameter.type!r} is no type") from error
        if oid is None:
            raise Unusable(f"parameter {parameter.name}: there is no type {parameter.type!r}")
        [found] = self._types([oid], [-1])
        if found.kind not in ("b", "e") or found.is_spatial:
            raise Unusable(f"parameter {parameter.name}: a value of type {parameter.type} cannot stand in an address")
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
                raise Unusable(f"the default of parameter {argument.name}: {error}") from error
            except psycopg.DataError as error:
                raise Unusable(f"the default of parameter {argument.name} is no {argument.type}") from error

    def _columns_of(self, text: SqlText, arguments: tuple[Argument, ...]) -> tuple[ResultColumn, ...]:
        known = (*TILE_NAMES, *ENCODING_NAMES, *(argument.name for argument in arguments))
        for name in sorted(text.names - set(known)):
            raise Unusable(f"there is no parameter {name!r} in its head, for :{name}{hint(name, known)}")
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
                raise Unusable(f"it returns more than one column {name!r}; AS gives one of them another name")
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

    def _types(self, oids: list[int], typmods: list[int]) -> list[ResultColumn]:
        [(path,)] = self._connection.execute("SELECT pg_catalog.current_setting('search_path')", prepare=False)
        self._set_path("pg_catalog")
        with self._connection.cursor(row_factory=namedtuple_row) as cursor:
            rows = cursor.execute(statement("result_types"), {"types": oids, "typmods": typmods}, prepare=False).fetchall()
        self._set_path(path)
        return [ResultColumn("", *row) for row in rows]

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


def hint(asked: str, known: Sequence[str]) -> str:
    """The end of a sentence about a name that is not known: the names that look like it."""
    close = nearest(asked, known)
    return f"; did you mean {' or '.join(close)}?" if close else ""
