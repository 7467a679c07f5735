"""Connections: a pool that opens after the fork, and the one way for a request to borrow from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from psycopg import Connection, sql
from psycopg.errors import InternalError_ as InternalError
from psycopg.errors import InvalidSqlStatementName, QueryCanceled
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from ..layers.identity import Identity
from ..settings import SILENCE_S, Settings
from . import planning
from .connection import Attempts, BoundedConnection, NoAnswer, WarmPool, was_cut
from .conninfo import conninfo
from .faults import translated

# What would otherwise differ between databases and change a tile's bytes, and what a read never needs.
_SESSION = {
    # psycopg reads JSON as UTF-8 whatever it comes in, and gives the texts of an SQL_ASCII database as bytes.
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    # Compiling a tile's statement takes longer than running it.
    "jit": "off",
}


_LOCK_MS = 1000
# What a transaction holds ends with it, but not locks that a function took for the session, nor what it prepared.
_UNDO = "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()"
# psycopg forgets with a ROLLBACK what it prepared. Behind PgBouncer other clients' statements lie on the same connection.
_UNDO_ON_OUR_OWN = f"{_UNDO}; DEALLOCATE ALL"

_C = TypeVar("_C", bound=Connection[Any])

HostPool = ConnectionPool[Any]
"""A host application's pool: its connections may be of any class, with any rows."""


class Pool:
    """A psycopg pool for reading. It opens on first use: one opened before a fork would be shared by the workers.

    `lent` is a host application's pool, borrowed from in its place, and neither opened nor closed here. Its connections
    carry the host's own session: all that Flagstone sets ends with the transaction, and nothing is prepared.
    """

    def __init__(self, settings: Settings, lent: HostPool | None = None) -> None:
        self.transaction_pooling = settings.transaction_pooling or lent is not None
        self._settings = settings
        self._lent = lent
        self._conninfo = conninfo(settings) if lent is None else ""
        limit_ms = settings.statement_timeout_ms
        # Who waits behind ALTER TABLE or VACUUM FULL holds a connection and a thread for nothing.
        self._session = {**_SESSION, "statement_timeout": f"{limit_ms}ms", "lock_timeout": f"{min(limit_ms, _LOCK_MS)}ms"}
        self._limit_s = settings.statement_timeout_ms / 1000
        self.tile_limit_s = settings.tile_limit_s
        self.database = ""
        """Where the connections lead, as `host:port/database`; known once there was one. Part of every cache key."""
        self._undo = "ROLLBACK" if lent is not None else _UNDO if self.transaction_pooling else _UNDO_ON_OUR_OWN
        self._attempts = Attempts()
        self._pool: WarmPool | None = None
        self._lock = threading.Lock()

    def open(self) -> WarmPool:
        """The open pool of our own; opening it connects in the background and does not wait."""
        with self._lock:
            if self._pool is None:
                settings = self._settings
                pool = WarmPool(
                    self._conninfo,
                    connection_class=BoundedConnection,
                    kwargs={"attempts": self._attempts, "patience_s": self._limit_s + SILENCE_S},
                    min_size=min(settings.pool_min_size, settings.connections),
                    max_size=settings.connections,
                    timeout=settings.pool_timeout_ms / 1000,
                    max_waiting=settings.pool_max_waiting,
                    max_idle=settings.pool_max_idle_s,
                    # A database that comes back is tried again within seconds, not after psycopg's five minutes.
                    reconnect_timeout=5.0,
                    configure=self._configure,
                    open=False,
                    name="flagstone",
                )
                pool.open(wait=False)
                self._pool = pool
            return self._pool

    @property
    def is_lent(self) -> bool:
        """Whether the connections are those of a host application's pool."""
        return self._lent is not None

    def close(self) -> None:
        """Close every connection of our own; the next use opens the pool again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(timeout=2)

    def ping(self) -> None:
        """One round trip; DatabaseDown or PoolExhausted where the database does not answer within seconds."""
        with self.borrowed("the database") as connection:
            connection.patience_s = SILENCE_S
            connection.execute("SELECT 1")

    def _configure(self, connection: BoundedConnection) -> None:
        self._see(connection)
        connection.autocommit = True
        connection.prepare_threshold = None if self.transaction_pooling else 5
        # Each tile statement of a layer, grid and column set is one; the default of 100 would evict them in turn.
        connection.prepared_max = 400
        if not self.transaction_pooling:
            connection.execute("SET default_transaction_read_only = on")
            connection.execute(self._set_config(connection, local=False))

    def _see(self, connection: Connection[Any]) -> None:
        info = connection.info
        self.database = f"{info.host}:{info.port}/{info.dbname}"

    def _set_config(self, connection: Connection[TupleRow], *, local: bool, **others: str) -> sql.Composed:
        values = self._session | planning.settings(connection, local=local) | others
        calls = [
            sql.SQL("pg_catalog.set_config({}, {}, {})").format(sql.Literal(name), sql.Literal(value), sql.Literal(local))
            for name, value in values.items()
        ]
        calls.append(planning.fewer_parallel(local=local))
        return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))

    @contextmanager
    def borrowed(self, what: str, *, until: float | None = None) -> Iterator[BoundedConnection]:
        """A connection in autocommit, errors translated; for `read_only` and for Flagstone's own catalog queries.

        `until` (of time.monotonic) bounds the wait for one; after it there is none.
        """
        if self._lent is not None:
            with translated(what), self._of_the_host(self._lent, until) as connection:
                yield connection
            return
        with translated(what):
            pool = self.open()
            connection = self._whole(pool, until)
            try:
                yield connection
            except (InternalError, InvalidSqlStatementName):
                # After PostGIS has failed to make a projection, the next good transform of the same session fails too.
                # And where a function threw away what was prepared, psycopg does not know it.
                connection.close()
                raise
            except NoAnswer:
                # Those that lie in the pool led the same way. Each would cost a request its whole time.
                pool.drain()
                raise
            finally:
                connection.patience_s = self._limit_s + SILENCE_S
                pool.putconn(connection)

    @contextmanager
    def _of_the_host(self, lent: HostPool, until: float | None) -> Iterator[BoundedConnection]:
        """A connection of the host's pool while the block runs."""
        connection = self._whole(lent, until)
        try:
            if not self.database:
                self._see(connection)
            with BoundedConnection.around(connection, self._limit_s + SILENCE_S) as view:
                yield view
        except InternalError:
            connection.close()  # as below
            raise
        finally:
            lent.putconn(connection)

    def _whole(self, pool: ConnectionPool[_C], until: float | None) -> _C:
        """A connection of the pool that was not cut while it lay there, as all are when the database was restarted."""
        usual = self._settings.pool_timeout_ms / 1000
        while True:
            left = usual if until is None else min(usual, until - time.monotonic())
            if left <= 0:
                raise QueryCanceled("the request's time is over")
            try:
                connection = pool.getconn(left)
            except PoolTimeout as error:
                if self._attempts.are_in_vain(usual / 2):
                    raise NoAnswer("no connection could be made") from error
                raise
            if not was_cut(connection):
                return connection
            connection.close()
            pool.putconn(connection)

    def left_ms(self, until: float | None) -> int | None:
        """Milliseconds that are left for a statement; None where that is not less than any statement may take."""
        if until is None:
            return None
        left_s = until - time.monotonic()
        return max(1, int(left_s * 1000)) if left_s < self._limit_s else None

    @contextmanager
    def transaction(self, connection: BoundedConnection, *, timeout_ms: int | None = None) -> Iterator[None]:
        """`BEGIN READ ONLY`, the settings, and always `ROLLBACK`: nothing that the block ran can outlive it.

        `timeout_ms` is the time limit of its statements, where it is not that of a tile's.
        """
        others = {}
        usual = connection.patience_s
        if timeout_ms is not None:
            others["statement_timeout"] = f"{timeout_ms}ms"
            connection.patience_s = timeout_ms / 1000 + SILENCE_S
        try:
            # Not prepared: a function may have thrown away what is, and this has to work always.
            connection.execute("BEGIN READ ONLY", prepare=False)
            connection.execute(self._set_config(connection, local=True, **others), prepare=False)
            yield
        finally:
            if not connection.closed:
                connection.execute(self._undo, prepare=False)
            connection.patience_s = usual


@contextmanager
def read_only(
    pool: Pool,
    identity: Identity,
    what: str,
    *,
    runs_code: bool = False,
    timeout_ms: int | None = None,
    until: float | None = None,
) -> Iterator[BoundedConnection]:
    """The one way for a request to read: a connection that acts as the identity.

    Autocommit serves Flagstone's own statements on relations as the login itself. Everything else takes a
    transaction: in autocommit a function can switch read-only off for the next request on its connection.
    So does a time limit of its own, which is `timeout_ms`, or what is left `until` then (of time.monotonic).
    """
    with pool.borrowed(what, until=until) as connection:
        limit_ms = pool.left_ms(until) if timeout_ms is None else timeout_ms
        if limit_ms is not None or runs_code or pool.transaction_pooling or not identity.is_plain:
            with pool.transaction(connection, timeout_ms=limit_ms):
                if identity.role is not None:
                    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(identity.role)))
                yield connection
        else:
            yield connection
