"""`flask config layers`: the layers as a file that says what the database cannot."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click
from flask.cli import with_appcontext

from ..backend import Backend
from ..errors import ConfigurationError
from ..layers.layers_file import parse
from .session import served

_STANDARD_OUTPUT = "-"
_USUAL = ""
"""`--save` without a name: the file of the settings, else layers.toml."""


@click.command("layers")
@with_appcontext
@click.option("--save", "target", is_flag=False, flag_value=_USUAL, default=_STANDARD_OUTPUT, metavar="[FILE]",
              help="Write to FILE; without a name to FLAGSTONE_LAYERS_FILE, else layers.toml.")  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def layers(target: str, force: bool) -> None:
    """Write every layer as a layers file, on standard output or with --save into a file."""
    with served() as there:
        text = _text(there)
        path = Path(target or there.settings.layers_file or "layers.toml")
    if target == _STANDARD_OUTPUT:
        click.echo(text, nl=False)
        return
    if path.exists() and not force:
        raise click.ClickException(f"{path} is there already; --force overwrites it")
    _write(path, text)
    click.echo(f"{path} is written; FLAGSTONE_LAYERS_FILE={path} has it read", err=True)


def problems(there: Backend) -> list[str]:
    """What the layers file says that cannot be meant so: sentences that begin with the file's name."""
    catalog, file = there.catalog.catalog(), there.catalog.layers_file
    found = [notice for notice in catalog.notices if notice.startswith(f"{file.name}: ")]
    for name in file.last.composites:
        where = f'{file.name}: [composites."{name}"]'
        found += [f"{where} has the bare name of {layer.id}, which needs its schema in front now"
                  for layer in catalog.layers if layer.has_bare_name and name == layer.id.rpartition(".")[2] and name != layer.id]  # fmt: skip
    return list(dict.fromkeys(found))


def _text(there: Backend) -> str:
    catalog, file = there.catalog.catalog(), there.catalog.layers_file.last
    from ..documents.layers_toml import (
        layers_toml,  # its writer of TOML is for this command alone, not for workers
    )

    text = layers_toml(catalog.layers, file, catalog.hidden)
    # What is written must be what can be read: a person edits it, and then it is too late.
    if parse(text, "the written file").composites != file.composites:
        raise ConfigurationError("the layers cannot be written as a file that reads the same")
    return text


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a server may read it at any time."""
    path = path.resolve()  # of a link, the file that it leads to is replaced, and not the link
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
