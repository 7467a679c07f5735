"""Loads the sample of `migrations_sample/` into schema `sample`: all of it or nothing, as often as one likes.

Each CSV file of `data/` is copied as text into a temporary table of its name. Then the numbered SQL files run
in their order: each makes one relation, if it is missing, and brings its rows to what the CSV file says. Rows
that are right already are not written, so a second load changes nothing, and readers of a running server are
never locked out. A file `NNN_name.sql` makes the relation `sample.name`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import LockNotAvailable

from ..errors import ConfigurationError, DatabaseDown, FlagstoneError, SampleError

FOLDER = Path(__file__).parents[2] / "migrations_sample"
OUR_MARK = "Flagstone sample"
"""How the comment of schema `sample` begins where the schema is ours; `001_schema.sql` writes it."""

_LOCK_TIMEOUT_S = 60
_LOCK = 0x666C6167_73616D70  # "flagsamp"; advisory locks are per database, as the schema is
_BLOCK_BYTES = 1 << 16

Report = Callable[[str, int], None]


def load(
    conninfo: str | Mapping[str, Any], report: Report | None = None, folder: Path = FOLDER
) -> dict[str, int]:
    """Load the sample; gives the rows of each relation.

    `conninfo` is a URL or conninfo, or the keywords that `Settings.conninfo` gives. `report` is told each
    finished file and its rows. Raises SampleError (nothing was changed then), ConfigurationError and
    DatabaseDown.
    """
    report = report or (lambda file, rows: None)
    tables, scripts = _files(folder)
    if not tables or not scripts:
        raise SampleError(
            f"There is no sample in {folder}: it comes with a checkout of Flagstone, not with its package."
        )
    with _connection(conninfo) as connection, _explained("the commit"), connection.transaction():
        with _explained("the preparation"):
            _prepare(connection)
        for table in tables:
            with _explained(table.name):
                copied = _stage(connection, table)
            report(table.name, copied)
        loaded: dict[str, int] = {}
        for script in scripts:
            with _explained(script.name):
                # Bytes without parameters: many statements in one go, and `%` is a character like others.
                connection.execute(script.read_bytes())
                rows = _count(connection, relation := script.stem[4:])
            if rows is not None:
                loaded[relation] = rows
            report(script.name, rows or 0)
    return loaded


def files(folder: Path = FOLDER) -> int:
    """How many files a load works through, and how often it reports."""
    return sum(map(len, _files(folder)))


def _files(folder: Path) -> tuple[list[Path], list[Path]]:
    return sorted(folder.glob("data/*.csv")), sorted(folder.glob("[0-9][0-9][0-9]_*.sql"))


@contextmanager
def _connection(conninfo: str | Mapping[str, Any]) -> Iterator[psycopg.Connection]:
    given = {"conninfo": conninfo} if isinstance(conninfo, str) else dict(conninfo)
    defaults: dict[str, Any] = {"connect_timeout": 10, "application_name": "flagstone sample"}
    # Neither message quotes libpq: a mistyped URL makes it repeat parts of the password.
    try:
        keywords = defaults | conninfo_to_dict(given.pop("conninfo", ""), **given)
        connection = psycopg.connect(**keywords | {"client_encoding": "utf8"})
    except psycopg.OperationalError as error:
        raise DatabaseDown("The database does not answer, or refuses the login.") from error
    except psycopg.Error as error:
        raise ConfigurationError("DATABASE_URL is neither a PostgreSQL URL nor a conninfo.") from error
    connection.prepare_threshold = None  # PgBouncer in transaction mode knows no prepared statements
    # A login may have other defaults. After waiting for another load, repeatable read would not see its rows.
    connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    connection.read_only = False
    with connection:
        yield connection


@contextmanager
def _explained(step: str) -> Iterator[None]:
    """Our own exceptions for the driver's. What the database said becomes a note, for the console."""
    try:
        yield
    except (psycopg.Error, OSError, UnicodeError, csv.Error) as error:
        if isinstance(error, LockNotAvailable):
            fault: FlagstoneError = SampleError(
                f"Another load, or a long query, kept the sample locked for {_LOCK_TIMEOUT_S} seconds."
                " Nothing was changed."
            )
        elif isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            fault = DatabaseDown("The connection broke during the load. To load again does no harm.")
        else:
            fault = SampleError(f"The sample could not be loaded: {step} failed. Nothing was changed.")
        fault.add_note(_said(error))
        raise fault from error


def _said(error: Exception) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return primary or str(error)


def _prepare(connection: psycopg.Connection) -> None:
    """Limits; one load at a time; a schema that is ours; PostGIS, wherever it is, on the search path."""
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', '0', true)",
        [f"{_LOCK_TIMEOUT_S}s"],
    )
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    foreign = connection.execute(
        "SELECT 1 FROM pg_namespace WHERE nspname = 'sample'"
        " AND NOT COALESCE(starts_with(obj_description(oid, 'pg_namespace'), %s), false)",
        [OUR_MARK],
    ).fetchone()
    if foreign:
        raise SampleError(
            "The database has a schema named sample that Flagstone did not make. It is left alone:"
            " rename it, or load the sample into another database."
        )
    if not _search_in_postgis(connection):
        _create_postgis(connection)
        _search_in_postgis(connection)


def _search_in_postgis(connection: psycopg.Connection) -> bool:
    """Whether PostGIS is there; if so, its schema alone is searched until the transaction ends."""
    return connection.execute(
        "SELECT set_config('search_path', quote_ident(nspname) || ', pg_temp', true)"
        " FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'postgis'"
    ).fetchone() is not None  # fmt: skip


def _create_postgis(connection: psycopg.Connection) -> None:
    try:
        connection.execute("CREATE EXTENSION postgis")
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        fault = SampleError(
            f"The database {connection.info.dbname} has no PostGIS, and this login could not add it."
            " Let a superuser run there: CREATE EXTENSION postgis;"
            " (the server needs PostGIS's package, on Debian 12 postgresql-15-postgis-3)."
        )
        fault.add_note(_said(error))
        raise fault from error


def _stage(connection: psycopg.Connection, table: Path) -> int:
    """Copy a CSV file as text into a temporary table of its name; gives the rows."""
    with table.open(encoding="utf-8", newline="") as text:
        header = next(csv.reader(text), [])
    name = sql.Identifier("pg_temp", table.stem)
    columns = sql.SQL(", ").join(sql.SQL("{} text").format(sql.Identifier(column)) for column in header)
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(name, columns))
    with connection.cursor() as cursor:
        # The encoding is the file's, whatever the client's and the database's are.
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv, HEADER true, ENCODING 'UTF8')").format(name)
        with cursor.copy(statement) as copy, table.open("rb") as data:
            while block := data.read(_BLOCK_BYTES):
                copy.write(block)
        return cursor.rowcount


def _count(connection: psycopg.Connection, relation: str) -> int | None:
    """The rows of `sample.relation`; None where a script made no relation."""
    name = sql.Identifier("sample", relation)
    exists = connection.execute("SELECT to_regclass(%s)", [name.as_string(connection)]).fetchone()
    if exists is None or exists[0] is None:
        return None
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
    return int(row[0]) if row else None
