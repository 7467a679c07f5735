"""`python -m bench.fresh`: measures the parts in turn and prints the figures. scripts/bench --fresh prepares what it needs."""

from __future__ import annotations

import json
import os
import shlex
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scripts.lib import child, packages

from ..run import forget_settings
from ..stand import Stand
from . import delay, hits, never_wrong, options, regions, report, writers

_NEEDS_REDIS = ("delay", "never-wrong", "stampede", "hits")


def main(arguments: list[str]) -> int:
    """0, or 3 where an answer was seen that must not be."""
    given = options.read(arguments)
    dsn = os.environ.get("TEST_DATABASE_URL")
    if not dsn:
        print("TEST_DATABASE_URL must name a PostgreSQL; scripts/bench starts one.", file=sys.stderr)
        return 2
    forget_settings()
    child.raise_when_stopped()
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    results = report.Results(command=shlex.join(["scripts/bench", *arguments]))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    code = 0
    try:
        # Progress goes beside the figures, so that these can be kept in a file.
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            for name in given.parts:
                if name in _NEEDS_REDIS and packages.which("redis-server") is None:
                    results.left_out.append(f"{name}: redis-server is not installed")
                    continue
                # One after the other: the servers of one part take no processor from the next.
                with Stand(dsn) as stand:
                    results.parts[name] = _measure(name, stand, given, bars)
    except child.Stopped as stopped:
        code = stopped.exit_code  # what was measured is not thrown away
    report.show(results, console)
    if given.json is not None:
        given.json.write_text(json.dumps(results.as_json(), indent=1) + "\n")
    return code or (3 if results.is_wrong else 0)


def _measure(name: str, stand: Stand, given: options.Options, bars: Progress) -> report.Part:
    task = bars.add_task(name, total=None)

    def tick() -> None:
        bars.advance(task)

    match name:
        case "delay":
            return delay.measure(stand, given.edits, given.seed, tick)
        case "never-wrong":
            return never_wrong.measure(stand, given.minutes * 60, given.seed, tick)
        case "stampede":
            return delay.stampede(stand, tick)
        case "hits":
            return hits.measure(stand, given.rounds, given.seconds, tick)
        case "regions":
            return regions.measure(stand, given.edits, given.seed, tick)
        case _:
            return writers.measure(stand, given.rounds, given.seconds, given.copied_rows, given.copies, tick)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
