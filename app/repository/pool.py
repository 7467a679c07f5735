"""Connections: a pool that opens after the fork, and the one way for a request to borrow from it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from psycopg import Connection, Cursor, OperationalError, ProgrammingError, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from ..errors import ConfigurationError
from ..layers.identity import Identity
from ..settings import Settings
from .faults import translated

# What would otherwise differ between databases and change a tile's bytes, and what a read never needs.
_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    # Compiling a tile's statement takes longer than running it.
    "jit": "off",
}


# The tile query's LATERAL steps see each row once; remembering them cost 3 µs a row (PostgreSQL 14 and later do).
_SINCE_14 = {"enable_memoize": "off"}


class Pool:
    """A psycopg pool for reading. It opens on first use: one opened before a fork would be shared by the workers."""

    def __init__(self, settings: Settings) -> None:
        self.transaction_pooling = settings.transaction_pooling
        self._settings = settings
        self._conninfo = conninfo(settings)
        self._session = {**_SESSION, "statement_timeout": f"{settings.statement_timeout_ms}ms"}
        self.database = ""
        """Where the connections lead, as `host:port/database`; known once there was one. Part of every cache key."""
        self._refused = False
        """Whether the last attempt to connect failed: then a wait that was too long is an outage, not a crowd."""
        self._pool: ConnectionPool[Connection[TupleRow]] | None = None
        self._lock = threading.Lock()

    def open(self) -> ConnectionPool[Connection[TupleRow]]:
        """The open pool; opening it connects in the background and does not wait."""
        with self._lock:
            if self._pool is None:
                settings = self._settings
                pool = ConnectionPool(
                    self._conninfo,
                    connection_class=self._watched(),
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

    def close(self) -> None:
        """Close every connection; the next use opens the pool again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(timeout=2)

    def ping(self) -> None:
        """One round trip; DatabaseDown or PoolExhausted where the database does not answer."""
        with self.borrowed("the database") as connection:
            connection.execute("SELECT 1")

    def replace_broken(self) -> None:
        """Look at every idle connection and replace those that the server closed."""
        if self._pool is not None:
            self._pool.check()

    def _watched(self) -> type[Connection[TupleRow]]:
        """A connection class that tells this pool how connecting went; psycopg_pool keeps that to its log."""
        owner = self

        class Watched(Connection[TupleRow]):
            @classmethod
            def connect(cls, *args: Any, **kwargs: Any) -> Self:
                owner._refused = True
                made = super().connect(*args, **kwargs)
                owner._refused = False
                return made

        return Watched

    def _configure(self, connection: Connection[TupleRow]) -> None:
        info = connection.info
        self.database = f"{info.host}:{info.port}/{info.dbname}"
        connection.autocommit = True
        connection.prepare_threshold = None if self.transaction_pooling else 5
        # Each tile statement of a layer, grid and column set is one; the default of 100 would evict them in turn.
        connection.prepared_max = 400
        if not self.transaction_pooling:
            connection.execute("SET default_transaction_read_only = on")
            connection.execute(self._set_config(connection, local=False))

    def _set_config(self, connection: Connection[TupleRow], *, local: bool) -> sql.Composed:
        values = self._session | (_SINCE_14 if connection.info.server_version >= 140_000 else {})
        calls = [
            sql.SQL("pg_catalog.set_config({}, {}, {})").format(sql.Literal(name), sql.Literal(value), sql.Literal(local))
            for name, value in values.items()
        ]
        return sql.SQL("SELECT {}").format(sql.SQL(", ").join(calls))

    @contextmanager
    def borrowed(self, what: str) -> Iterator[Connection[TupleRow]]:
        """A connection in autocommit, errors translated; for `read_only` and for Flagstone's own catalog queries."""
        with translated(what):
            pool = self.open()
            try:
                connection = pool.getconn()
            except PoolTimeout as error:
                if self._refused:
                    raise OperationalError("no connection could be made") from error
                raise
            try:
                yield connection
            finally:
                pool.putconn(connection)

    @contextmanager
    def transaction(self, connection: Connection[TupleRow]) -> Iterator[None]:
        """`BEGIN READ ONLY`, the settings, and always `ROLLBACK`: nothing that the block ran can outlive it."""
        connection.execute("BEGIN READ ONLY")
        try:
            connection.execute(self._set_config(connection, local=True))
            yield
        finally:
            if not connection.closed:
                connection.execute("ROLLBACK")


@contextmanager
def read_only(pool: Pool, identity: Identity, what: str, *, runs_code: bool = False) -> Iterator[Cursor[TupleRow]]:
    """The one way for a request to read: a cursor with binary results that acts as the identity.

    Autocommit serves Flagstone's own statements on relations as the login itself. Everything else takes a
    transaction: in autocommit a function can switch read-only off for the next request on its connection.
    """
    with pool.borrowed(what) as connection:
        if runs_code or pool.transaction_pooling or not identity.is_plain:
            with pool.transaction(connection):
                if identity.role is not None:
                    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(identity.role)))
                yield connection.cursor(binary=True)
        else:
            yield connection.cursor(binary=True)


def conninfo(settings: Settings) -> str:
    """What libpq gets: the settings' own values, and a name and a time limit where they give none."""
    given = settings.conninfo
    text = given.pop("conninfo", "")
    try:
        named = {**conninfo_to_dict(text), **given}
    except ProgrammingError:
        # Without its text and cause: libpq quotes what it could not read, and that may be a password.
        raise ConfigurationError("DATABASE_URL is neither a PostgreSQL URL nor a conninfo.") from None
    if not re.fullmatch(r"[\d,]*", str(named.get("port", ""))):
        raise ConfigurationError("DATABASE_URL: the port is not a number.")
    defaults: dict[str, str | int] = {"application_name": "flagstone", "connect_timeout": 5}
    return make_conninfo(text, **given, **{name: value for name, value in defaults.items() if name not in named})
