"""Martin's documents: its catalog, and a source as TileJSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..layers.bounds import Bounds
from ..layers.composite import Composite
from ..layers.function import TileFunctionLayer
from ..layers.layer import Layer
from ..layers.relation import RelationLayer
from . import attribution
from .addresses import Addresses
from .sheet import Sheet
from .tilejson import tilejson

_CONTENT_TYPE = "application/x-protobuf"
"""How Martin's catalog says that a source has vector tiles; programs that read it look for this word."""


def catalog(sources: Mapping[str, Layer], composites: Iterable[Composite]) -> dict[str, Any]:
    """Every source by its id. There are tiles only: sprites, fonts and styles are empty, as Martin writes them then."""
    entries = {name: _entry(layer) for name, layer in sources.items()}
    for composite in composites:
        described = _texts(composite, composite.description or composite.name)
        entries[composite.name] = {"content_type": _CONTENT_TYPE, **described}
    return {
        "tiles": {name: entries[name] for name in sorted(entries)},
        "sprites": {},
        "fonts": {},
        "styles": {},
    }


def _entry(layer: Layer) -> dict[str, Any]:
    content_type = layer.media_type if isinstance(layer, TileFunctionLayer) and layer.is_raster else _CONTENT_TYPE
    return {"content_type": content_type, **_texts(layer, layer.description or _where(layer))}


def _where(layer: Layer) -> str:
    """Without a comment Martin describes a table, or a function, by where it is. A statement is nowhere in the database."""
    if not layer.schema:
        return f"Statement {layer.name}"
    column = [layer.geometry.name] if isinstance(layer, RelationLayer) else []
    return ".".join([layer.schema, layer.name, *column])


def _texts(named: Layer | Composite, description: str) -> dict[str, str]:
    texts = {
        "name": named.title,
        "description": description,
        "attribution": attribution.text_and_links(named.attribution),
    }
    return {name: text for name, text in texts.items() if text}


def source(
    sheet: Sheet, names: Sequence[str], found: Sequence[Bounds | None], addresses: Addresses, default_grid: str
) -> dict[str, Any]:
    """TileJSON of sources by these names."""
    # Its addresses have no place for a grid, so one that is not the default stays in the query string.
    grid = "" if sheet.grid.id == default_grid else f"TileMatrixSetId={quote(sheet.grid.id, safe='')}"
    query = "&".join(filter(None, [grid, sheet.tile_query]))
    document = tilejson(sheet, found, addresses.martin_tiles(names, query))
    return document | {"name": ",".join(names)}
