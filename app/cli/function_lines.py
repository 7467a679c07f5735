"""Functions and registered statements as `flask catalog` prints them."""

from __future__ import annotations

from typing import Any

from ..documents.catalog import kind
from ..documents.functions import arguments
from ..layers.function import TileFunctionLayer
from ..layers.layer import Layer, RowLayer


def line(layer: Layer) -> dict[str, Any]:
    """What a list shows of it, under the same heads as a table."""
    rows = layer if isinstance(layer, RowLayer) else None
    return {
        "id": layer.id,
        "kind": kind(layer),
        "type": rows.geometry.type if rows else "TILE",
        "srid": rows.geometry.crs.srid if rows else None,
        "rows": rows.estimated_rows if rows else None,
        "key": list(rows.key) if rows else [],
        "readers": sorted(layer.callers if isinstance(layer, TileFunctionLayer) else rows.readers if rows else [layer.login]),
    }


def details(layer: Layer) -> dict[str, Any]:
    """What is shown of one alone."""
    document: dict[str, Any] = {
        **line(layer), "title": layer.title, "description": layer.description, "attribution": layer.attribution,
    }  # fmt: skip
    if isinstance(layer, TileFunctionLayer):
        document |= {"call": layer.call.value, "media_type": layer.media_type, "volatility": layer.volatility}
    return {**document, "arguments": arguments(layer)}
