"""The server whose databases the tests use: a private one, or that of TEST_DATABASE_URL."""

import itertools
import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

_PREFIX = "flagstone_test"
_LOCKS = 0x666C6167  # "flag": first half of the advisory lock by which a run shows that it lives


def url(dsn: str, **changes: str | int | None) -> str:
    """`dsn` with some of libpq's keywords changed, as a URL."""
    parts = {name: str(value) for name, value in {**conninfo_to_dict(dsn), **changes}.items() if value is not None}
    user, password, database = (quote(parts.pop(name, ""), safe="") for name in ("user", "password", "dbname"))
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    return f"postgresql://{login}/{database}?{urlencode(parts, quote_via=quote)}"


def _name(dsn: str) -> str:
    return str(conninfo_to_dict(dsn)["dbname"])


class DatabaseServer:
    """Makes databases and roles under names of its own and removes them, also those of a run that was killed.

    A run holds an advisory lock on its number as long as it lives; a database whose number nobody has locked is
    left over. Databases and roles of people, and of other runs on the same server, are never touched.
    """

    def __init__(self, dsn: str) -> None:
        self.dsn = url(dsn)
        self._number = secrets.randbits(31)
        self._count = itertools.count(1)
        self._keeper = psycopg.connect(dsn, autocommit=True)
        self._keeper.execute("SELECT pg_advisory_lock(%s, %s)", [_LOCKS, self._number])
        self._sweep()
        self._unwanted = queue.SimpleQueue[str | None]()
        self._gone = threading.Condition()
        self._left = 0
        self._dropper = threading.Thread(target=self._drop_unwanted, name="dropped databases", daemon=True)
        self._dropper.start()

    def close(self) -> None:
        self._unwanted.put(None)
        self._dropper.join()
        self._drop_all(self._number)
        self._keeper.close()

    def create(self, template: str | None = None) -> str:
        """A new database, a copy of the database `template` names; gives its URL."""
        name = f"{_PREFIX}_{self._number}_{next(self._count)}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            source = sql.Identifier(_name(template))
            statement += sql.SQL(" TEMPLATE {}").format(source)
            if self._keeper.info.server_version >= 150000:
                # Copying files needs a checkpoint, which is free without fsync, and no log of each page.
                statement += sql.SQL(" STRATEGY file_copy")
        self._keeper.execute(statement)
        return url(self.dsn, dbname=name)

    def drop(self, dsn: str) -> None:
        """Remove a database, and whoever is still connected to it; in the background, for PostgreSQL waits a tenth of a second
        where somebody is."""
        with self._gone:
            self._left += 1
        self._unwanted.put(_name(dsn))

    def _drop_unwanted(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while (name := self._unwanted.get()) is not None:
                _drop(connection, name)
                with self._gone:
                    self._left -= 1
                    self._gone.notify_all()

    def _until_dropped(self) -> None:
        with self._gone:
            if not self._gone.wait_for(lambda: self._left == 0, timeout=60):
                raise RuntimeError("Databases that tests are done with are not dropped: see the thread's error above.")

    @contextmanager
    def role(self, dsn: str, name: str, attributes: str) -> Iterator[str]:
        """A login for the database `dsn`, under exactly this name; gives the database's URL for it."""
        role = sql.Identifier(name)
        mark = f"{_PREFIX} {self._number}"
        existing = self._keeper.execute(
            "SELECT COALESCE(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = %s", [name]
        ).fetchone()
        if existing is not None:
            if not existing[0].startswith(f"{_PREFIX} "):
                raise RuntimeError(f"The server has a role {name} already; the tests leave it alone.")
            self._keeper.execute(sql.SQL("DROP ROLE {}").format(role))
        password = secrets.token_hex(8)
        self._keeper.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {}").format(role, password, sql.SQL(attributes))
        )
        self._keeper.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(role, mark))
        try:
            yield url(dsn, user=name, password=password)
        finally:
            # A test that asked for the login before its database loses the database first.
            self._until_dropped()
            if self._keeper.execute("SELECT FROM pg_database WHERE datname = %s", [_name(dsn)]).fetchone() is not None:
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            self._keeper.execute(sql.SQL("DROP ROLE {}").format(role))

    def _sweep(self) -> None:
        # The database part of the name is the owner's number; pg_locks shows the locks of all databases.
        left_over = self._keeper.execute(
            "SELECT DISTINCT number FROM (SELECT split_part(datname, '_', 3)::bigint AS number FROM pg_database"
            " WHERE datname ~ %s) AS made WHERE NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory'"
            " AND classid::bigint = %s AND objid::bigint = number)",
            [rf"^{_PREFIX}_\d+_\d+$", _LOCKS],
        ).fetchall()
        for (number,) in left_over:
            self._drop_all(number)

    def _drop_all(self, number: int) -> None:
        names = self._keeper.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{_PREFIX}\\_{number}\\_%"]
        ).fetchall()
        for (name,) in names:
            _drop(self._keeper, name)


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
