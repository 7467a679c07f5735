"""What the database says while an overview is built, as sentences that name what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from ...errors import DatabaseDown, FlagstoneError, OverviewError
from ...layers.overview import has_row_security
from ...layers.relation import RelationLayer

_GO_ON = "The bands that are whole stay; the same command goes on from there."


@contextmanager
def explained(what: str, layer: RelationLayer | None = None) -> Iterator[None]:
    """Our own exceptions for the driver's. What the database said becomes a note, for the terminal."""
    try:
        yield
    except psycopg.Error as error:
        fault = _fault(error, what, layer)
        fault.add_note(error.diag.message_primary or str(error))
        raise fault from error


def _fault(error: psycopg.Error, what: str, layer: RelationLayer | None) -> FlagstoneError:
    match error:
        case errors.InsufficientPrivilege() if layer is not None and has_row_security(layer):
            return OverviewError(
                f"{what}: the login may not read every row of {layer.schema}.{layer.name}, which has row security, or may not create"
                " in schema flagstone. FLAGSTONE_ADMIN_DATABASE_URL names a login for that: the owner of the table, or one that"
                " bypasses row security."
            )
        case errors.InsufficientPrivilege():
            return OverviewError(
                f"{what}: the login may not create in schema flagstone, or not read what it is made of."
                " FLAGSTONE_ADMIN_DATABASE_URL names a login that may."
            )
        case errors.DiskFull():
            return OverviewError(f"{what}: the disk of the database is full. {_GO_ON} `flask overviews plan` says how much it takes.")
        case errors.ConfigurationLimitExceeded():
            return OverviewError(
                f"{what} needs more temporary disk than the database allows (temp_file_limit). {_GO_ON} A higher"
                " FLAGSTONE_OVERVIEW_MEMORY_MB needs less of it."
            )
        case errors.OutOfMemory():
            return OverviewError(f"{what}: the database ran out of memory. {_GO_ON} Try a lower FLAGSTONE_OVERVIEW_MEMORY_MB.")
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.InvalidSchemaName():
            return OverviewError(f"{what}: its table was dropped or altered meanwhile. `flask overviews drop --unused` removes what is left of it.")
        case errors.LockNotAvailable() | errors.DeadlockDetected():
            return OverviewError(f"{what}: another session keeps the table locked. {_GO_ON}")
        case errors.QueryCanceled():
            return OverviewError(f"{what} was cancelled. {_GO_ON}")
        case errors.ReadOnlySqlTransaction():
            return OverviewError(f"{what}: this database only reads, as a replica does. FLAGSTONE_ADMIN_DATABASE_URL names the primary.")
        case psycopg.OperationalError() if error.sqlstate is None or isinstance(error, errors.AdminShutdown | errors.CrashShutdown):
            return DatabaseDown(f"{what}: the connection to the database broke. {_GO_ON}")
    return OverviewError(f"{what}: the database refused a statement. {_GO_ON}")
