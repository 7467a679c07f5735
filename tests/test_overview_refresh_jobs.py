"""`flask overviews refresh --jobs`: several layers at a time, and Ctrl-C in the middle of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg

from app import create_app
from app.settings import Settings
from tests.overview_refreshes import kept
from tests.test_overview_refresh import POINTS, loaded

NAMES = ("one", "two", "three", "four")


def several(database: str) -> str:
    """Four tables alike, each with an overview, and rows that changed since."""
    for name in NAMES:
        loaded(database, POINTS.replace("public.places", f"public.{name}"))
        with kept(database, f"public.{name}", range(3)):
            pass
        loaded(
            database, f"DELETE FROM public.{name} WHERE id % 50 = 0; GRANT SELECT ON public.{name} TO PUBLIC"
        )
    return database


def test_several_layers_at_a_time_are_all_refreshed(database: str) -> None:
    several(database)
    for every, outcome in ((("public.two", "public.one"), "refreshed"), (("--all",), None)):
        done = (
            create_app(Settings.of(DATABASE_URL=database))
            .test_cli_runner()
            .invoke(args=["overviews", "refresh", *every, "--jobs", "3", "--format", "json"])
        )
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        if outcome:
            # As they were asked for.
            assert [each["layer"] for each in found] == ["public.two", "public.one"]
            assert {each["outcome"] for each in found} == {outcome}
        else:
            assert {each["layer"]: each["outcome"] for each in found} == {
                "public.one": "fresh", "public.two": "fresh", "public.three": "refreshed", "public.four": "refreshed",
            }  # fmt: skip


def test_one_that_fails_leaves_the_others_to_be_done(database: str) -> None:
    several(database)
    with psycopg.connect(database) as busy:
        busy.execute("LOCK TABLE flagstone.overview_1_z1 IN SHARE MODE")
        with psycopg.connect(database, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'ALTER DATABASE "{name}" SET lock_timeout = 500'.encode())
        done = (
            create_app(Settings.of(DATABASE_URL=database))
            .test_cli_runner()
            .invoke(args=["overviews", "refresh", "--all", "--jobs", "2", "--format", "json"])
        )
    assert done.exit_code == 1
    found = {each["layer"]: each for each in json.loads(done.stdout)}
    assert found["public.one"]["outcome"] == "failed" and "locked" in found["public.one"]["said"]
    assert {found[f"public.{name}"]["outcome"] for name in NAMES[1:]} == {"refreshed"}


def test_an_interrupt_ends_what_runs_in_the_database_and_loses_nothing(database: str) -> None:
    several(database)
    with ExitStack() as busy:
        holder = busy.enter_context(psycopg.connect(database))
        holder.execute(
            "LOCK TABLE flagstone.overview_1_z2, flagstone.overview_2_z2, flagstone.overview_3_z2, flagstone.overview_4_z2 IN SHARE MODE"
        )
        running = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "overviews", "refresh", "--all", "--jobs", "2"],
            cwd=Path(__file__).parent.parent, env={**os.environ, "DATABASE_URL": database},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        busy.callback(running.kill)
        watcher = busy.enter_context(psycopg.connect(database, autocommit=True))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        _until(lambda: watcher.execute(waiting).fetchone() == (2,))
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=20)
        assert running.returncode != 0
        assert "Traceback" not in said and "Nothing is lost: the next refresh" in said, said
        _until(lambda: watcher.execute(waiting).fetchone() == (0,))
    assert stands_for(database) == {2000}
    done = (
        create_app(Settings.of(DATABASE_URL=database))
        .test_cli_runner()
        .invoke(args=["overviews", "refresh", "--all"])
    )
    assert done.exit_code == 0, done.output
    assert stands_for(database) == {1960}


def stands_for(database: str) -> set[int]:
    """Rows that bands stand for, of all layers and zooms."""
    with psycopg.connect(database, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT table_name FROM flagstone.overview_band WHERE kind = 'band'"
        ).fetchall()
        counts = [
            connection.execute(f"SELECT sum(feature_count)::int FROM flagstone.{name}".encode()).fetchone()
            for (name,) in tables
        ]
    return {count[0] for count in counts if count is not None}


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.05)
