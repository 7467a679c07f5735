"""`flask overviews build`: overviews made, several layers side by side as far as asked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import click
from flask.cli import with_appcontext
from rich.progress import Progress, TaskID

from ..backend import Backend
from ..errors import ConfigurationError, FlagstoneError, OverviewError
from ..layers.grid import Grid
from ..layers.overview import named, with_filters
from ..layers.relation import RelationLayer
from ..repository import statistics_samples
from ..repository.overviews import build as repository
from ..repository.overviews import registry, sampling, status, superseded
from ..repository.overviews.administering import Report, administering
from ..repository.overviews.build_faults import explained as database_explained
from ..repository.overviews.plans import Plan
from ..repository.overviews.status import OverviewStatus
from ..repository.overviews.target import target
from ..repository.overviews.weighing import request_of
from .overview_plan import allowance
from .overviews import GRID, LAYERS, bars, chosen_grid, chosen_layers, explained, size, unforeseen
from .session import served
from .stoppable import Stoppable
from .tables import FORMAT


@dataclass(frozen=True)
class _Outcome:
    """What became of one layer: `done` is built, kept, unneeded, impossible or failed."""

    layer: RelationLayer
    done: str
    said: str
    built: OverviewStatus | None = None

    def document(self) -> dict[str, Any]:
        chosen = self.layer.options.overview_filter
        found: dict[str, Any] = {
            "layer": self.layer.id,
            "filter": None if chosen is None else chosen.text,
            "outcome": self.done,
            "said": self.said,
        }
        if self.built is not None:
            found["overview"] = self.built.id
            found["bytes"] = self.built.bytes
            found["tables"] = [each._asdict() for each in self.built.tables]
        return found


@click.command("build")
@LAYERS
@click.option("--all", "every", is_flag=True, help="Every table and view that needs it.")
@GRID
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Layers at a time, each on a connection"
                                                                                       " of its own.")
@click.option("--again", is_flag=True, help="Build also where a whole overview is there that fits.")
@FORMAT
@with_appcontext
def build(layers: tuple[str, ...], every: bool, grid: str | None, jobs: int, again: bool, form: str) -> None:
    """Store ahead what the low zooms of LAYER need. What was interrupted goes on where it ended.

    Runs as FLAGSTONE_ADMIN_DATABASE_URL, else as the login that serves. Tiles go on meanwhile; running servers take the
    overview up by themselves.
    """
    with served() as there, bars() as shown:
        matrix_set = chosen_grid(there, grid)
        chosen = [each for layer in chosen_layers(there, layers, every=every) for each in with_filters(layer)]
        outcomes = _all(there, chosen, matrix_set, jobs, again=again, shown=shown, every=every, live=form == "table")
        interval = there.settings.catalog_interval_s
    if form == "json":
        click.echo(json.dumps([outcome.document() for outcome in outcomes], indent=2, ensure_ascii=False))
    elif any(outcome.done == "built" for outcome in outcomes):
        click.echo(
            f"Running servers serve it after their next look at the catalog,"
            f" within {interval:g} seconds; nothing is to be restarted."
            if interval
            else "FLAGSTONE_CATALOG_INTERVAL_S is 0: running servers serve it once they look at the catalog again,"
                 " at a restart at the latest."
        )
    elif every and not any(outcome.done in ("built", "failed") for outcome in outcomes):
        click.echo("Nothing was to be built.")
    if any(outcome.done == "failed" for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _all(
    there: Backend, chosen: list[RelationLayer], grid: Grid, jobs: int, *, again: bool, shown: Progress, every: bool, live: bool
) -> list[_Outcome]:  # fmt: skip
    outcomes: list[_Outcome] = []
    there.catalog.postgis  # noqa: B018 - asked once, before threads ask
    work = _Work(there, grid, again=again, every=every, shown=shown)
    executor = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="flagstone-overview")
    futures = [executor.submit(work.outcome, layer) for layer in chosen]
    try:
        for future in as_completed(futures):
            outcome = future.result()
            outcomes.append(outcome)
            quiet = every and outcome.done in ("unneeded", "impossible")
            if live and not quiet:
                click.echo(outcome.said, err=outcome.done == "failed")
    except BaseException as error:
        # Ctrl-C: what runs in the database must not go on without anybody.
        work.stoppable.end(futures)
        if isinstance(error, KeyboardInterrupt):
            click.echo("Interrupted; the same command goes on from there.", err=True)
        raise
    finally:
        executor.shutdown(cancel_futures=True)
    return sorted(outcomes, key=lambda outcome: named(outcome.layer))


class _Work:
    """One layer after the other, each thread on connections of its own."""

    def __init__(self, there: Backend, grid: Grid, *, again: bool, every: bool, shown: Progress) -> None:
        self._there = there
        self._grid = grid
        self._again = again
        self._every = every
        self._shown = shown
        self.stoppable = Stoppable()

    def outcome(self, layer: RelationLayer) -> _Outcome:
        """Build one layer; what Flagstone can explain is the outcome."""
        task = self._shown.add_task(f"{named(layer)}: sample", total=None)
        try:
            with database_explained(f"The overview of {layer.id}", layer):
                return self._outcome(
                    layer, lambda what, done, steps: self._reported(task, f"{named(layer)}: {what}", done, steps)
                )
        except ConfigurationError as error:
            return _Outcome(layer, "impossible" if self._every else "failed", str(error))
        except FlagstoneError as error:
            return _Outcome(layer, "failed", explained(error, self._there.settings))
        except Exception as error:  # one layer does not end the builds of the others
            return _Outcome(layer, "failed", unforeseen(f"The overview of {named(layer)}", error))
        finally:
            self._shown.remove_task(task)

    def _reported(self, task: TaskID, what: str, done: int, steps: int) -> None:
        if self.stoppable.is_stopped:
            raise OverviewError("The build was interrupted; the same command goes on from there.")
        self._shown.update(task, description=what, completed=done, total=steps)

    def _outcome(self, layer: RelationLayer, report: Report) -> _Outcome:
        settings, catalog = self._there.settings, self._there.catalog.catalog()
        found = target(self._there.pool, layer, self._grid, catalog.postgis)
        with administering(settings) as connection, self.stoppable.working(connection):
            whole = None if self._again else registry.whole(connection, layer, self._grid.key)
            if whole is not None:
                said = f"{named(layer)} has a whole overview in {self._grid.id} that fits it; --again builds it anew."
                if superseded.sweep(connection, found, whole):
                    said += " What another build had left over is removed."
                return _Outcome(layer, "kept", said)
            left = registry.unfinished(connection, layer, self._grid.key, again=self._again)
            if left is not None:
                plan = Plan.parse(left.document["plan"])
            else:
                planned = sampling.plan(connection, found, allowance(request_of(found, settings)))
                if not planned.is_needed:
                    return _Outcome(layer, "unneeded", f"{named(layer)} needs no overview: `flask overviews plan` says why.")
                plan = planned.plan
            number = repository.build(connection, found, plan, catalog.login, report, settings, again=self._again)
            if left is None:
                statistics_samples.keep(connection, found, planned.sample)
            [built] = [each for each in status.read(connection) if each.id == number]
            said = _said(layer, self._grid, built)
            if registry.others(connection, layer, self._grid.key, number):
                said += f" {superseded.LEFT}"
            return _Outcome(layer, "built", said, built)


def _said(layer: RelationLayer, grid: Grid, built: OverviewStatus) -> str:
    bands = [each for each in built.tables if each.kind == "band"]
    zooms = [each.zoom for each in bands if each.zoom is not None]
    parts = [f"zooms {min(zooms)} to {max(zooms)}, {sum(each.rows for each in bands):,} rows"] if zooms else []
    parts += [f"{each.rows:,} pieces for the zooms above" for each in built.tables if each.kind == "pieces"]
    heavy = [each for each in bands if each.measured.get("fits") is False]
    said = f"{named(layer)} has its overview in {grid.id}: {'; '.join(parts)}; {size(built.bytes)} on disk."
    if heavy:
        zooms_said = ", ".join(str(each.zoom) for each in heavy)
        said += (
            f" At zoom {zooms_said} the fullest tile holds more than it may even with the widest cells: there tiles are thinned"
            " when they are asked for."
        )
    return said
