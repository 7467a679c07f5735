"""`python -m bench.scale`: loads, builds, measures and prints. scripts/bench --scale prepares what it needs."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.lib import child, progress

from ..line import Line
from ..run import forget_settings
from ..stand import Stand
from . import loading, markdown, options, overviews, pictures, plots, report, servers, tiles, times
from .plain_app import MOST_SECONDS
from .sources import fetched
from .tables import SCHEMA, Data

_PATIENCE_S = MOST_SECONDS + 30.0


def main(arguments: list[str]) -> int:
    given = options.read(arguments)
    server = given.database or os.environ.get("TEST_DATABASE_URL")
    if not server:
        print("TEST_DATABASE_URL must name a PostgreSQL; scripts/bench starts one.", file=sys.stderr)
        return 2
    forget_settings()
    child.raise_when_stopped()
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    results = report.Results(command=shlex.join(["scripts/bench", *arguments]))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    code = 0
    try:
        # Progress goes beside the figures, so that these can be kept in a file.
        with Stand(server) as stand, Progress(*columns, console=Console(stderr=True)) as bars:
            _measure(stand, given, results, bars)
    except child.Stopped as stopped:
        code = stopped.exit_code  # half an hour's figures are not thrown away
    except progress.Failed as failure:
        print(f"\n{failure}", file=sys.stderr)
        code = 1
        if not results.figures:
            return code
    report.show(results, console)
    if given.json is not None:
        given.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    return code


def _measure(stand: Stand, given: options.Options, results: report.Results, bars: Progress) -> None:
    dsn = given.database or stand.fresh()
    tables = [
        table
        for table in Data(fetched(), building_count=given.buildings).tables()
        if table.name in given.layers
    ]
    results.rows = loading.load(dsn, tables, bars)
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT 'PostgreSQL ' || current_setting('server_version') || ', PostGIS ' || postgis_lib_version()"
        ).fetchone()
        results.server = str(row[0]) if row else ""
    commands = overviews.Commands(dsn, stand.directory())
    task = bars.add_task("Building overviews", total=2 * len(tables))
    for table in tables:
        cost = overviews.build(commands, dsn, table.name, lambda: bars.advance(task))
        results.costs += [cost] if cost else []
    drawn = tiles.of_layers(dsn, given.layers, given.tiles, given.seed)
    task = bars.add_task("Tiles, from each server in turns", total=sum(len(chosen.tiles) for chosen in drawn.values()))
    with ExitStack() as opened:
        running = servers.start(stand, dsn, opened.enter_context(servers.stranger(dsn)))
        lines = {
            name: opened.enter_context(Line(server.port, _PATIENCE_S)) for name, server in running.items()
        }
        for chosen in drawn.values():
            for tile in chosen.tiles:
                found = times.read(lines, tile, given.rounds)
                results.figures.append(replace(found, is_heavy=tile in chosen.heavy))
                bars.advance(task)
        if given.pictures is not None:
            _draw(results, {way: server.url for way, server in running.items()}, given.pictures, bars)


def _draw(results: report.Results, urls: dict[str, str], folder: Path, bars: Progress) -> None:
    task = bars.add_task("Plots and pictures", total=2)
    plotted = plots.draw(results, folder)
    bars.advance(task)
    shown = pictures.draw(urls, [f"{SCHEMA}.{name}" for name in results.rows], folder)
    bars.advance(task)
    text = markdown.page(results, [path.name for path in plotted], [path.name for path in shown])
    (folder / "README.md").write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
