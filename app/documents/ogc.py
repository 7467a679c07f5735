"""OGC API Common's documents: the links of the landing page, conformance, collections and what can be asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..layers.bounds import Bounds
from ..layers.column import Cast, Column
from ..layers.composite import Composite
from ..layers.identity import Identity
from ..layers.layer import Layer, RowLayer
from . import attribution
from .addresses import Addresses
from .ogc_links import (
    CONFORMANCE,
    CRS84,
    DATA,
    HTML,
    JSON,
    QUERYABLES,
    SCHEMA,
    TILESETS_VECTOR,
    TILING_SCHEMES,
    link,
)

_TILES = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf"
_GRIDS = "http://www.opengis.net/spec/tms/2.0/conf"
_FILTERS = "http://www.opengis.net/spec/cql2/1.0/conf"
CONFORMS_TO = (
    f"{_TILES}/core",
    f"{_TILES}/tileset",
    f"{_TILES}/tilesets-list",
    f"{_TILES}/dataset-tilesets",
    f"{_TILES}/geodata-tilesets",
    f"{_TILES}/collections-selection",
    f"{_TILES}/mvt",
    f"{_GRIDS}/tilematrixset",
    f"{_GRIDS}/json-tilematrixset",
    f"{_GRIDS}/tilematrixsetlimits",
    f"{_GRIDS}/json-tilematrixsetlimits",
    f"{_GRIDS}/tilesetmetadata",
    f"{_GRIDS}/json-tilesetmetadata",
    f"{_FILTERS}/cql2-text",
    f"{_FILTERS}/cql2-json",
    f"{_FILTERS}/basic-cql2",
    f"{_FILTERS}/advanced-comparison-operators",
    f"{_FILTERS}/case-insensitive-comparison",
    f"{_FILTERS}/accent-insensitive-comparison",
    f"{_FILTERS}/basic-spatial-functions",
    f"{_FILTERS}/basic-spatial-functions-plus",
    f"{_FILTERS}/spatial-functions",
    f"{_FILTERS}/temporal-functions",
    f"{_FILTERS}/array-functions",
    f"{_FILTERS}/arithmetic",
)
"""Each is held by a test of tests/test_ogc_tiles.py, those of CQL2 by tests/test_cql2_conformance.py. Of CQL2's,
`functions` is not among them, nor `property-property`: a spatial or array operator of two literals is refused. OGC API Common is none of them: its core class wants a 400 for every
parameter that is not known (19-072 /req/core/query-param-name-unknown), and here such a parameter is ignored."""

_DIMENSIONS = {
    "POINT": 0, "MULTIPOINT": 0, "LINESTRING": 1, "MULTILINESTRING": 1, "CIRCULARSTRING": 1, "COMPOUNDCURVE": 1,
    "MULTICURVE": 1, "POLYGON": 2, "MULTIPOLYGON": 2, "CURVEPOLYGON": 2, "MULTISURFACE": 2, "TRIANGLE": 2, "TIN": 2,
    "POLYHEDRALSURFACE": 2,
}  # fmt: skip
_FORMATS = {
    "POINT": "point", "MULTIPOINT": "multipoint", "LINESTRING": "linestring", "MULTILINESTRING": "multilinestring",
    "POLYGON": "polygon", "MULTIPOLYGON": "multipolygon", "GEOMETRYCOLLECTION": "geometrycollection",
}  # fmt: skip
_TYPES: Mapping[str, dict[str, str]] = {
    **{name: {"type": "integer"} for name in ("int2", "int4", "int8")},
    **{name: {"type": "number"} for name in ("float4", "float8", "numeric")},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    **{name: {"type": "string", "format": "date-time"} for name in ("timestamp", "timestamptz")},
    "uuid": {"type": "string", "format": "uuid"},
}


def landing_links(name: str, addresses: Addresses) -> list[dict[str, Any]]:
    """What `/` leads to (OGC 19-072 /req/landing-page, OGC 20-057 /req/dataset-tilesets/landingpage)."""
    openapi = "application/vnd.oai.openapi+json;version=3.0"
    return [
        link(addresses.home(), "self", JSON, name),
        link(f"{addresses.home()}?f=html", "alternate", HTML, f"{name} as a page"),
        link(addresses.path("api"), "service-desc", openapi, "The API's definition"),
        link(addresses.path("api.html"), "service-doc", HTML, "The API's documentation"),
        *(
            link(addresses.path("conformance"), rel, JSON, "The conformance classes of this server")
            for rel in (CONFORMANCE, "conformance")
        ),
        *(link(addresses.path("collections"), rel, JSON, "The collections") for rel in (DATA, "data")),
        link(addresses.path("tileMatrixSets"), TILING_SCHEMES, JSON, "The tile matrix sets"),
        link(addresses.tilesets(None), TILESETS_VECTOR, JSON, "Vector tiles of several collections"),
    ]


def conformance() -> dict[str, Any]:
    """The classes that the tests prove."""
    return {"conformsTo": list(CONFORMS_TO)}


def collections(documents: Sequence[dict[str, Any]], matched: int, links: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of the collections, of which there are `matched`."""
    return {"links": links, "numberMatched": matched, "numberReturned": len(documents), "collections": list(documents)}


def collection(layer: Layer | Composite, found: Bounds | None, default_grid: str, addresses: Addresses) -> dict[str, Any]:
    """One layer, or composite, as a collection. `found` is its extent in longitude and latitude, None where that is not known."""
    home = addresses.collection(layer.id)
    texts = {
        "title": layer.title or layer.id,
        "description": layer.description,
        "attribution": attribution.text_and_links(layer.attribution),
    }
    extent = {"extent": {"spatial": {"bbox": [found.as_list()], "crs": CRS84}}} if found else {}
    return {
        "id": layer.id,
        **{name: text for name, text in texts.items() if text},
        **extent,
        "crs": [CRS84],
        "dataType": "vector",
        **dimension(layer),
        "links": [
            link(home, "self", JSON, layer.id),
            link(addresses.tilesets(layer.id), TILESETS_VECTOR, JSON, f"Vector tiles of {layer.id}"),
            link(f"{home}/queryables", QUERYABLES, SCHEMA, f"What can be asked of {layer.id}"),
            link(f"{addresses.tileset(layer.id, default_grid)}/tilejson.json", "describedby", JSON, "TileJSON"),
            link(addresses.viewer([layer.id]), "preview", HTML, f"A map of {layer.id}"),
        ],
    }


def dimension(layer: Layer | Composite) -> dict[str, int]:
    """`geometryDimension`; left out where the layer's geometries may be of several."""
    geometry_type = layer.geometry.type if isinstance(layer, RowLayer) else ""
    return {"geometryDimension": _DIMENSIONS[geometry_type]} if geometry_type in _DIMENSIONS else {}


def queryables(
    named: Layer | Composite, layers: Sequence[Layer], identity: Identity, addresses: Addresses
) -> dict[str, Any]:
    """A JSON Schema of what a filter may name (OGC 19-079r2 §6.2), as this identity may read it.

    A filter of a composite holds for all of its `layers`, so it may name what all of them have.
    """
    rows = [layer for layer in layers if isinstance(layer, RowLayer)]
    properties: dict[str, Any] = {}
    if len({layer.geometry.name for layer in rows}) == 1:
        name, kinds = rows[0].geometry.name, {_FORMATS.get(layer.geometry.type, "any") for layer in rows}
        kind = kinds.pop() if len(kinds) == 1 else "any"
        properties[name] = {"title": name, "x-ogc-role": "primary-geometry", "format": f"geometry-{kind}"}
    each_ones = [{column.name: column for column in layer.columns_for(identity)} for layer in rows]
    for name, column in (each_ones[0] if each_ones else {}).items():
        if all(name in others and others[name].base_type == column.base_type for others in each_ones):
            properties[name] = property_schema(column)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{addresses.collection(named.id)}/queryables",
        "type": "object",
        "title": named.title or named.id,
        **({"description": named.description} if named.description else {}),
        "properties": properties,
        "additionalProperties": False,
    }


def property_schema(column: Column) -> dict[str, Any]:
    """One attribute as JSON Schema."""
    described = {"description": column.description} if column.description else {}
    return {"title": column.name, **described, **_type(column)}


def _type(column: Column) -> dict[str, str]:
    match column.configured:
        case Cast.OPEN:
            return {"type": "object"}
        case Cast.TEXT:
            return {"type": "string"}
    return _TYPES.get(column.base_type, {"type": "string"})
