"""Schema `flagstone`, which Flagstone's own objects live in, and the admin login that may change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import LockNotAvailable

from ..errors import ConfigurationError, DatabaseDown, FlagstoneError, InstallError
from .identifier import identifier

SCHEMA = "flagstone"
VERSION = 1
"""Of what lies in the schema; a newer one is left alone."""
_LOCK = 0x666C6167_73746F6E  # "flagston"; advisory locks are per database, as the schema is
_LOCK_TIMEOUT_S = 30
_TABLE = (
    "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"
)


def prepare(connection: psycopg.Connection) -> None:
    """Make the schema and its version where they are not there yet; InstallError where a newer Flagstone made them."""
    alone(connection)
    is_new = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", [SCHEMA]).fetchone() is None
    connection.execute("CREATE SCHEMA IF NOT EXISTS flagstone")
    if is_new:
        _take_grants(connection, sql.SQL("SCHEMA flagstone"), "SELECT nspowner, nspacl, NULL::aclitem[] FROM pg_namespace WHERE nspname = %s", SCHEMA)
    with only_ours(connection, "version"):
        connection.execute("CREATE TABLE IF NOT EXISTS flagstone.version (version int NOT NULL)")
    row = connection.execute("SELECT max(version) FROM flagstone.version").fetchone()
    found = row[0] if row else None
    if found is None:
        connection.execute("INSERT INTO flagstone.version VALUES (%s)", [VERSION])
    elif found > VERSION:
        raise InstallError(
            f"Schema {SCHEMA} of this database has version {found}, made by a newer Flagstone; this one knows {VERSION}."
            " Nothing was changed."
        )


def alone(connection: psycopg.Connection) -> None:
    """Until the end of the transaction nobody else changes the schema itself: of two that grant rights on it at the same
    time, PostgreSQL lets one fail."""
    connection.execute(
        "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)", [f"{_LOCK_TIMEOUT_S}s", _LOCK]
    )


def has_table(connection: psycopg.Connection[Any], table: str) -> bool:
    """Whether the schema has a table of this name. `to_regclass` would be refused to a login without rights in the schema."""
    return connection.execute(_TABLE, [SCHEMA, table]).fetchone() is not None


def readable(connection: psycopg.Connection[Any], *tables: str) -> bool:
    """Whether these tables are there and this login may read them."""
    found = connection.execute(
        "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = ANY (%s) AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
        " AND pg_catalog.has_table_privilege(c.oid, 'SELECT')",
        [SCHEMA, list(tables)],
        prepare=False,
    ).fetchone()  # fmt: skip
    return found == (len(tables),)


@contextmanager
def only_ours(connection: psycopg.Connection[Any], *names: str) -> Iterator[None]:
    """Those of these tables and sequences that the block makes are for nobody else: a database may give privileges on what
    is new by default. Grants on those that were there before stay."""
    new = [name for name in names if not has_table(connection, name)]
    yield
    for name in new:
        nobody(connection, name)


def nobody(connection: psycopg.Connection[Any], table: str) -> None:
    """Take every grant on a table or sequence of the schema, also those that a database gives by default."""
    # Taking a table's privilege takes those of its columns too (PostgreSQL, REVOKE).
    _take_grants(
        connection, sql.SQL("TABLE {}").format(identifier(SCHEMA, table)),
        "SELECT c.relowner, c.relacl, a.attacl FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped"
        " WHERE c.oid = %s::regclass",
        f'flagstone."{table}"',
    )  # fmt: skip


def _take_grants(connection: psycopg.Connection[Any], what: sql.Composable, lists: LiteralString, name: str) -> None:
    """`lists` gives the owner and two lists of privileges of what has that name, in several rows."""
    rows = connection.execute(
        sql.SQL(
            "SELECT DISTINCT x.grantee, CASE WHEN x.grantee = 0 THEN NULL ELSE pg_get_userbyid(x.grantee) END"
            " FROM ({}) AS kept (owner, whole, part)"
            " CROSS JOIN LATERAL (SELECT * FROM aclexplode(kept.whole) UNION ALL SELECT * FROM aclexplode(kept.part)) AS x"
            " WHERE x.grantee <> kept.owner"
        ).format(sql.SQL(lists)),
        [name],
    )
    for _, role in rows.fetchall():
        whose = sql.SQL("PUBLIC") if role is None else identifier(role)
        connection.execute(sql.SQL("REVOKE ALL ON {} FROM {} CASCADE").format(what, whose), [])


@contextmanager
def connection(text: str, variable: str) -> Iterator[psycopg.Connection]:
    """A connection of its own, for commands; DatabaseDown or ConfigurationError, which name the variable."""
    # Neither message quotes libpq: a mistyped URL makes it repeat parts of the password.
    try:
        keywords: dict[str, Any] = {"connect_timeout": 10, "application_name": "flagstone admin", **conninfo_to_dict(text)}
        opened = psycopg.connect(**keywords | {"client_encoding": "utf8"})
    except psycopg.OperationalError as error:
        raise DatabaseDown(f"The database of {variable} does not answer, or refuses the login.") from error
    except psycopg.Error as error:
        raise ConfigurationError(f"{variable} is neither a PostgreSQL URL nor a conninfo.") from error
    opened.prepare_threshold = None  # PgBouncer in transaction mode knows no prepared statements
    opened.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
    with opened:
        yield opened


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Our own exceptions for the driver's. What the database said becomes a note, for the terminal."""
    try:
        yield
    except psycopg.Error as error:
        if isinstance(error, LockNotAvailable):
            fault: FlagstoneError = InstallError(
                f"Another session kept the schema locked for {_LOCK_TIMEOUT_S} seconds. Nothing was changed."
            )
        elif isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
            fault = DatabaseDown("The connection broke during the installation. To install again does no harm.")
        else:
            fault = InstallError(f"{what} could not be installed. Nothing was changed.")
        fault.add_note(error.diag.message_primary or str(error))
        raise fault from error
