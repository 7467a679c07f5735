"""Ctrl-C ends what several threads do in the database, whatever they are at."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app.cli.stoppable import Stoppable


def test_a_statement_that_begins_after_the_first_cancel_is_ended_too(database: str) -> None:
    work, pausing, goes_on = Stoppable(), threading.Event(), threading.Event()

    def two_statements() -> None:
        with psycopg.connect(database) as connection, work.working(connection):
            connection.execute("SELECT 1")
            pausing.set()
            goes_on.wait()
            connection.execute("SELECT pg_sleep(60)")

    with ThreadPoolExecutor(max_workers=1) as executor:
        running, waiting = executor.submit(two_statements), executor.submit(two_statements)
        pausing.wait(timeout=10)
        threading.Timer(0.2, goes_on.set).start()
        begun = time.monotonic()
        work.end([running, waiting])
        assert time.monotonic() - begun < 30
        assert work.is_stopped
        with pytest.raises(psycopg.errors.QueryCanceled):
            running.result()
        assert waiting.cancelled()


def test_what_has_ended_is_not_waited_for(database: str) -> None:
    work = Stoppable()
    with ThreadPoolExecutor(max_workers=1) as executor:
        done = executor.submit(int)
        done.result()
        work.end([done])
    assert work.is_stopped
