"""`flask config`: the settings in force, and whether a database can be served with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import click
from flask.cli import AppGroup

from ..blueprints.access import backend
from ..caching.redis_client import redis_client
from ..errors import FlagstoneError
from ..layers.names import nearest
from ..repository.catalog import Catalog
from ..repository.overviews.administering import administering
from ..settings import Settings
from .layers_file import layers, problems
from .session import served
from .tables import FORMAT, print_table

group = AppGroup("config", help="Settings: what is in force, and whether it works.")


group.add_command(layers)


@group.command("show")
@FORMAT
def show(form: str) -> None:
    """List every setting with its value; secrets stay hidden."""
    shown = backend().settings.shown()
    if form == "json":
        click.echo(json.dumps(shown, indent=2))
        return
    rows = [(name, _text(shown[name]), help_text) for name, _default, help_text, _others in Settings.table()]
    print_table(("setting", "value", "what it is"), rows)


@group.command("check")
@FORMAT
def check(form: str) -> None:
    """Connect, and say what would keep Flagstone from serving this database, or a layers file from doing what it says.

    Exit code 1 where anything would.
    """
    with served() as there:
        there.pool.ping()
        catalog = there.catalog.catalog()
        found = [*problems(there), *_idle(catalog, there.settings), *_silent(there.settings)]
    if not catalog.layers:
        why = "`flask catalog list --rejected` says why" if catalog.rejected else "no relation has a geometry column"
        found.insert(0, f"nothing to serve: {why}")
    if form == "json":
        click.echo(json.dumps({
            "database": catalog.database, "login": catalog.login, "postgis": catalog.postgis.full, "layers": len(catalog.layers),
            "rejected": len(catalog.rejected), "tilematrixsets": list(there.grids.custom_ids), "problems": found,
        }, indent=2, ensure_ascii=False))  # fmt: skip
        raise click.exceptions.Exit(1 if found else 0)
    click.echo(f"database {catalog.database}, login {catalog.login}, PostGIS {catalog.postgis.full}")
    click.echo(f"{len(catalog.layers)} layers, {len(catalog.rejected)} relations left out")
    if there.grids.custom_ids:
        click.echo(f"tile matrix sets of FLAGSTONE_TMS_DIRECTORY: {', '.join(there.grids.custom_ids)}")
    if found:
        raise click.ClickException("\n".join(found))


def _idle(catalog: Catalog, settings: Settings) -> Iterator[str]:
    """Rules of the cache that hold for no layer, as one with a bare name does."""
    for rule in settings.cache_rules:
        if not any(fnmatchcase(layer.id, rule.layer) for layer in catalog.layers):
            near = nearest(rule.layer, [layer.id for layer in catalog.layers])
            meant = f" Did you mean {', '.join(near)}?" if near else ""
            yield f"FLAGSTONE_CACHE_RULES: no layer has an id like {rule.layer}.{meant}"


def _silent(settings: Settings) -> Iterator[str]:
    """What is configured beside the database, and does not answer."""
    if settings.keeps_tiles_in_redis:
        from redis import RedisError  # 40 ms that only who uses Redis need pay

        try:
            redis_client(settings).ping()
        except (RedisError, OSError) as error:
            yield f"Redis does not answer: {error} Tiles are served, and none is kept."
    if settings.admin_database_url is not None:
        try:
            with administering(settings):
                pass
        except FlagstoneError as error:
            yield str(error)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
