"""`flask changes`: which tables tell of their changes, so that no old tile is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from flask.cli import AppGroup, with_appcontext

from ..backend import Backend
from ..errors import FlagstoneError
from ..layers.identity import ANONYMOUS
from ..layers.layer import Layer
from ..layers.layers_file import entry_of
from ..layers.relation import RelationLayer
from ..repository.changes import install as triggers
from ..repository.changes import log, notifying, objects, targets
from ..repository.changes.waiting import waiting
from ..repository.overviews.administering import administering
from ..repository.own_schema import explained as database_explained
from .overviews import LAYERS, explained, progress
from .session import served
from .tables import FORMAT, print_table

_NOBODY_LISTENS = "Each change is a NOTIFY, and nobody listens: FLAGSTONE_CHANGES_LISTEN=true, or install --no-notify."
_NOBODY_NOTIFIES = "FLAGSTONE_CHANGES_LISTEN is set, and no change is a NOTIFY: flask changes install --all --notify."

group = AppGroup("changes", help="Tables that tell of their changes, so that no old tile is shown.")


@group.command("install")
@LAYERS
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every table and materialized view that is a layer or that a view reads.",
)
@click.option(
    "--grant-changed",
    "callers",
    metavar="ROLE",
    multiple=True,
    help="ROLE may call flagstone.changed(). Repeatable.",
)
@click.option(
    "--notify/--no-notify",
    default=None,
    help="Have each change of the database be a NOTIFY too, for FLAGSTONE_CHANGES_LISTEN. Without it, as it is. Commits wait for each other then.",
)
@FORMAT
@with_appcontext
def install(
    layers: tuple[str, ...], every: bool, callers: tuple[str, ...], notify: bool | None, form: str
) -> None:
    """Put triggers on the tables of LAYER, and on all below them, as FLAGSTONE_ADMIN_DATABASE_URL.

    From then on their tiles are kept until a change makes them old, and not longer. Of a view, or a function whose
    configuration says what it reads, these are the tables that it reads. To install again does no harm: it is how
    partitions that came later are followed too.
    """
    with served() as there:
        catalog = there.catalog.reload()
        chosen = _chosen(there, layers, every=every)
        done: list[triggers.Installed] = []
        with administering(there.settings) as connection, progress("what was done stays, and the same command goes on from there.") as report:
            try:
                with database_explained("What is to be followed"):
                    objects.refuse_unknown(connection, callers)
                    wanted = _wanted(there, connection, chosen, every=every)
                for place, each in enumerate(wanted):
                    report(each.name, place, len(wanted))
                    with database_explained(f"The triggers of {each.name}"):
                        done.append(
                            triggers.install(
                                connection, each.oid, catalog.login, catalog.postgis.schema, callers
                            )
                        )
                if notify is not None and done:
                    with database_explained("NOTIFY"):
                        notifying.switch(connection, done[0].owner, on=notify)
            except FlagstoneError as error:
                _print_installed(done, form)
                raise click.ClickException(explained(error, there.settings)) from error
        _print_installed(done, form)


@group.command("uninstall")
@LAYERS
@click.option("--all", "every", is_flag=True, help="Everything that is followed.")
@FORMAT
@with_appcontext
def uninstall(layers: tuple[str, ...], every: bool, form: str) -> None:
    """Take the triggers off the tables of LAYER: their tiles are kept for their time to live again."""
    done: list[str] = []
    with served() as there:
        there.catalog.reload()
        with administering(there.settings) as connection:
            try:
                with database_explained("The removal of triggers"):
                    # What was dropped is a layer no more, and yet there is something to forget.
                    gone = {each.name: each.relation for each in log.coverage(connection) if each.is_gone and each.name in layers}
                    named = [name for name in layers if name not in gone]
                    chosen = _chosen(there, named, every=every) if named or not (gone or every) else []
                    wanted = set(gone.values()) | {
                        each.oid
                        for each in targets.of_layers(connection, chosen, lambda layer: _reads(there, layer))
                    }
                    there_are = [each for each in log.coverage(connection) if every or each.relation in wanted]
                    for each in there_are:
                        triggers.uninstall(connection, each.relation)
                        done.append(each.name)
            except FlagstoneError as error:
                if done:
                    _print_uninstalled(done, form)
                raise click.ClickException(explained(error, there.settings)) from error
    _print_uninstalled(done, form)


def _print_uninstalled(done: Sequence[str], form: str) -> None:
    if form == "json":
        click.echo(json.dumps([{"table": name} for name in done], indent=2, ensure_ascii=False))
        return
    for name in done:
        click.echo(f"{name}: no triggers any more.")
    if not done:
        click.echo("There were no triggers to take off.")


@group.command("status")
@FORMAT
@with_appcontext
def status(form: str) -> None:
    """Which layers are followed, and why others are not: these keep their time to live."""
    with served() as there:
        catalog = there.catalog.reload()
        with there.pool.borrowed("the log of changes") as connection:
            tables = log.coverage(connection)
            notifies = notifying.notifies(connection)
            rows = [
                {
                    "layer": layer.id, "followed": _how(layer), "why": _why(layer, catalog.unfollowed.get(layer.id)),
                    "low_zooms_wait": _waits(connection, layer, tables),
                }
                for layer in catalog.layers
            ]  # fmt: skip
        below = [
            {"table": each.name, "tables": len(each.members or ()), "fault": each.fault or each.partly}
            for each in tables
        ]
    if form == "json":
        click.echo(json.dumps({"layers": rows, "tables": below, "notifies": notifies}, indent=2, ensure_ascii=False))
        return
    print_table(
        ("layer", "followed", "why not"),
        [[str(row["layer"]), str(row["followed"]), str(row["why"] or "")] for row in rows],
    )
    late = [str(row["layer"]) for row in rows if row["low_zooms_wait"]]
    if late:
        click.echo(f"\nLow zooms wait for `flask overviews refresh`: {', '.join(late)}.")
    if below:
        click.echo()
        # What stands beside the layer of the same name already is not said twice.
        told = {str(row["why"]) for row in rows}
        print_table(
            ("table", "with those below it", "fault"),
            [[str(each["table"]), str(each["tables"]), "" if each["fault"] in (None, *told) else str(each["fault"])] for each in below],
        )
    if notifies != there.settings.changes_listen:
        click.echo(f"\n{_NOBODY_LISTENS if notifies else _NOBODY_NOTIFIES}")


def _waits(connection: Any, layer: Layer, tables: Sequence[log.Followed]) -> bool:
    """Whether something changed since the layer's overviews were made."""
    if not isinstance(layer, RelationLayer) or layer.follows is None:
        return False
    roots = layer.follows.places | layer.follows.everywhere
    members = {member for each in tables if each.relation in roots for member in (each.relation, *(each.members or ()))}
    return bool(waiting(connection, [each.id for each in layer.overviews], members))


def _how(layer: Layer) -> str:
    if layer.follows is None:
        return "no"
    return "yes" if layer.follows.is_whole else "partly"


def _why(layer: Layer, reason: str | None) -> str | None:
    return reason if layer.follows is None else layer.follows.partly


def _chosen(there: Backend, asked: Sequence[str], *, every: bool) -> list[Layer]:
    if bool(asked) == every:
        raise click.UsageError("Name the layers, or say --all; not both." if asked else "Name the layers, or say --all.")
    catalog = there.catalog.catalog()
    if every:
        # A foreign table gains nothing by itself: who names one knows that a job has to tell of its changes.
        known = [layer for layer in catalog.relations if layer.kind != "f"]
        others = [
            layer for layer in catalog.layers if not isinstance(layer, RelationLayer) and _reads(there, layer)
        ]
        return [*known, *others]
    # Nobody but who runs Flagstone asks here: a layer that only a role may read is one too.
    by_id = {layer.id: layer for layer in catalog.layers}
    found = [by_id.get(name) or catalog.layer(name, ANONYMOUS) for name in asked]
    return list({layer.id: layer for layer in found}.values())


def _wanted(there: Backend, connection: Any, chosen: Sequence[Layer], *, every: bool) -> list[targets.Wanted]:
    wanted = targets.of_layers(connection, chosen, lambda layer: _reads(there, layer))
    if every:
        # What views read beside tables is named by nobody; and what is followed already may have grown.
        wanted = [each for each in wanted if each.kind != "f"]
        known = {each.oid for each in wanted}
        wanted += [
            targets.Wanted(each.relation, each.name, "") for each in log.coverage(connection)
            if each.relation not in known and each.members
        ]  # fmt: skip
    return wanted


def _reads(there: Backend, layer: Layer) -> tuple[str, ...] | None:
    entry = entry_of(there.catalog.layers_file.last, layer)
    return None if entry is None else entry.reads


def _tables(count: int) -> str:
    return f"{count} table" if count == 1 else f"{count} tables"


def _print_installed(done: Sequence[triggers.Installed], form: str) -> None:
    if form == "json":
        click.echo(json.dumps([each._asdict() for each in done], indent=2, ensure_ascii=False))
        return
    for each in done:
        name = f"{each.schema_name}.{each.table_name}"
        what = f"triggers on {_tables(each.tables)}" if each.tables else "followed by name"
        click.echo(f"{name}: {what}." if each.partly is None else f"{name}: {what}, partly: {each.partly}.")
    for notice in dict.fromkeys(notice for each in done for notice in each.notices):
        click.echo(notice)
