"""`flask overviews plan`: what a build would make, and why."""

from __future__ import annotations

import json
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import FlagstoneError
from ..layers import overview_plan
from ..layers.overview import named, with_filters
from ..layers.overview_plan import Allowance, Estimate
from ..layers.relation import RelationLayer
from ..layers.request import LayerRequest
from ..repository.overviews import merging, sampling
from ..repository.overviews.administering import administering
from ..repository.overviews.build_faults import explained as database_explained
from ..repository.overviews.target import target
from ..repository.overviews.weighing import request_of
from .overviews import GRID, LAYERS, chosen_grid, chosen_layers, explained, progress, size, unforeseen
from .session import served
from .tables import FORMAT, print_table

_HEADS = ("zoom", "because of", "features", "vertices", "tile", "band: rows", "cells", "features", "tile", "disk", "seconds")


@click.command("plan")
@LAYERS
@click.option("--all", "every", is_flag=True, help="Every table and view.")
@GRID
@FORMAT
@with_appcontext
def plan(layers: tuple[str, ...], every: bool, grid: str | None, form: str) -> None:
    """Say what `build` would make of LAYER, from a sample of its rows: for each zoom what its fullest tile holds without
    an overview and with it, and what that takes on disk. Nothing is changed."""
    with served() as there, progress("nothing was changed.") as report:
        matrix_set = chosen_grid(there, grid)
        chosen = [each for layer in chosen_layers(there, layers, every=every) for each in with_filters(layer)]
        documents: list[dict[str, Any]] = []
        with administering(there.settings) as connection:
            for place, layer in enumerate(chosen):
                report(named(layer), place, len(chosen))
                try:
                    found = target(there.pool, layer, matrix_set, there.catalog.postgis)
                    request = request_of(found, there.settings)
                    with database_explained(f"The plan of {layer.id}", layer):
                        planned = sampling.plan(connection, found, allowance(request), is_bounded=True)
                        saved = merging.saved(connection, found, request, planned.sample, next(iter(planned.plan.bands), None))
                    merged = {} if saved is None else {"merging": saved.document()}
                    documents.append(_document(layer, request, planned) | merged)
                except FlagstoneError as error:
                    if not every:
                        raise click.ClickException(explained(error, there.settings)) from error
                    documents.append({"layer": layer.id, "grid": matrix_set.id, "fault": str(error)})
                except Exception as error:
                    if not every:
                        raise
                    fault = unforeseen(f"The plan of {named(layer)}", error)
                    documents.append({"layer": layer.id, "grid": matrix_set.id, "fault": fault})
    if form == "json":
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    for place, document in enumerate(documents):
        if place:
            click.echo()
        _print(document)


def allowance(request: LayerRequest) -> Allowance:
    """What a tile of the request may hold."""
    return Allowance(request.limit, request.budget, request.buffer / request.resolution)


def _document(layer: RelationLayer, request: LayerRequest, planned: sampling.Planned) -> dict[str, Any]:
    sample, chosen = planned.sample, layer.options.overview_filter
    disk, seconds = overview_plan.total(sample, planned.expected)
    return {
        "layer": layer.id,
        "filter": None if chosen is None else chosen.text,
        "grid": request.grid.id,
        "is_needed": planned.is_needed,
        "rows": sample.table_rows,
        "sampled_rows": len(sample.rows),
        "table_bytes": sample.table_bytes,
        "bands_bytes": disk,
        "pieces_rows": sample.heavy_rows,
        "pieces_bytes": sample.pieces_bytes,
        "pieces_of_bytes": sample.heavy_bytes,
        "seconds": round(seconds, 1),
        "limit": request.limit,
        "budget_bytes": request.budget,
        "heavy_attributes": [
            {"name": each.name, "mean_bytes": round(each.text, 1), "bytes_in_tile": round(each.in_tile, 1)}
            for each in overview_plan.weighty(sample, allowance(request))
        ],
        "zooms": [_zoom(each) for each in planned.expected],
    }


def _zoom(each: Estimate) -> dict[str, Any]:
    band = None
    if each.band is not None:
        band = {
            "zoom": each.band.zoom, "rows": each.rows, "cell_pixels": each.band.cell_pixels,
            "small_pixels": each.band.small_pixels, "features": each.band_features, "tile_bytes": each.band_bytes,
            "disk_bytes": each.disk, "seconds": round(each.seconds, 2),
        }  # fmt: skip
    return {
        "zoom": each.zoom, "features": each.features, "vertices": each.vertices, "tile_bytes": each.bytes,
        "why": list(each.why), "band": band,
    }  # fmt: skip


def _print(document: dict[str, Any]) -> None:
    if "fault" in document:
        click.echo(f"{document['layer']}: {document['fault']}")
        return
    table = size(document["table_bytes"])
    of_rows = f"{document['rows']:,} rows" if document["rows"] == document["sampled_rows"] else (
        f"about {document['rows']:,} rows, of which {document['sampled_rows']:,} were looked at"
    )  # fmt: skip
    where = f" where {document['filter']}" if document["filter"] else ""
    click.echo(f"{document['layer']}{where} in {document['grid']}: {of_rows}, {table} on disk")
    if not document["is_needed"]:
        zoom = document["zooms"][0]
        click.echo(
            f"It needs no overview: the fullest tile of zoom {zoom['zoom']} has {zoom['features']:,} features of at most"
            f" {document['limit']:,}, and {zoom['vertices']:,} vertices."
        )
        return
    if any(zoom["band"] for zoom in document["zooms"]):
        print_table(_HEADS, [_row(zoom) for zoom in document["zooms"]])
    click.echo(f"Disk of cells and simplified rows: {size(document['bands_bytes'])}.")
    click.echo(
        f"Disk of pieces of {document['pieces_rows']:,} heavy polygons: {size(document['pieces_bytes'])}"
        f" for {size(document['pieces_of_bytes'])} of theirs."
        if document["pieces_rows"]
        else "No polygon is heavy enough to be stored in pieces."
    )
    seconds = round(document["seconds"])
    click.echo("The build takes about a second." if seconds < 2 else f"The build takes about {seconds:,} seconds.")
    if "merging" in document:
        saved = document["merging"]
        click.echo(
            f"Lines are merged by {', '.join(saved['columns'])}: of {saved['lines']:,} lines of the fullest tile of zoom"
            f" {saved['zoom']}"
            f" {saved['merged']:,} are left. The figures above are without that."
        )
    if document["heavy_attributes"]:
        named = ", ".join(f"{each['name']} ({each['mean_bytes']:,.0f} bytes on average)" for each in document["heavy_attributes"])
        click.echo(
            f"Attributes alone break the budget of {size(document['budget_bytes'])} in a tile of {document['limit']:,}"
            f" features: {named}."
            " Cells are wider for that; `columns` in the layers file leaves attributes out."
        )


def _row(zoom: dict[str, Any]) -> list[str]:
    band = zoom["band"]
    seen = [str(zoom["zoom"]), ", ".join(zoom["why"]), f"{zoom['features']:,}", f"{zoom['vertices']:,}", size(zoom["tile_bytes"])]
    if band is None:
        return [*seen, "the table itself", "", "", "", "", ""]
    shown = [*seen, f"{band['rows']:,}", f"{band['cell_pixels']} px", f"{band['features']:,}", size(band["tile_bytes"])]
    if not band["disk_bytes"]:
        return [*shown, f"that of zoom {band['zoom']}", ""]
    return [*shown, size(band["disk_bytes"]), f"{band['seconds']:,.1f}"]
