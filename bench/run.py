"""`python -m bench.run`: measures the parts in turn and prints the figures. scripts/bench prepares what it needs."""

from __future__ import annotations

import json
import os
import shlex
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.lib import child

from . import against, composites, memory, options, parameters, report, start, throughput, tile_times
from .stand import Stand


def main(arguments: list[str]) -> int:
    given = options.read(arguments)
    dsn = os.environ.get("TEST_DATABASE_URL")
    if not dsn:
        print("TEST_DATABASE_URL must name a PostgreSQL; scripts/bench starts one.", file=sys.stderr)
        return 2
    forget_settings()
    child.raise_when_stopped()
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    results = report.Results(command=shlex.join(["scripts/bench", *arguments]))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        # Progress goes beside the figures, so that these can be kept in a file.
        with Stand(dsn) as stand, Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            for part in given.parts:
                _PARTS[part](stand, given, results, progress)
            if given.against is not None:
                _against(stand, given.against, given, results, progress)
    except child.Stopped as stopped:
        return stopped.exit_code
    report.show(results, console)
    if given.json is not None:
        given.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    return 0


def forget_settings() -> None:
    """A developer's own settings must not change what is measured."""
    ours = ("FLAGSTONE_", "CACHE_", "POSTGRES_", "TIMVT_", "DB_")
    for name in list(os.environ):
        if name.startswith(ours) or name in ("DATABASE_URL", "PORT", "WEB_CONCURRENCY", "GUNICORN_CMD_ARGS"):
            del os.environ[name]


def _tiles(stand: Stand, given: options.Options, results: report.Results, progress: Progress) -> None:
    task = progress.add_task("Loading the sample, starting servers", total=given.tiles)
    with tile_times.TileStand(stand) as ready:
        drawn = ready.drawn(given.tiles, given.seed)
        progress.update(task, description="Tiles, each in every way", total=len(drawn))
        for figures in tile_times.measure(ready, drawn, given.repeats):
            results.tiles.append(figures)
            progress.advance(task)
        results.left_out += [f"{name}: not installed" for name in (tile_times.REDIS, tile_times.NGINX) if name not in ready.lines]


def _against(stand: Stand, revision: str, given: options.Options, results: report.Results, progress: Progress) -> None:
    task = progress.add_task("Loading the sample, starting servers", total=given.tiles)
    with tile_times.TileStand(stand) as ready:
        drawn = ready.drawn(given.tiles, given.seed)
    progress.update(task, description=f"Tiles now and at {revision}", total=len(drawn))
    for figures in against.measure(stand, revision, drawn, given.repeats):
        results.against.append(figures)
        progress.advance(task)


def _parameters(stand: Stand, given: options.Options, results: report.Results, progress: Progress) -> None:
    task = progress.add_task("Tiles with parameters", total=parameters.count())
    for figures in parameters.measure(stand, given.repeats):
        results.parameters.append(figures)
        progress.advance(task)


def _composites(stand: Stand, given: options.Options, results: report.Results, progress: Progress) -> None:
    task = progress.add_task("Composites of four layers", total=composites.count())
    for figures in composites.measure(stand, given.repeats):
        results.composites.append(figures)
        progress.advance(task)


def _throughput(stand: Stand, given: options.Options, results: report.Results, progress: Progress) -> None:
    task = progress.add_task("Requests per second", total=throughput.count(given.rounds))
    results.throughput = throughput.measure(stand, given.rounds, given.seconds, lambda: progress.advance(task))
    if results.throughput is None:
        results.left_out.append("requests per second: wrk is not installed")


def _memory(stand: Stand, given: options.Options, results: report.Results, progress: Progress) -> None:
    task = progress.add_task("Memory of a worker", total=2 * given.many_tiles)
    for count in (50, given.many_tables):
        dsn = stand.with_tables(count)
        found = memory.measure(stand, dsn, count, given.many_tiles, lambda tiles: progress.advance(task, tiles))
        results.memory.append(found)


def _start(stand: Stand, given: options.Options, results: report.Results, progress: Progress) -> None:
    task = progress.add_task("Start of gunicorn", total=given.starts)
    results.start_tables = given.many_tables
    for took in start.seconds(stand, stand.with_tables(given.many_tables), given.many_tables, given.starts):
        results.starts.append(took)
        progress.advance(task)


_PARTS = {"tiles": _tiles, "parameters": _parameters, "composites": _composites, "throughput": _throughput, "memory": _memory, "start": _start}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
