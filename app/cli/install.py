"""`flask catalog install`: functions of a file, put into the database once."""

from __future__ import annotations

import json
from pathlib import Path

import click
from flask.cli import with_appcontext

from ..blueprints.access import backend
from ..errors import FlagstoneError
from ..repository import install as repository
from .session import sentence
from .tables import FORMAT, print_table


@click.command("install")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@FORMAT
@with_appcontext
def install(file: Path, form: str) -> None:
    """Put the functions of FILE into schema flagstone, as FLAGSTONE_ADMIN_DATABASE_URL.

    The file holds CREATE FUNCTION and COMMENT ON FUNCTION. All of it is installed, or nothing; to install it again
    replaces its functions. The login that serves tiles gets EXECUTE.
    """
    settings = backend().settings
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name} cannot be read as UTF-8 text.") from error
    try:
        made = repository.install(settings, file.name, text)
    except FlagstoneError as error:
        raise click.ClickException("\n".join([sentence(error, settings), *getattr(error, "__notes__", [])])) from error
    if form == "json":
        click.echo(json.dumps([each._asdict() for each in made], indent=2, ensure_ascii=False))
        return
    print_table(("function", "arguments", "may be executed by"), [list(each) for each in made])
