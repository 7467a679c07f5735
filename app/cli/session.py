"""What a command does between its first question and its last: ask, explain what fails, close."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..backend import Backend
from ..blueprints.access import backend
from ..errors import DatabaseDown, FlagstoneError, NotFound
from ..repository.conninfo import names_a_database
from ..settings import Settings


@contextmanager
def served() -> Iterator[Backend]:
    """The backend, closed in the end. What Flagstone can explain ends the command with that sentence and exit code 1."""
    there = backend()
    try:
        yield there
    except FlagstoneError as error:
        raise click.ClickException(sentence(error, there.settings)) from error
    finally:
        there.close()


def sentence(error: FlagstoneError, settings: Settings) -> str:
    """What the person at the terminal is told: the error, and what may help."""
    if isinstance(error, NotFound) and error.nearest:
        return f"{error} Did you mean {', '.join(error.nearest)}?"
    if isinstance(error, DatabaseDown) and not names_a_database(settings):
        return f"{error} DATABASE_URL is not set; libpq's defaults were tried."
    return str(error)
