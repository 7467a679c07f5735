"""`flask overviews refresh`: what changed in the tables comes into their overviews."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from flask.cli import with_appcontext

from ..backend import Backend
from ..errors import FlagstoneError
from ..layers.relation import RelationLayer
from ..repository.overviews import registry, sampling, status
from ..repository.overviews.build import Admin, Plan, Report, administering, build
from ..repository.overviews.build_faults import explained as database_explained
from ..repository.overviews.refresh import Refreshed
from ..repository.overviews.refresh import refresh as refreshed
from ..repository.overviews.status import OverviewStatus
from ..repository.overviews.target import Target, target
from ..repository.overviews.weighing import request_of
from .overview_plan import allowance
from .overviews import GRID, LAYERS, chosen_grid, chosen_layers, explained, progress
from .session import served
from .tables import FORMAT


@dataclass(frozen=True)
class _Outcome:
    """What became of one overview: `done` is fresh, refreshed, rebuilt, gone or failed."""

    layer: str
    grid: str
    done: str
    said: str
    refreshed: Refreshed | None = None

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "layer": self.layer,
            "grid": self.grid,
            "outcome": self.done,
            "said": self.said,
        }
        return found | ({} if self.refreshed is None else self.refreshed.document())


@click.command("refresh")
@LAYERS
@click.option("--all", "every", is_flag=True, help="Every overview that there is.")
@GRID
@click.option("--quiet", is_flag=True, help="Say only what failed: for cron.")
@FORMAT
@with_appcontext
def refresh(layers: tuple[str, ...], every: bool, grid: str | None, quiet: bool, form: str) -> None:
    """Bring the overviews of LAYER to what its rows are now: rows that changed, and the cells that they touch.

    Without --grid those of every tile matrix set. Where too much changed the overview is built anew. Grants are those of
    the layer's table again. Exit code 1 where one of them failed.
    """
    with served() as there, progress() as report:
        only = None if grid is None else chosen_grid(there, grid).id
        with administering(there.settings) as connection:
            with database_explained("The list of overviews"):
                known = status.read(connection)
            if every and not layers:
                outcomes = _all(there, connection, known, only, report)
            else:
                outcomes = _named(
                    there, connection, known, chosen_layers(there, layers, every=every), only, report
                )
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


def _all(
    there: Backend, connection: Admin, known: Sequence[OverviewStatus], only: str | None, report: Report
) -> list[_Outcome]:  # fmt: skip
    relations = there.catalog.catalog().relations
    outcomes: list[_Outcome] = []
    seen: set[tuple[int, str, str]] = set()
    for each in known:
        place = (each.relation, each.geometry_column, each.grid)
        if place in seen or only not in (None, each.grid):
            continue
        seen.add(place)
        layer = next((layer for layer in relations if (layer.oid, layer.geometry.name) == place[:2]), None)
        if layer is None:
            name = f"{each.schema_name}.{each.table_name}"
            said = f"{name} is gone, or no layer any more; `flask overviews drop --unused` removes what is left of its overview."
            outcomes.append(_Outcome(name, each.grid, "gone", said))
        else:
            outcomes.append(_outcome(there, connection, layer, each.grid, report))
    return outcomes


def _named(
    there: Backend, connection: Admin, known: Sequence[OverviewStatus], layers: Sequence[RelationLayer], only: str | None,
    report: Report,
) -> list[_Outcome]:  # fmt: skip
    outcomes: list[_Outcome] = []
    for layer in layers:
        grids = sorted(
            {
                each.grid
                for each in known
                if (each.relation, each.geometry_column) == (layer.oid, layer.geometry.name)
            }
        )
        chosen = [grid for grid in grids if only in (None, grid)]
        if not chosen:
            where = "" if only is None else f" in {only}"
            said = f"Layer {layer.id} has no overview{where}. `flask overviews build {layer.id}` makes one."
            outcomes.append(_Outcome(layer.id, only or "", "failed", said))
        outcomes += [_outcome(there, connection, layer, grid, report) for grid in chosen]
    return outcomes


def _outcome(there: Backend, connection: Admin, layer: RelationLayer, grid: str, report: Report) -> _Outcome:
    """Refresh one overview; what Flagstone can explain is the outcome."""
    try:
        found = target(there.pool, layer, there.grids.get(grid), there.catalog.catalog().postgis)

        def rebuild(plan: Plan) -> None:
            _rebuild(there, connection, found, plan, report)

        done = refreshed(
            connection, found, rebuild, lambda what, step, steps: report(f"{layer.id}: {what}", step, steps)
        )
    except FlagstoneError as error:
        return _Outcome(layer.id, grid, "failed", explained(error, there.settings))
    kind = "rebuilt" if done.rebuilt else "refreshed" if done.rows else "fresh"
    return _Outcome(layer.id, grid, kind, _said(done), done)


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


def _said(done: Refreshed) -> str:
    what = f"{done.layer} in {done.grid}"
    if done.rebuilt:
        return f"{what} was built anew in {done.seconds:.1f} seconds: {done.rebuilt}."
    if not done.rows:
        return f"{what} is fresh: no row that it shows changed ({done.seconds:.1f} seconds)."
    tables = sum(1 for each in done.tables if each.deleted or each.inserted)
    return (
        f"{what} is fresh again: {done.rows:,} rows of {tables} tables rewritten, for changes in {done.dirty_blocks:,} of"
        f" {done.blocks:,} blocks of rows, in {done.seconds:.1f} seconds."
    )
