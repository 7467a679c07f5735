"""`flask overviews status` and `drop`: what there is, and away with it."""

from __future__ import annotations

import json
from typing import Any

import click
from flask.cli import with_appcontext

from ..backend import Backend
from ..errors import ConfigurationError, FlagstoneError
from ..layers.relation import RelationLayer
from ..repository.catalog import Catalog
from ..repository.overviews import status, superseded
from ..repository.overviews.administering import Admin, administering
from ..repository.overviews.build_faults import explained as database_explained
from ..repository.overviews.one_at_a_time import if_free
from ..repository.overviews.reading import SUPERSEDED
from ..repository.overviews.status import Account, OverviewStatus
from ..repository.overviews.target import target
from .overviews import chosen_layers, explained, size
from .session import served
from .tables import FORMAT, print_table

_HEADS = ("layer", "grid", "zooms", "rows", "disk", "built", "refreshed", "state")


@click.command("status")
@click.argument("layer", required=False)
@FORMAT
@with_appcontext
def show(layer: str | None, form: str) -> None:
    """List the overviews of the database; of one LAYER every table, and what became of each of its rows.

    That counts the rows of the layer's table, all of them.
    """
    with served() as there:
        catalog = there.catalog.catalog()
        wanted = None if layer is None else chosen_layers(there, [layer], every=False)[0]
        with administering(there.settings) as connection, database_explained("The list of overviews"):
            found = [each for each in status.read(connection) if wanted is None or _is_of(each, wanted)]
            accounts: dict[int, Account | None] = {}
            for each in found:
                built_of = each.built_of([wanted]) if wanted is not None else None
                if built_of is not None and each.grid in there.grids:
                    try:
                        of = target(there.pool, built_of, there.grids.get(each.grid), catalog.postgis)
                    except ConfigurationError:
                        # It can have none any more. Its state says why it is not served.
                        continue
                    accounts[each.id] = status.account(connection, of, each)
    documents = [_document(each, catalog, accounts.get(each.id)) for each in found]
    if form == "json":
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
    elif not documents:
        click.echo("There is no overview." if layer is None else f"There is no overview of {layer}.")
    elif layer is None:
        print_table(_HEADS, [_line(document) for document in documents])
    else:
        for document in documents:
            _print(document)


def _is_of(each: OverviewStatus, layer: RelationLayer) -> bool:
    return each.relation == layer.oid and each.geometry_column == layer.geometry.name


def _name(each: OverviewStatus, catalog: Catalog) -> str:
    """The layer's id; where there is no such layer, schema, table and column as they were."""
    layer = next((layer for layer in catalog.relations if _is_of(each, layer)), None)
    return layer.id if layer is not None else f"{each.schema_name}.{each.table_name}"


def _lost_its_filter(each: OverviewStatus, catalog: Catalog) -> bool:
    return each.filter is not None and each.built_of(catalog.relations) is None


def _is_superseded(each: OverviewStatus, catalog: Catalog) -> bool:
    return catalog.overview_faults.get(each.id) == SUPERSEDED


def _state(each: OverviewStatus, catalog: Catalog) -> str:
    fault = catalog.overview_faults.get(each.id)
    if each.is_unused:
        return "not served: its table is gone; `flask overviews drop --unused` removes it"
    if _lost_its_filter(each, catalog):
        return "not served: its filter is configured no more; `flask overviews drop --unused` removes it"
    if any(table.bytes is None for table in each.tables):
        return "not whole: a table of it was dropped; `flask overviews build` makes it again"
    if _is_superseded(each, catalog) and not each.complete and each.document.get("again"):
        return ("not whole: the one before is served meanwhile; `flask overviews build --again` ends it or begins anew,"
                " `flask overviews drop --unused` removes it")
    if _is_superseded(each, catalog):
        return f"not served: {fault}; the next build or refresh, or `flask overviews drop --unused`, removes it"
    if fault is not None:
        return f"not served: {fault}"
    return "served" if each.complete else "not whole: what is there is served; `flask overviews build` goes on"


def _document(each: OverviewStatus, catalog: Catalog, account: Account | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "overview": each.id,
        "layer": _name(each, catalog),
        "filter": each.filter,
        "grid": each.grid,
        "state": _state(each, catalog),
        "is_whole": each.complete,
        "built": each.started.isoformat(timespec="seconds"),
        "refreshed": each.refreshed.isoformat(timespec="seconds") if each.refreshed else None,
        "bytes": each.bytes,
        "table_bytes": each.table_bytes,
        "tables": [table._asdict() for table in each.tables],
    }
    if account is not None:
        document["rows"] = {
            "table": account.table, "drawn": account.expected, "filtered": account.filtered, "null": account.null,
            "empty": account.empty, "outside": account.outside, "by_zoom": account.by_zoom, "is_exact": account.is_exact,
        }  # fmt: skip
    return document


def _where(document: dict[str, Any]) -> str:
    return f"{document['layer']} where {document['filter']}" if document["filter"] else str(document["layer"])


def _line(document: dict[str, Any]) -> list[str]:
    bands = [table for table in document["tables"] if table["kind"] == "band"]
    zooms = [table["zoom"] for table in bands]
    shown = [f"{min(zooms)}-{max(zooms)}"] if zooms else []
    if any(table["kind"] == "pieces" for table in document["tables"]):
        shown.append("pieces")
    return [
        _where(document), document["grid"], ", ".join(shown),
        f"{sum(table['rows'] for table in document['tables'] if table['kind'] != 'blocks'):,}", size(document["bytes"]), document["built"],
        document["refreshed"] or "", document["state"],
    ]  # fmt: skip


def _print(document: dict[str, Any]) -> None:
    click.echo(f"{_where(document)} in {document['grid']}: {document['state']}.")
    click.echo(f"Built {document['built']}" + (f", refreshed {document['refreshed']}" if document["refreshed"] else "") + ".")
    rows = []
    for table in document["tables"]:
        weighed = table["measured"]
        fullest = f"{weighed['features']:,} features, {size(weighed['bytes'])} in {weighed['tile']}" if "bytes" in weighed else ""
        what = str(table["zoom"]) if table["kind"] == "band" else table["kind"]
        cells = f"{table['cell_pixels']} px" if table["cell_pixels"] else ""
        rows.append([what, f"{table['rows']:,}", cells, "gone" if table["bytes"] is None else size(table["bytes"]), fullest])
    print_table(("zoom", "rows", "cells", "disk", "fullest tile when it was built"), rows)
    counted = document.get("rows")
    if counted is None:
        return
    click.echo(
        f"{counted['table']:,} rows in the table: {counted['drawn']:,} to be drawn, {counted['null']:,} without geometry (NULL),"
        f" {counted['empty']:,} empty, {counted['outside']:,} outside of the grid,"
        f" {counted['filtered']:,} left out by the layer's filter."
    )
    for zoom, drawn in counted["by_zoom"].items():
        if drawn != counted["drawn"]:
            click.echo(f"Zoom {zoom} stands for {drawn:,}: rows changed since then,"
                       " and `flask overviews refresh` brings them in.")
    if counted["is_exact"] and counted["by_zoom"]:
        click.echo(f"The counts of every zoom add up to {counted['drawn']:,}.")


@click.command("drop")
@click.argument("layers", nargs=-1, metavar="LAYER...")
@click.option("--all", "every", is_flag=True, help="Every overview of the database.")
@click.option("--unused", is_flag=True, help="Those whose layer's table is gone, whose filter is configured no more,"
                                             " or that another one came in place of.")
@with_appcontext
def drop(layers: tuple[str, ...], every: bool, unused: bool) -> None:
    """Drop the overviews of LAYER, in all grids. Tiles are made of its own table then."""
    if bool(layers) + every + unused != 1:
        raise click.UsageError("Name the layers, or say --all, or --unused.")
    with served() as there:
        try:
            _drop(there, layers, unused=unused)
        except FlagstoneError as error:
            raise click.ClickException(explained(error, there.settings)) from error


def _drop(there: Backend, layers: tuple[str, ...], *, unused: bool) -> None:
    catalog = there.catalog.catalog()
    with administering(there.settings) as connection, database_explained("The drop of overviews"):
        found = status.read(connection)
        if layers:
            # One whose layer is gone has the name of its table.
            gone = {_name(each, catalog) for each in found}
            known = {name: None if name in gone else chosen_layers(there, [name], every=False)[0] for name in layers}
            ids = {name if layer is None else layer.id for name, layer in known.items()}
            found = [each for each in found if _name(each, catalog) in ids]
        if unused:
            found = [each for each in found if each.is_unused or _lost_its_filter(each, catalog) or _is_superseded(each, catalog)]
        stays = [each for each in found if not _dropped(connection, each, catalog)]
    if not found:
        click.echo("There was no such overview.")
    if stays:
        raise click.exceptions.Exit(1)


def _dropped(connection: Admin, each: OverviewStatus, catalog: Catalog) -> bool:
    what = f"the overview of {_name(each, catalog)} in {each.grid}"
    with if_free(connection, each.lock) as is_free:
        if not is_free and _is_superseded(each, catalog):
            click.echo(f"A build or refresh of {what} is under way, and removes what is left over by itself.")
            return True
        if superseded.drop(connection, each.id):
            click.echo(f"Dropped {what}: {size(each.bytes)}.")
            return True
    click.echo(f"Not dropped is {what}: somebody is at work with it, a backup perhaps. Try again later.", err=True)
    return False
