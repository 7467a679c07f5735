"""`flask changes serve`: maps and caches elsewhere hear what changed."""

from __future__ import annotations

import shlex

import click
from flask.cli import with_appcontext

from ..backend import Backend
from ..repository.conninfo import names_several_servers
from .session import served


@click.command("serve")
@click.option(
    "--hook", "urls", metavar="URL", multiple=True, help="POST what changed there, as JSON. Repeatable."
)
@click.option(
    "--exec",
    "commands",
    metavar="COMMAND",
    multiple=True,
    help="Run COMMAND with it on its input. Repeatable.",
)
@with_appcontext
def serve(urls: tuple[str, ...], commands: tuple[str, ...]) -> None:
    """Tell maps what changed, as server-sent events at /events?layers=…, on FLAGSTONE_EVENTS_BIND.

    One small process beside gunicorn, for thousands of listeners. A hook gets what changed of every layer that anybody
    may see, for a cache elsewhere to drop those tiles; it is tried again until it succeeds.
    """
    with served() as there:
        if there.settings.changes_poll_ms == 0:
            raise click.ClickException("FLAGSTONE_CHANGES_POLL_MS=0: the log of changes is not read.")
        if names_several_servers(there.settings):
            # What one of them tells may not be in the tiles that another one makes.
            raise click.ClickException("DATABASE_URL names several servers: changes are not followed.")
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise click.UsageError(f"--hook {url!r} is not an address with http:// or https://.")
        for command in commands:
            _check(command)
        try:
            _serve(there, urls, commands)
        except OSError as error:
            raise click.ClickException(f"{there.settings.events_bind}: {error.strerror or error}") from error


def _check(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.UsageError(f"--exec {command!r}: {error}.") from error
    if not words:
        raise click.UsageError("--exec names no program.")


def _serve(there: Backend, urls: tuple[str, ...], commands: tuple[str, ...]) -> None:
    try:
        # Here and not above: who serves no live maps need not have the library.
        from ..events.server import serve as serve_events
    except ImportError as error:
        raise click.ClickException("aiohttp is missing: pip install 'flagstone[live]'.") from error
    bind = there.settings.events_bind

    def ready() -> None:
        click.echo(f"Changes are told at {bind}, path /events; Ctrl-C or SIGTERM ends it.", err=True)

    serve_events(there, urls=urls, commands=commands, ready=ready)
