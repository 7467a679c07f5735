"""The parameters of Flagstone's addresses as OpenAPI 3.0 describes them: types, limits, defaults, examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.collections_asked import TYPES
from ..layers.identity import Identity
from ..layers.layer import Layer, RowLayer
from ..layers.member import Member
from ..layers.parameters import KNOWN
from ..layers.served import served
from ..settings import Settings

Described = dict[str, Any]

_TYPES = {"Number": "number", "Boolean": "boolean", "String": "string", "Object": "object"}
_NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})


def parameters(settings: Settings, grids: Sequence[str], layers: Sequence[str], zooms: tuple[int, int]) -> dict[str, Described]:
    """Every parameter by the key under which operations refer to it. `layers` are ids to show as examples; `zooms` are the
    lowest and highest that any of the `grids` has."""
    example = layers[0] if layers else "public.roads"
    number = {"type": "integer", "minimum": 0}
    return {
        # --- in the path
        "layer": _path("layer", "A layer's id, or its name alone where that is clear.", _text(1), example),
        "layers": _path("layers", "A layer's id, or several with commas between: one tile with all of them.", _text(1), example),
        "collectionId": _path("collectionId", "A layer's id.", _text(1), example),
        "tileMatrixSetId": _path("tileMatrixSetId", "A tile matrix set.", {"type": "string", "enum": list(grids)}, settings.default_grid),
        "z": _path("z", "Zoom: the id of the tile matrix.", {"type": "integer", "minimum": zooms[0], "maximum": zooms[1]}, 0),
        "x": _path("x", "Column of the tile, counted from the left.", number, 0),
        "y": _path("y", "Row of the tile, counted from the top.", number, 0),
        "row": _path("row", "Row of the tile, counted from the top.", number, 0),
        "column": _path("column", "Column of the tile, counted from the left.", number, 0),
        "file": _path("file", "A file's name.", _text(1), "flagstone.css"),
        "library": _path("file", "A file of MapLibre GL JS.", _text(1), "maplibre-gl.css"),
        # --- which rows and attributes a tile holds
        "columns": _query("columns", "Attributes with commas between; empty for none. Default: all.", {"type": "string"}, None),
        "properties": _query("properties", "As `columns`, by the name that OGC API and pg_tileserv have.", {"type": "string"}, None),
        "limit": _query(
            "limit", f"Most features of a layer; -1, and more than {settings.max_features}, mean {settings.max_features}.",
            {"type": "integer", "minimum": -1, "default": settings.max_features}, 100),
        "sortby": _query("sortby", "Columns by which features come first where a limit cuts; `-` before one turns it.", _text(), None),
        "ids": _query("ids", "Features with these ids, commas between.", _text(), None),
        "bbox": _query(
            "bbox", "Features that meet this box: west, south, east, north.",
            {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}, None, style="form", explode=False),
        "bbox-crs": _query("bbox-crs", "The reference system of `bbox`. Default: longitude and latitude.", _text(), None),
        "datetime": _query("datetime", "An instant or interval (RFC 3339), `..` for an open end.", _text(), None),
        "datetime-column": _query("datetime-column", "The column that `datetime` is about.", _text(), None),
        "geom-column": _query("geom-column", "A geometry column, where the layer has several.", _text(), None),
        "filter": _query("filter", "A CQL2 expression on the layer's columns.", _text(), None),
        "filter-lang": _query(
            "filter-lang", "How `filter` is written.",
            {"type": "string", "enum": ["cql2-text", "cql2-json"], "default": "cql2-text"}, "cql2-text"),
        "filter-crs": _query("filter-crs", "The reference system of geometries in `filter`.", _text(), None),
        # --- how a tile is drawn
        "resolution": _query(
            "resolution", "Units along the tile's edge (the MVT extent).",
            {"type": "integer", "minimum": 1, "maximum": settings.max_tile_extent, "default": settings.tile_extent},
            settings.tile_extent),
        "buffer": _query(
            "buffer", f"Units around the tile that are drawn too, at most {settings.max_buffer_ratio:g} of `resolution`.",
            {"type": "integer", "minimum": 0, "maximum": int(settings.max_tile_extent * settings.max_buffer_ratio),
             "default": settings.tile_buffer}, 64),
        "clip": _query("clip", "Whether geometries end at the buffer's edge.", {"type": "boolean", "default": True}, True),
        "simplify": _query("simplify", "Whether detail below half a pixel is left out.", {"type": "boolean", "default": True}, True),
        # --- documents
        "grid": _query(
            "TileMatrixSetId", "A tile matrix set.",
            {"type": "string", "enum": list(grids), "default": settings.default_grid}, settings.default_grid),
        "minzoom": _query("minzoom", "Lowest zoom to state.", {"type": "integer", "minimum": 0, "maximum": 30}, 0),
        "maxzoom": _query("maxzoom", "Highest zoom to state.", {"type": "integer", "minimum": 0, "maximum": 30}, 14),
        "collections": _query("collections", "Layer ids with commas between. Default: all.", _text(), example),
        "f": _query("f", "The form of the answer, over the Accept header.", {"type": "string", "enum": ["html", "json"]}, "json"),
        "q": _query("q", "Words that the layers of the page have in name or description.", _text(), None),
        "page": _query("page", "Page of the list.", {"type": "integer", "minimum": 1, "default": 1}, 1),
        "collection-type": _query("type", "Collections of tables and views, or of functions.", {"type": "string", "enum": list(TYPES)}, None),
        "collection-bbox": _query(
            "bbox", "Collections whose extent meets this box, or is not known: west, south, east, north.",
            {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6}, None, style="form", explode=False),
        "collection-datetime": _query(
            "datetime", "An instant or interval (RFC 3339). No collection states its time, and so none is left out.", _text(), None),
        "page-limit": _query("limit", "Most collections in the answer.", {"type": "integer", "minimum": 1}, 10),
        "offset": _query("offset", "Collections to leave out at the beginning.", {"type": "integer", "minimum": 0, "default": 0}, 0),
        "described": _query("layer", "A layer or named composite, whose columns and arguments are then in the document.", _text(), example),
    }  # fmt: skip


def own_parameters(members: Sequence[Member], identity: Identity) -> list[Described]:
    """The parameters that only these layers have: their arguments, and their columns, each of which can be asked to be
    equal. Those of a composite's layers have the layer's name in front, where it may also be left away."""
    return [
        described if member.composite is None else {**described, "name": f"{member.name}.{described['name']}", "required": False}
        for member in members
        for described in _own(member.layer, identity)
    ]


def _own(layer: Layer, identity: Identity) -> list[Described]:
    arguments = [
        _query(each.name, each.description or f"Argument of the function, {each.type}.", _argument_schema(each), None)
        | ({} if each.has_default else {"required": True})
        for each in getattr(layer, "arguments", ())
    ]
    taken = KNOWN | {described["name"] for described in arguments}
    columns = layer.columns_for(identity) if isinstance(layer, RowLayer) else ()
    return arguments + [
        _query(column.name, f"Features whose {column.name} ({column.type}) equals this.", {"type": "string"}, None)
        for column in columns
        if column.name not in taken
    ]


def attributes(members: Sequence[Member], settings: Settings, identity: Identity) -> Described:
    """The attributes of a feature in these layers' tiles, in the types in which tiles carry them; a composite's by the
    names of the layers inside the tile."""
    composite = members[0].composite
    if composite is None:
        return _attributes(members[0].layer, settings, identity)
    each = {member.name: _attributes(member.layer, settings, identity) for member in members}
    return {"type": "object", "description": f"Attributes of the features of {composite.id}, by their layers.", "properties": each}


def _attributes(layer: Layer, settings: Settings, identity: Identity) -> Described:
    named = {
        column.name: {"type": _TYPES[column.served_type.value], "description": column.description or column.type}
        for column in served(layer.columns_for(identity), layer.options, settings)
    }
    return {"type": "object", "description": f"Attributes of a feature of {layer.id}.", "properties": named}


def _argument_schema(argument: Any) -> Described:
    if argument.base_type == "bool":
        schema: Described = {"type": "boolean"}
    elif argument.base_type in _NUMBERS:
        schema = {"type": "integer" if argument.base_type.startswith("int") else "number"}
    else:
        schema = {"type": "string"}
    # As it is written in the database, an expression: OpenAPI's own `default` would be a value.
    return schema if argument.default is None else {**schema, "description": f"Default: {argument.default}"}


def _text(shortest: int = 0) -> Described:
    return {"type": "string", **({"minLength": shortest} if shortest else {})}


def _path(name: str, description: str, schema: Described, example: Any) -> Described:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema, "example": example}


def _query(name: str, description: str, schema: Described, example: Any, **more: Any) -> Described:
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": "query", "description": description, "schema": schema, **more, **shown}
