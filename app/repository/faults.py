"""The one place where the driver's errors become Flagstone's.

The database's own text goes to the log, never into a message: it can quote data and statements.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors as sql
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from ..errors import (
    AccessDenied,
    DatabaseDown,
    LayerChanged,
    LayerLocked,
    PoolExhausted,
    QueryFailed,
    RequestError,
    RowsAtFault,
    TileTimeout,
    Unavailable,
)
from ..metrics import POOL_REFUSALS

log = logging.getLogger(__name__)


_SERVER_GOES = (sql.AdminShutdown, sql.CrashShutdown, sql.CannotConnectNow, sql.TooManyConnections)
_CHANGED = (
    sql.UndefinedTable,
    sql.UndefinedColumn,
    sql.UndefinedObject,
    sql.InvalidSchemaName,
    # A column of another type now: the statement's casts do not fit.
    sql.UndefinedFunction,
    sql.CannotCoerce,
    sql.DatatypeMismatch,
    sql.WrongObjectType,
    # "cached plan must not change result type"
    sql.FeatureNotSupported,
)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of psycopg and its pool inside the block are raised as Flagstone's; `what` names the layer or the task."""
    subject = what[:1].upper() + what[1:]
    try:
        yield
    except (PoolTimeout, TooManyRequests) as error:
        POOL_REFUSALS.inc()
        raise PoolExhausted("No database connection could be had in time.") from error
    except sql.LockNotAvailable as error:
        raise LayerLocked(f"{subject} is locked by another session.") from error
    except sql.QueryCanceled as error:
        raise TileTimeout(f"{subject} took longer than the statement timeout.") from error
    except _CHANGED as error:
        log.warning("the database does not know %s as the catalog does: %s", what, _first_line(error))
        raise LayerChanged(f"{subject} changed since the catalog was read.") from error
    except UnicodeEncodeError as error:
        # A host's connection may write in an encoding of its own.
        raise RequestError(f"The encoding of the database lacks a character that {what} is asked for with.") from error
    except psycopg.DataError as error:
        # SQLSTATE class 22: the statement is right, and a value in a row is none that it can take.
        log.error("the database cannot take a value of %s: %s", what, _first_line(error))  # noqa: TRY400  # no news in a traceback
        raise RowsAtFault(f"The query for {what} fails on a value in its rows; the log of Flagstone says why.") from error
    except sql.InsufficientPrivilege as error:
        raise AccessDenied(f"{subject} may not be read with this login.") from error
    except (PoolClosed, psycopg.OperationalError, psycopg.InterfaceError) as error:
        if getattr(error, "sqlstate", None) is not None and not isinstance(error, _SERVER_GOES):
            # The server is there and says so itself: a foreign server is not, or memory or disk is short.
            log.warning("the database cannot read %s now: %s", what, _first_line(error))
            raise Unavailable(f"The database cannot read {what} now.") from error
        log.warning("the database does not answer (asked for %s): %s", what, _first_line(error))
        raise DatabaseDown("The database does not answer.") from error
    except psycopg.Error as error:
        # No traceback: the statement is Flagstone's own and known, what the server says of it is the news.
        log.error("the database refused %s: %s", what, _first_line(error))  # noqa: TRY400
        raise QueryFailed(f"The database refused the query for {what}.") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
