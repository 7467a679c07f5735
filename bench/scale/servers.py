"""The three servers that are compared, over one database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.servers.gunicorn import Gunicorn
from tests.servers.postgres import url

from ..stand import Stand
from .plain_app import MOST_SECONDS
from .tables import SCHEMA
from .times import PLAIN, WITH, WITHOUT

_SETTINGS = {
    "CACHE_TYPE": "NullCache", "WEB_CONCURRENCY": "1", "FLAGSTONE_CATALOG_INTERVAL_S": "0",
    "FLAGSTONE_STATEMENT_TIMEOUT_MS": str(MOST_SECONDS * 1000),
}  # fmt: skip


def start(stand: Stand, dsn: str, stranger: str) -> dict[str, Gunicorn]:
    """The servers by the names of `times`. `stranger` is the URL of a login that may not know of overviews."""
    return {
        PLAIN: stand.gunicorn(dsn, "bench.scale.plain_app:app", **_SETTINGS),
        WITHOUT: stand.gunicorn(stranger, **_SETTINGS),
        WITH: stand.gunicorn(dsn, **_SETTINGS),
    }


@contextmanager
def stranger(dsn: str) -> Iterator[str]:
    """The URL of a login that reads the layers and nothing in schema `flagstone`: for it there are no overviews."""
    role, password = sql.Identifier(f"flagstone_bench_{secrets.token_hex(4)}"), secrets.token_hex(8)
    schema = sql.Identifier(SCHEMA)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
        try:
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
            connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, role))
            yield url(dsn, user=role.as_string().strip('"'), password=password)
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))
