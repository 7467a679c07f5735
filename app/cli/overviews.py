"""`flask overviews`: what low zooms need, stored ahead."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..backend import Backend
from ..errors import ConfigurationError, FlagstoneError, NotFound
from ..layers.grid import Grid
from ..layers.identity import ANONYMOUS
from ..layers.relation import RelationLayer
from ..layers.request import grid_for
from ..repository.catalog import relation
from ..repository.overviews.administering import Report
from ..settings import Settings
from .session import sentence

group = AppGroup("overviews", help="What low zooms need, stored ahead: fast, small and never empty.")

LAYERS = click.argument("layers", nargs=-1, metavar="LAYER...")
_log = logging.getLogger(__name__)
GRID = click.option("--grid", "--tms", help="Tile matrix set; default: the setting's.")


@contextmanager
def progress(interrupted: str) -> Iterator[Report]:
    """A bar for a person; nothing in a log or a pipe. After Ctrl-C it says what became of the work."""
    try:
        with bars() as bar:
            task = bar.add_task("connecting", total=None)
            yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
    except KeyboardInterrupt:
        click.echo(f"Interrupted: {interrupted}", err=True)
        raise


@contextmanager
def bars() -> Iterator[Progress]:
    """Bars on standard error, one for each task, while something goes on; drawn on a terminal alone."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as made:
        yield made


def chosen_layers(there: Backend, asked: Sequence[str], *, every: bool) -> list[RelationLayer]:
    """The layers that were named, or with --all every table and view, whoever may read it."""
    if bool(asked) == every:
        raise click.UsageError("Name the layers, or say --all; not both." if asked else "Name the layers, or say --all.")
    catalog = there.catalog.catalog()
    if every:
        return list(catalog.relations)
    found: list[RelationLayer] = []
    for name in asked:
        # Nobody but who runs Flagstone asks here: a layer that only a role may read is one too.
        try:
            layer = relation(catalog.find(name, ANONYMOUS) or catalog.called(name) or catalog.layer(name, ANONYMOUS))
        except NotFound:
            reason = next((each.reason for each in catalog.rejected if name in (each.name, f"{each.schema}.{each.name}")), None)
            if reason is None:
                raise
            raise ConfigurationError(f"{name} is no layer: {reason}") from None
        if layer not in found:
            found.append(layer)
    return found


def chosen_grid(there: Backend, asked: str | None) -> Grid:
    """The tile matrix set of --grid, or the default one."""
    return grid_for(there.grids, asked, there.settings)


def explained(error: FlagstoneError, settings: Settings) -> str:
    """A sentence for the terminal, with what the database said below it."""
    if isinstance(error, NotFound):
        return sentence(error, settings)
    return "\n".join([sentence(error, settings), *getattr(error, "__notes__", [])])


def unforeseen(what: str, error: Exception) -> str:
    """A sentence about an error that nothing explains; where it came from is in the log."""
    _log.error("%s", what, exc_info=error)
    known_as = f"{type(error).__name__}: {error}"
    return f"{what} ended with an error that Flagstone does not know ({known_as}). Nothing is lost; the log says where."


def size(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f} {unit}" if unit == "B" or number >= 10 else f"{number:,.1f} {unit}"
