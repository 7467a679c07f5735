"""`flask sample`: real data to look at, loaded into schema `sample`."""

from __future__ import annotations

import json
import sys

import click
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ..blueprints.access import backend
from ..errors import FlagstoneError
from ..repository import sample as repository
from ..repository.conninfo import conninfo
from .session import sentence
from .tables import FORMAT

group = AppGroup("sample", help="Real data to look at, in a schema of its own.")


@group.command("load")
@FORMAT
def load(form: str) -> None:
    """Load countries, cities and Liechtenstein into schema sample.

    One transaction: all of it or nothing. To load again is safe, and changes nothing that is as it should be.
    """
    try:
        # Drawn only for a person: in a log or a pipe, standard error stays empty.
        with Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
            console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty(),
        ) as progress:  # fmt: skip
            task = progress.add_task("connecting", total=repository.files())

            def report(file: str, rows: int) -> None:
                progress.update(task, advance=1, description=f"{file}: {rows:,} rows" if rows else file)

            rows = repository.load(conninfo(backend().settings), report)
    except FlagstoneError as error:
        raise click.ClickException("\n".join([sentence(error, backend().settings), *getattr(error, "__notes__", [])])) from error
    if form == "json":
        click.echo(json.dumps({f"sample.{relation}": count for relation, count in rows.items()}, indent=2))
        return
    width = max(len(relation) for relation in rows) + len("sample.")
    for relation, count in rows.items():
        click.echo(f"{f'sample.{relation}':<{width}}  {count:>6,} rows")
