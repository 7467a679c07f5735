"""Ctrl-C says what became of the work, and shows no traceback."""

import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest

from scripts.lib import CHECKOUT


def _heeds_interrupts() -> None:
    """What a shell starts in the background ignores SIGINT, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("changes", "install", "public.town"), "Interrupted: what was done stays, and the same command goes on from there."),
        (("overviews", "plan", "public.town"), "Interrupted: nothing was changed."),
    ],
)
def test_interrupt_while_a_table_is_locked(database: str, arguments: tuple[str, ...], said: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "DATABASE_URL": database}
    command = [sys.executable, "-m", "flask", "--app", f"{CHECKOUT}/wsgi.py", *arguments]
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query NOT LIKE '%ST_EstimatedExtent%'"
    )
    # What goes on is asked in transactions of its own: within one it stays as it was first seen.
    with psycopg.connect(database, autocommit=True) as connection, psycopg.connect(database, autocommit=True) as looking:
        connection.execute("CREATE TABLE town (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO town SELECT i, ST_SetSRID(ST_MakePoint(i, 0), 4326) FROM generate_series(1, 100) i")
        connection.execute("ANALYZE town")
        with connection.transaction():
            connection.execute("LOCK TABLE town IN ACCESS EXCLUSIVE MODE")
            process = subprocess.Popen(
                command, cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                preexec_fn=_heeds_interrupts,
            )  # fmt: skip
            until = time.monotonic() + 30
            while time.monotonic() < until and looking.execute(waiting).fetchone() == (0,):
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said in output
    assert "Traceback" not in output
