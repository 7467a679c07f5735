"""The connection that may change schema `flagstone`, as commands use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from ...settings import Settings
from .. import own_schema
from ..conninfo import conninfo
from .build_faults import explained
from .cursor import EscapedCursor

_SESSION = (
    # What would make rows differ from those of a tile, and what a build of many rows needs.
    "SET search_path = pg_catalog; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601';"
    " SET extra_float_digits = 1; SET jit = off; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;"
    # A build as somebody whom a policy hides rows from would lack them without a word.
    " SET row_security = off"
)
_VERSION_14 = 140_000
Admin = Connection[Any]
"""A connection that may change schema `flagstone`."""
Report = Callable[[str, int, int], None]
"""What is being done, and how many steps of how many are over."""


def silent(what: str, done: int, steps: int) -> None:
    """Nobody watches."""


@contextmanager
def administering(settings: Settings) -> Iterator[Connection[Any]]:
    """A connection that may change schema `flagstone`: the admin login's, else the serving login's own."""
    admin = settings.admin_database_url
    own = (conninfo(settings), "DATABASE_URL")
    text, variable = own if admin is None else (admin.get_secret_value(), "FLAGSTONE_ADMIN_DATABASE_URL")
    with own_schema.connection(text, variable) as connection:
        connection.autocommit = True
        connection.cursor_factory = EscapedCursor
        with explained("the connection"):
            connection.execute(_SESSION)
            memory = f"{settings.overview_memory_mb}MB"
            for name in ("work_mem", "maintenance_work_mem"):
                connection.execute("SELECT set_config(%s, %s, false)", [name, memory])
            if connection.info.server_version >= _VERSION_14:
                # A statement whose client is gone ends, and does not go on to its end. Each row comes once: to remember what was
                # made of each took half of the time.
                connection.execute("SET client_connection_check_interval = '1s'; SET enable_memoize = off")
        yield connection
