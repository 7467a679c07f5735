"""`flask overviews refresh`: what changed in the tables comes into their overviews."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import click
from flask.cli import with_appcontext
from rich.progress import Progress, TaskID

from ..backend import Backend
from ..errors import FlagstoneError, OverviewError
from ..layers.overview import named, variant, with_filters
from ..layers.relation import RelationLayer
from ..repository.overviews import registry, sampling, status
from ..repository.overviews.administering import Admin, Report, administering
from ..repository.overviews.build import build
from ..repository.overviews.build_faults import explained as database_explained
from ..repository.overviews.plans import Plan
from ..repository.overviews.refresh import Refreshed
from ..repository.overviews.refresh import refresh as refreshed
from ..repository.overviews.status import OverviewStatus
from ..repository.overviews.superseded import LEFT
from ..repository.overviews.target import Target, target
from ..repository.overviews.weighing import request_of
from .overview_plan import allowance
from .overviews import GRID, LAYERS, bars, chosen_grid, chosen_layers, explained, unforeseen
from .session import served
from .stoppable import Stoppable
from .tables import FORMAT


@dataclass(frozen=True)
class _Outcome:
    """What became of one overview: `done` is fresh, refreshed, rebuilt, gone or failed."""

    layer: str
    grid: str
    done: str
    said: str
    refreshed: Refreshed | None = None
    filter: str | None = None

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "layer": self.layer,
            "grid": self.grid,
            "filter": self.filter,
            "outcome": self.done,
            "said": self.said,
        }
        return found | ({} if self.refreshed is None else self.refreshed.document())


@click.command("refresh")
@LAYERS
@click.option("--all", "every", is_flag=True, help="Every overview that there is.")
@GRID
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Layers at a time, each on a connection of its own.",
)
@click.option("--quiet", is_flag=True, help="Say only what failed: for cron.")
@FORMAT
@with_appcontext
def refresh(
    layers: tuple[str, ...], every: bool, grid: str | None, jobs: int, quiet: bool, form: str
) -> None:
    """Bring the overviews of LAYER to what its rows are now: rows that changed, and the cells that they touch.

    Without --grid those of every tile matrix set. Where too much changed the overview is built anew. Grants are those of
    the layer's table again. Exit code 1 where one of them failed.
    """
    with served() as there, bars() as shown:
        only = None if grid is None else chosen_grid(there, grid).id
        with administering(there.settings) as connection, database_explained("The list of overviews"):
            known = status.read(connection)
        if every and not layers:
            found = _all(there, known, only)
        else:
            found = _named(known, chosen_layers(there, layers, every=every), only)
        outcomes = _refreshed(there, found, jobs, shown)
    if form == "json":
        click.echo(json.dumps([outcome.document() for outcome in outcomes], indent=2, ensure_ascii=False))
    else:
        for outcome in outcomes:
            if outcome.done == "failed" or not quiet:
                click.echo(outcome.said, err=outcome.done == "failed")
        if not outcomes and not quiet:
            click.echo("There is no overview to refresh.")
    if any(outcome.done == "failed" for outcome in outcomes):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class _Asked:
    """One overview to refresh."""

    layer: RelationLayer
    grid: str


def _all(there: Backend, known: Sequence[OverviewStatus], only: str | None) -> list[_Asked | _Outcome]:
    relations = there.catalog.catalog().relations
    found: list[_Asked | _Outcome] = []
    seen: set[tuple[int, str, str, str]] = set()
    for each in known:
        place = (each.relation, each.geometry_column, each.grid, each.document.get("variant", ""))
        if place in seen or only not in (None, each.grid):
            continue
        seen.add(place)
        layer = each.built_of(relations)
        if layer is not None:
            found.append(_Asked(layer, each.grid))
            continue
        name = f"{each.schema_name}.{each.table_name}"
        if any((layer.oid, layer.geometry.name) == place[:2] for layer in relations):
            why = f"The filter {each.filter} of {name} is configured no more"
        else:
            why = f"{name} is gone, or no layer any more"
        said = f"{why}; `flask overviews drop --unused` removes what is left of its overview."
        found.append(_Outcome(name, each.grid, "gone", said, filter=each.filter))
    return found


def _named(
    known: Sequence[OverviewStatus], layers: Sequence[RelationLayer], only: str | None
) -> list[_Asked | _Outcome]:
    found: list[_Asked | _Outcome] = []
    for layer in (each for asked in layers for each in with_filters(asked)):
        place = (layer.oid, layer.geometry.name, variant(layer))
        grids = sorted(
            {
                each.grid
                for each in known
                if (each.relation, each.geometry_column, each.document.get("variant", "")) == place
            }
        )
        chosen = [grid for grid in grids if only in (None, grid)]
        if not chosen:
            where = "" if only is None else f" in {only}"
            said = (
                f"Layer {named(layer)} has no overview{where}. `flask overviews build {layer.id}` makes one."
            )
            found.append(_Outcome(layer.id, only or "", "failed", said, filter=_filter(layer)))
        found += [_Asked(layer, grid) for grid in chosen]
    return found


def _filter(layer: RelationLayer) -> str | None:
    chosen = layer.options.overview_filter
    return None if chosen is None else chosen.text


def _refreshed(
    there: Backend, found: Sequence[_Asked | _Outcome], jobs: int, shown: Progress
) -> list[_Outcome]:
    """The outcome of each, in the same order."""
    there.catalog.postgis  # noqa: B018 - asked once, before threads ask
    work = _Work(there, shown)
    executor = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="flagstone-overview")
    begun = [each if isinstance(each, _Outcome) else executor.submit(work.outcome, each) for each in found]
    try:
        return [each if isinstance(each, _Outcome) else each.result() for each in begun]
    except BaseException as error:
        # Ctrl-C: what runs in the database must not go on without anybody.
        work.stoppable.end([each for each in begun if not isinstance(each, _Outcome)])
        if isinstance(error, KeyboardInterrupt):
            click.echo("Interrupted. Nothing is lost: the next refresh does what this one did not.", err=True)
        raise
    finally:
        executor.shutdown(cancel_futures=True)


class _Work:
    """One overview after the other, each thread on a connection of its own."""

    def __init__(self, there: Backend, shown: Progress) -> None:
        self._there = there
        self._shown = shown
        self.stoppable = Stoppable()

    def outcome(self, asked: _Asked) -> _Outcome:
        """Refresh one overview; what Flagstone can explain is the outcome."""
        layer, there = asked.layer, self._there
        task = self._shown.add_task(f"{named(layer)}: connecting", total=None)
        try:
            found = target(there.pool, layer, there.grids.get(asked.grid), there.catalog.catalog().postgis)
            with administering(there.settings) as connection, self.stoppable.working(connection):
                done = self._done(connection, found, task)
        except FlagstoneError as error:
            return _Outcome(
                layer.id, asked.grid, "failed", explained(error, there.settings), filter=_filter(layer)
            )
        except Exception as error:  # one overview does not end the refreshes of the others
            said = unforeseen(f"The refresh of {named(layer)}", error)
            return _Outcome(layer.id, asked.grid, "failed", said, filter=_filter(layer))
        finally:
            self._shown.remove_task(task)
        kind = "rebuilt" if done.rebuilt else "refreshed" if done.rows else "fresh"
        return _Outcome(layer.id, asked.grid, kind, _said(layer, done), done, _filter(layer))

    def _done(self, connection: Admin, found: Target, task: TaskID) -> Refreshed:
        def report(what: str, step: int, steps: int) -> None:
            if self.stoppable.is_stopped:
                raise OverviewError(
                    "The refresh was interrupted. Nothing is lost: the next one does what it did not."
                )
            self._shown.update(task, description=f"{named(found.layer)}: {what}", completed=step, total=steps)

        return refreshed(
            connection, found, lambda plan: _rebuild(self._there, connection, found, plan, report), report
        )


def _rebuild(there: Backend, connection: Admin, found: Target, before: Plan, report: Report) -> None:
    """Build by a plan for the rows of now; by the one before, where these would need no overview, or a build is to be ended."""
    left = registry.unfinished(connection, found.layer, found.grid.key)
    plan = before
    if left is None:
        planned = sampling.plan(connection, found, allowance(request_of(found, there.settings)))
        plan = planned.plan if planned.is_needed else before
    else:
        plan = Plan.parse(left.document["plan"])
    build(connection, found, plan, there.catalog.catalog().login, report, there.settings)


def _said(layer: RelationLayer, done: Refreshed) -> str:
    return f"{_what_was_done(layer, done)} {LEFT}" if done.has_left else _what_was_done(layer, done)


def _what_was_done(layer: RelationLayer, done: Refreshed) -> str:
    what = f"{named(layer)} in {done.grid}"
    if done.rebuilt:
        return f"{what} was built anew in {done.seconds:.1f} seconds: {done.rebuilt}."
    if not done.rows:
        return f"{what} is fresh: no row that it shows changed ({done.seconds:.1f} seconds)."
    tables = sum(1 for each in done.tables if each.deleted or each.inserted)
    return (
        f"{what} is fresh again: {done.rows:,} rows of {tables} tables rewritten, for changes in {done.dirty_blocks:,} of"
        f" {done.blocks:,} blocks of rows, in {done.seconds:.1f} seconds."
    )
