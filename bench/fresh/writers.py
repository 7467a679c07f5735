"""What the log costs those who write: many clients that update single rows, and COPY of many rows."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from scripts.lib import packages, postgres

from ..report import Goal
from ..stand import Stand
from . import city
from .report import Part
from .servers import follow

CLIENTS = 16
PLAIN, LOG, NOTIFY = "plain", "with the log", "with the log and a NOTIFY"
_TABLES = {PLAIN: "plain", LOG: "logged", NOTIFY: "notifying"}
_LEAST, _MOST = 0.6, 1.15
_TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_BLOCK = 1 << 18


def measure(
    stand: Stand, rounds: int, seconds: int, copied: int, copies: int, tick: Callable[[], object]
) -> Part:
    """In turns, so that what disturbs one disturbs all. Flagstone itself does not run."""
    dsn = stand.fresh()
    rows = city.make(dsn)
    _tables(dsn)
    part = Part(
        f"Writers: {CLIENTS} clients, single rows; COPY of {copied:,} rows into a table with key and GiST index"
    )
    program = _pgbench()
    if program is None:
        part.lines.append(("clients", "left out: pgbench is not installed"))
    else:
        _updates(part, program, dsn, rows, stand.directory(), rounds, seconds, tick)
    _copies(part, dsn, copied, copies, stand.directory(), tick)
    return part


def _pgbench() -> str | None:
    found = packages.which("pgbench")
    if found is None and (programs := postgres.programs()) is not None and (programs / "pgbench").exists():
        return str(programs / "pgbench")
    return found


def _tables(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in _TABLES.values():
            table = sql.Identifier("public", name)
            connection.execute(sql.SQL("CREATE TABLE {} (LIKE public.building INCLUDING ALL)").format(table))
            connection.execute(sql.SQL("INSERT INTO {} SELECT * FROM public.building").format(table))
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(table))
        connection.execute(
            "CREATE FUNCTION public.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('bench', ''); RETURN NULL; END $$"
        )
        connection.execute(
            "CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON public.notifying FOR EACH STATEMENT EXECUTE FUNCTION public.tell()"
        )
    follow(dsn, f"public.{_TABLES[LOG]}", f"public.{_TABLES[NOTIFY]}")


def _updates(
    part: Part,
    program: str,
    dsn: str,
    rows: int,
    folder: Path,
    rounds: int,
    seconds: int,
    tick: Callable[[], object],
) -> None:
    found: dict[str, list[float]] = {name: [] for name in _TABLES}
    for table in _TABLES.values():
        (folder / f"{table}.sql").write_text(
            f"\\set id random(0, {rows - 1})\nUPDATE public.{table} SET counter = counter + 1 WHERE id = :id;\n"
        )
    for number in range(rounds):
        names = list(_TABLES)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            command = [
                program,
                "-n",
                "-M",
                "prepared",
                f"-c{CLIENTS}",
                "-j2",
                f"-T{seconds}",
                f"-f{folder / _TABLES[name]}.sql",
                dsn,
            ]
            said = subprocess.run(command, capture_output=True, text=True, check=False)
            rate = _TPS.search(said.stdout)
            if said.returncode != 0 or rate is None:
                raise RuntimeError(f"pgbench: {said.stdout[-500:]} {said.stderr[-1000:]}")
            found[name].append(float(rate[1]))
        tick()
    for name, rates in found.items():
        ratio = statistics.median(ours / plain for ours, plain in zip(rates, found[PLAIN], strict=True))
        part.lines.append(
            (f"commits per second, {name}", f"{statistics.median(rates):,.0f}, {ratio:.2f} of plain")
        )
        if name == LOG:
            part.goals.append(
                Goal(
                    f"{CLIENTS} clients keep at least {_LEAST} of their commits",
                    f"{ratio:.2f}",
                    ratio >= _LEAST,
                )
            )
    part.figures["commits_per_second"] = found


def _copies(part: Part, dsn: str, count: int, rounds: int, folder: Path, tick: Callable[[], object]) -> None:
    file = folder / "rows"
    found: dict[str, list[float]] = {PLAIN: [], LOG: []}
    with psycopg.connect(dsn, autocommit=True) as connection:
        statement = (
            "COPY (SELECT i::int, 0::int, ST_MakeEnvelope(x, y, x + 0.0002, y + 0.0001, 4326)"
            " FROM generate_series(1::bigint, {}) AS i, LATERAL (SELECT 6 + (i * 7919 % 100003) / 25000.0 AS x, 46 + (i * 104729 % 99991) / 50000.0 AS y) AS at)"
            " TO STDOUT (FORMAT binary)"
        )  # fmt: skip
        with file.open("wb") as output, connection.cursor().copy(sql.SQL(statement).format(count)) as rows:
            for block in rows:
                output.write(block)
        # The first one of each is not counted: files grow, and pages are seen for the first time.
        for number in range(rounds + 1):
            for name in (PLAIN, LOG) if number % 2 == 0 else (LOG, PLAIN):
                table = sql.Identifier("public", _TABLES[name])
                connection.execute(sql.SQL("TRUNCATE {}").format(table))
                # What others left to be written out is not this one's cost.
                connection.execute("CHECKPOINT")
                began = time.perf_counter()
                with connection.cursor().copy(
                    sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(table)
                ) as rows:
                    for block in _blocks(file):
                        rows.write(block)
                if number:
                    found[name].append(time.perf_counter() - began)
                tick()
    ratio = statistics.median(ours / plain for ours, plain in zip(found[LOG], found[PLAIN], strict=True))
    part.lines += [(f"COPY, {name}", f"{statistics.median(times):.2f} s") for name, times in found.items()]
    part.goals.append(
        Goal(
            f"COPY of {count:,} rows takes at most {_MOST - 1:.0%} more", f"{ratio - 1:+.1%}", ratio <= _MOST
        )
    )
    part.figures["copy_s"] = found


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            yield block
