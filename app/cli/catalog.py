"""`flask catalog`: which layers there are, and why others are not."""

from __future__ import annotations

import json
from typing import Any

import click
from flask.cli import AppGroup

from ..backend import Backend
from ..documents.catalog import KINDS
from ..errors import NotFound
from ..layers.identity import ANONYMOUS
from ..layers.layer import Layer
from ..layers.relation import RelationLayer
from . import function_lines
from .session import served
from .tables import FORMAT, print_table

group = AppGroup("catalog", help="Layers: which there are, and why others are not.")


@group.command("list")
@click.option("--rejected", is_flag=True, help="What has geometry but is no layer, and why.")
@FORMAT
def list_layers(rejected: bool, form: str) -> None:
    """List the layers of every role, or with --rejected what was left out."""
    with served() as there:
        catalog = there.catalog.catalog()
    if rejected:
        documents = [
            {"schema": left.schema, "name": left.name, "kind": KINDS.get(left.kind, left.kind), "column": left.column, "reason": left.reason}
            for left in catalog.rejected
        ]
    else:
        documents = [_line(layer) if isinstance(layer, RelationLayer) else function_lines.line(layer) for layer in catalog.layers]
    if form == "json":
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return
    heads = ("schema", "name", "kind", "column", "reason") if rejected else ("id", "kind", "type", "srid", "rows", "key", "readers")
    print_table(heads, [[_text(document[head]) for head in heads] for document in documents])


@group.command("show")
@click.argument("layer")
@FORMAT
def show(layer: str, form: str) -> None:
    """Show one LAYER: its columns, key, extent, readers."""
    with served() as there:
        found = _layer(there, layer)
        # A person on a terminal waits for the rows; a page does not.
        extent = there.catalog.extent(found, wait_s=there.settings.extent_timeout_ms / 1000 + 1)
    if not isinstance(found, RelationLayer):
        _show_function(found, form)
        return
    document = {
        **_line(found),
        "title": found.title,
        "description": found.description,
        "attribution": found.attribution,
        "geometry_column": found.geometry.name,
        "is_geography": found.geometry.is_geography,
        "crs": found.geometry.crs.definition,
        "extent": extent.as_list() if extent else None,
        "has_ctid": found.has_ctid,
        "runs_code": found.runs_code,
        "readable_columns": {
            role: sorted(names) for role, names in sorted(found.readers.items()) if names is not None
        },
        "columns": [
            {
                "name": column.name, "type": column.type, "served_type": str(column.served_type),
                "description": column.description,
            }
            for column in found.columns
        ],
    }  # fmt: skip
    if form == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    columns = document.pop("columns")
    print_table(("property", "value"), [(name, _text(value)) for name, value in document.items()])
    click.echo()
    heads = ("name", "type", "served_type", "description")
    print_table(heads, [[_text(column[head]) for head in heads] for column in columns])


def _show_function(layer: Layer, form: str) -> None:
    document = function_lines.details(layer)
    if form == "json":
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    arguments = document.pop("arguments")
    print_table(("property", "value"), [(name, _text(value)) for name, value in document.items()])
    click.echo()
    heads = ("name", "type", "required", "default", "description")
    print_table(heads, [[_text(each.get(head)) for head in heads] for each in arguments])


def _line(layer: RelationLayer) -> dict[str, Any]:
    return {
        "id": layer.id,
        "kind": KINDS[layer.kind],
        "type": layer.geometry.type,
        "srid": layer.geometry.crs.srid,
        "rows": layer.estimated_rows,
        "key": list(layer.key),
        "readers": sorted(layer.readers),
    }


def _layer(there: Backend, asked: str) -> Layer:
    """The layer as the login sees it; else as a role that it may take does, for nobody else asks on a terminal."""
    try:
        return there.catalog.layer(asked, ANONYMOUS)
    except NotFound:
        found = there.catalog.catalog().called(asked)
        if found is None:
            raise
        return found


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case dict():
            return "; ".join(f"{name}: {_text(member)}" for name, member in value.items())
    return str(value)
