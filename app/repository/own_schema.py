"""Schema `flagstone`, which Flagstone's own objects live in, and the admin login that may change it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import LockNotAvailable

from ..errors import ConfigurationError, DatabaseDown, FlagstoneError, InstallError

SCHEMA = "flagstone"
VERSION = 1
"""Of what lies in the schema; a newer one is left alone."""
_LOCK = 0x666C6167_73746F6E  # "flagston"; advisory locks are per database, as the schema is
_LOCK_TIMEOUT_S = 30


def prepare(connection: psycopg.Connection) -> None:
    """Make the schema and its version where they are not there yet; InstallError where a newer Flagstone made them."""
    alone(connection)
    connection.execute("CREATE SCHEMA IF NOT EXISTS flagstone")
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
