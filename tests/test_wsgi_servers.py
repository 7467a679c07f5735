"""The application under another server than gunicorn, which opens nothing before the first request."""

from __future__ import annotations

import subprocess
import sys

from scripts.lib import CHECKOUT

_PROGRAM = """
import time, psycopg
from wsgi import app
client = app.test_client()
assert client.get("/tables.json").get_json() == []
with psycopg.connect({dsn!r}, autocommit=True) as connection:
    connection.execute("CREATE TABLE later (id int PRIMARY KEY, geom geometry(Point, 4326))")
end = time.monotonic() + 20
while not client.get("/tables.json").get_json():
    assert time.monotonic() < end, "the catalog was not read again"
    time.sleep(0.1)
app.extensions["flagstone"].close()
"""


def test_the_catalog_is_read_again_at_intervals(database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(dsn=database)], cwd=CHECKOUT, capture_output=True, text=True, timeout=60,
        env={"DATABASE_URL": database, "FLAGSTONE_CATALOG_INTERVAL_S": "0.3", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
