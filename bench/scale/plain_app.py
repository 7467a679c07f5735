"""The yardstick over HTTP: a Flask view that runs the plain query, under the same gunicorn as Flagstone.

`gunicorn -c python:app.gunicorn_conf bench.scale.plain_app:app`, with DATABASE_URL. Compressed as Flagstone compresses.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, Response
from isal import isal_zlib
from psycopg import Connection, sql
from psycopg.errors import QueryCanceled
from psycopg_pool import ConnectionPool

from .tables import SCHEMA

MOST_SECONDS = 60
"""After so long a plain tile is given up: the answer is 504."""
_TEXT = (Path(__file__).parent / "plain.sql").read_text()
_GZIP = 31  # wbits of zlib for gzip's framing


class Plain:
    """What `app.gunicorn_conf` opens in each worker: a pool, and the statement of each layer."""

    def __init__(self, dsn: str) -> None:
        self._pool = ConnectionPool(dsn, min_size=1, max_size=8, open=False, configure=_configure)
        self._texts: dict[str, bytes] = {}

    def open(self) -> None:
        """Connect, and look at the columns of each table."""
        self._pool.open(wait=True)
        with self._pool.connection() as connection:
            self._texts = dict(_statements(connection))

    def close(self) -> None:
        self._pool.close()

    def read(self, layer: str, z: int, x: int, y: int) -> bytes:
        """The encoded tile. KeyError for an unknown layer, QueryCanceled after MOST_SECONDS."""
        with self._pool.connection() as connection:
            cursor = connection.execute(
                self._texts[layer], {"z": z, "x": x, "y": y}, prepare=True, binary=True
            )
            row = cursor.fetchone()
        return bytes(row[0] or b"") if row else b""


def _configure(connection: Connection[Any]) -> None:
    connection.autocommit = True
    connection.execute(f"SET jit = off; SET statement_timeout = {MOST_SECONDS * 1000}")


def _statements(connection: Connection[Any]) -> list[tuple[str, bytes]]:
    rows = connection.execute(
        "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) FROM information_schema.columns"
        " WHERE table_schema = %s AND column_name <> 'geom' GROUP BY table_name", [SCHEMA]
    ).fetchall()  # fmt: skip
    made = []
    for table, columns in rows:
        text = sql.SQL(_TEXT).format(
            name=sql.Literal(f"{SCHEMA}.{table}"),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            relation=sql.Identifier(SCHEMA, table),
        )
        made.append((f"{SCHEMA}.{table}", text.as_bytes(connection)))
    return made


plain = Plain(os.environ.get("DATABASE_URL", ""))
app = Flask(__name__)
app.extensions["flagstone"] = plain


@app.get("/tiles/<layer>/<int:z>/<int:x>/<int:y>")
def tile(layer: str, z: int, x: int, y: int) -> Response:
    """A tile, or 204 where it is empty."""
    try:
        raw = plain.read(layer, z, x, y)
    except QueryCanceled:
        return Response(status=504)
    if not raw:
        return Response(status=204)
    answer = Response(isal_zlib.compress(raw, 1, wbits=_GZIP), mimetype="application/vnd.mapbox-vector-tile")
    answer.headers["Content-Encoding"] = "gzip"
    return answer
