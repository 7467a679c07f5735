"""What overviews cost: the commands that a person types, timed and watched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import Connection, sql

from scripts.lib import CHECKOUT, child

from .tables import SCHEMA

CHANGED_ROWS, _CHANGED_SHARE = 1_000, 100
"""So many rows are moved for a refresh, but no more than every hundredth: beyond that it is a build."""
_EVERY_S = 0.2
_PIECES = "pieces"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one layer: seconds of the build and of a refresh, and bytes."""

    layer: str
    rows: int
    build_s: float
    memory_bytes: int | None
    """Most memory of their own (not shared) that the database's processes had together; None where it may not be seen."""
    refresh_s: float
    """Mean of two, as one waits for the command; in `start_s` of it Python starts and reads its modules."""
    start_s: float
    changed_rows: int
    table_bytes: int
    bands_bytes: int
    pieces_bytes: int
    replaced_bytes: int
    """Of the rows that the pieces stand for."""
    planned_bytes: int
    """What `plan` said before that bands and pieces would take."""
    planned_s: float


class Commands:
    """`flask overviews …` as another process, in an empty folder: no .env has a part in it."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self._dsn, self._folder = dsn, folder
        self._variables = {
            **os.environ,
            "PYTHONPATH": str(CHECKOUT),
            "DATABASE_URL": dsn,
            "FLAGSTONE_ADMIN_DATABASE_URL": dsn,
        }

    def said(self, *arguments: str) -> str:
        """What a command prints. Raises RuntimeError with its last words where it fails."""
        ended = self._run(arguments)
        if ended.returncode != 0:
            raise RuntimeError(
                f"flask overviews {' '.join(arguments)} failed: {ended.stderr.strip()[-2000:]}"
            )
        return ended.stdout

    def timed(self, *arguments: str) -> float:
        """Seconds, the start of Python included."""
        began = time.perf_counter()
        self.said(*arguments)
        return time.perf_counter() - began

    def watched(self, *arguments: str) -> tuple[float, int | None]:
        """Seconds, and the most memory of the database's processes meanwhile."""
        log = self._folder / "overviews.log"
        began, most = time.perf_counter(), 0
        with psycopg.connect(self._dsn, autocommit=True) as connection, log.open("wb") as output:
            process = child.start(
                self._command(arguments), cwd=self._folder, env=self._variables, output=output
            )
            try:
                while process.poll() is None:
                    most = max(most, _memory(connection))
                    time.sleep(_EVERY_S)
                took = time.perf_counter() - began
            finally:
                child.end(process)
        if process.returncode != 0:
            raise RuntimeError(f"flask overviews {' '.join(arguments)} failed: {log.read_text()[-2000:]}")
        return took, most or None

    def _run(self, arguments: tuple[str, ...] | list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(arguments), cwd=self._folder, env=self._variables, capture_output=True, text=True
        )

    def _command(self, arguments: tuple[str, ...] | list[str]) -> list[str]:
        return [sys.executable, "-m", "flask", "--app", "wsgi", "overviews", *arguments]


def _memory(connection: Connection[Any]) -> int:
    rows = connection.execute(
        "SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()"
    ).fetchall()
    found = 0
    for (pid,) in rows:
        with suppress(psutil.Error):  # ended meanwhile, on another machine, or another account's
            found += psutil.Process(pid).memory_full_info().uss
    return found


def build(commands: Commands, dsn: str, table: str, done: Callable[[], None]) -> Cost | None:
    """Drop the overview that is there, build it again, and look at it; None where none is needed. `done` is told after each step."""
    layer = f"{SCHEMA}.{table}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        if connection.execute(
            "SELECT pg_catalog.to_regclass('flagstone.overview') IS NOT NULL"
        ).fetchone() == (True,):
            commands.said("drop", layer)
        (plan,) = json.loads(commands.said("plan", "--format", "json", layer))
        if not plan["is_needed"]:
            return None
        took, memory = commands.watched("build", layer)
        done()
        relation = sql.Identifier(SCHEMA, table)
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(relation)).fetchone()
        count = int(row[0]) if row else 0
        changed = max(1, min(CHANGED_ROWS, count // _CHANGED_SHARE))
        refreshed = _refresh(commands, connection, table, changed)
        done()
        planned = int(plan["bands_bytes"]) + int(plan["pieces_bytes"])
        return Cost(
            layer,
            count,
            took,
            memory,
            refreshed,
            commands.timed("refresh", "--help"),
            changed,
            *_bytes(connection, table),
            planned,
            float(plan["seconds"]),
        )


def _refresh(commands: Commands, connection: Connection[Any], table: str, count: int) -> float:
    """Seconds for so many rows that moved, and for the same rows moved back."""
    relation = sql.Identifier(SCHEMA, table)
    places = {"relation": relation, "count": sql.Literal(count)}
    connection.execute(sql.SQL(
        "CREATE TEMPORARY TABLE moved AS SELECT id, geom FROM {relation}"
        " ORDER BY pg_catalog.md5(id::text) LIMIT {count}"
    ).format(**places))  # fmt: skip
    try:
        connection.execute(sql.SQL(
            "UPDATE {relation} AS there SET geom = ST_Translate(moved.geom, 0.0005, 0) FROM moved WHERE there.id = moved.id"
        ).format(**places))  # fmt: skip
        away = commands.timed("refresh", f"{SCHEMA}.{table}")
    finally:
        connection.execute(sql.SQL(
            "UPDATE {relation} AS there SET geom = moved.geom FROM moved WHERE there.id = moved.id"
        ).format(**places))  # fmt: skip
        connection.execute("DROP TABLE moved")
    back = commands.timed("refresh", f"{SCHEMA}.{table}")
    return (away + back) / 2


def _bytes(connection: Connection[Any], table: str) -> tuple[int, int, int, int]:
    """Bytes with indexes and TOAST: of the table, of the bands, of the pieces; and of the rows that these stand for."""
    relation = sql.Identifier(SCHEMA, table)
    named = connection.execute(
        "SELECT kind, band.table_name, pg_catalog.pg_total_relation_size(band.relation) FROM flagstone.overview_band AS band"
        " JOIN flagstone.overview ON overview.id = band.overview WHERE schema_name = %s AND overview.table_name = %s",
        [SCHEMA, table],
    ).fetchall()
    row = connection.execute(
        "SELECT pg_catalog.pg_total_relation_size(%s::regclass)", [relation.as_string()]
    ).fetchone()
    replaced = 0
    for kind, name, _ in named:
        if kind == _PIECES:
            found = connection.execute(
                sql.SQL("SELECT COALESCE(sum(pg_catalog.pg_column_size(geom)), 0) FROM {} WHERE id IN (SELECT id FROM flagstone.{})")
                .format(relation, sql.Identifier(name))
            ).fetchone()  # fmt: skip
            replaced += int(found[0]) if found else 0
    pieces = sum(size for kind, _, size in named if kind == _PIECES)
    return int(row[0]) if row else 0, sum(size for _, _, size in named) - pieces, pieces, replaced
