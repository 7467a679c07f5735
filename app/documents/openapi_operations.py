"""Every address of Flagstone, blueprint by blueprint: its template, what it gives, its parameters, its answer.

Parameters and answers are keys of `openapi_parameters` and `openapi_answers`.
"""

from __future__ import annotations

from typing import NamedTuple

_ROWS = (
    "columns", "properties", "limit", "sortby", "ids", "bbox", "bbox-crs", "datetime", "datetime-column", "geom-column", "filter",
    "filter-lang", "filter-crs",
)  # fmt: skip
_DRAWING = ("resolution", "buffer", "clip", "simplify")
_TILE = (*_ROWS, *_DRAWING)
_MAP = ("grid", "minzoom", "maxzoom", *_TILE)
_ZXY = ("layers", "z", "x", "y")


class Operation(NamedTuple):
    """A GET. Names in the template's braces are parameters in the path; `query` are the others."""

    path: str
    summary: str
    path_parameters: tuple[str, ...]
    query: tuple[str, ...]
    answer: str


OPERATIONS: dict[str, tuple[Operation, ...]] = {
    "Tiles": (
        Operation(
            "/tiles/{layers}/{z}/{x}/{y}",
            "A tile in the default tile matrix set; `.pbf` or `.mvt` may follow. Where the first part is the id of a tile matrix"
            " set, it is OGC API's tile of the dataset: tile matrix, row, column.",
            _ZXY, ("grid", "collections", *_TILE), "tile"),
        Operation("/tiles/{tileMatrixSetId}/{layers}/{z}/{x}/{y}", "A tile in another tile matrix set.",
                  ("tileMatrixSetId", *_ZXY), _TILE, "tile"),
        Operation("/tiles/{tileMatrixSetId}", "What tiles the dataset has in a tile matrix set.",
                  ("tileMatrixSetId",), ("collections",), "document"),
    ),
    "Maps": (
        Operation("/{layers}/tilejson.json", "TileJSON; the query string goes on to the tiles.", ("layers",), _MAP, "tilejson"),
        Operation("/{tileMatrixSetId}/{layers}/tilejson.json", "TileJSON of tiles in another tile matrix set.",
                  ("tileMatrixSetId", "layers"), _MAP, "tilejson"),
        Operation("/{layers}/style.json", "A MapLibre style.", ("layers",), _MAP, "style"),
        Operation("/{layers}/viewer", "A page with a map.", ("layers",), _MAP, "page"),
        Operation("/vendor/maplibre-gl/{file}", "The map library of that page.", ("library",), (), "file"),
        Operation("/static/{file}", "Scripts and styles of the pages.", ("file",), (), "file"),
    ),
    "Catalog": (
        Operation("/", "The catalog: a page for people, JSON for programs.", (), ("f", "q", "page"), "page or document"),
        Operation("/tables.json", "Every table and view.", (), (), "list"),
        Operation("/table/{layer}.json", "One table or view.", ("layer",), (), "document"),
        Operation("/functions.json", "Every function.", (), (), "list"),
        Operation("/function/{layer}.json", "One function, with its arguments.", ("layer",), (), "document"),
        Operation("/tileMatrixSets", "The tile matrix sets.", (), (), "document"),
        Operation("/tileMatrixSets/{tileMatrixSetId}", "One tile matrix set (OGC 17-083r4).", ("tileMatrixSetId",), (), "document"),
    ),
    "OGC API": (
        Operation("/conformance", "The conformance classes that are held.", (), (), "document"),
        Operation("/collections", "The layers as collections.",
                  (), ("collection-type", "collection-bbox", "collection-datetime", "page-limit", "offset"), "document"),
        Operation("/collections/{collectionId}", "One collection.", ("collectionId",), (), "document"),
        Operation("/collections/{collectionId}/queryables", "What a filter may name.", ("collectionId",), (), "schema"),
        Operation("/collections/{collectionId}/tiles", "The tilesets of a collection.", ("collectionId",), (), "document"),
        Operation("/collections/{collectionId}/tiles/{tileMatrixSetId}", "One tileset.",
                  ("collectionId", "tileMatrixSetId"), _TILE, "document"),
        Operation("/collections/{collectionId}/tiles/{tileMatrixSetId}/{z}/{row}/{column}", "A tile: row before column.",
                  ("collectionId", "tileMatrixSetId", "z", "row", "column"), _TILE, "tile"),
        Operation("/collections/{collectionId}/tiles/{z}/{x}/{y}", "A tile as tipg before 1.0 had it: column before row.",
                  ("collectionId", "z", "x", "y"), ("grid", *_TILE), "tile"),
        Operation("/collections/{collectionId}/tiles/{tileMatrixSetId}/tilejson.json", "TileJSON of a tileset.",
                  ("collectionId", "tileMatrixSetId"), _TILE, "tilejson"),
        Operation("/collections/{collectionId}/tiles/{tileMatrixSetId}/style.json", "A MapLibre style of a tileset.",
                  ("collectionId", "tileMatrixSetId"), _TILE, "style"),
        Operation("/tiles", "The tilesets of the dataset.", (), ("collections",), "document"),
        Operation("/api", "This document.", (), ("described",), "openapi"),
        Operation("/api.html", "This document as a page.", (), ("described",), "page"),
    ),
    "Addresses of pg_tileserv": (
        Operation("/index.json", "Every layer.", (), (), "document"),
        Operation("/{layer}.json", "One layer.", ("layer",), (), "document"),
        Operation("/{layers}/{z}/{x}/{y}.pbf", "A tile.", _ZXY, _TILE, "moved tile"),
        Operation("/{layers}/{z}/{x}/{y}.mvt", "A tile.", _ZXY, _TILE, "moved tile"),
    ),
    "Addresses of Martin": (
        Operation("/catalog", "Every source.", (), (), "document"),
        Operation("/{layers}", "TileJSON of sources.", ("layers",), _TILE, "tilejson"),
        Operation("/{layers}/{z}/{x}/{y}", "A tile.", _ZXY, _TILE, "tile"),
    ),
    "Old addresses that lead on": (
        Operation("/openapi.json", "To `/api`.", (), (), "moved"),
        Operation("/docs", "To `/api.html`.", (), (), "moved"),
        Operation("/_/metrics", "To `/metrics`.", (), (), "moved"),
        Operation("/index.html", "To the catalog page.", (), (), "moved"),
        Operation("/{layer}.html", "To the layer's map.", ("layer",), (), "moved"),
        Operation("/{layers}/{z}/{x}/{y}.mlt", "To the tile without a suffix.", _ZXY, (), "moved"),
        *(
            Operation(f"/collections/{{collectionId}}/{path}", f"To {what}.", ("collectionId", "tileMatrixSetId"), (), "moved")
            for path, what in (
                ("tiles/{tileMatrixSetId}/map.html", "the layer's map"),
                ("tiles/{tileMatrixSetId}/viewer", "the layer's map"),
                ("{tileMatrixSetId}/viewer", "the layer's map"),
                ("{tileMatrixSetId}/tilejson.json", "the tileset's TileJSON"),
                ("{tileMatrixSetId}/style.json", "the tileset's style"),
            )
        ),
        *(
            Operation(f"/collections/{{collectionId}}/{path}", f"To {what}.", ("collectionId",), (), "moved")
            for path, what in (
                ("tilejson.json", "the layer's TileJSON"), ("style.json", "its style"), ("viewer", "its map"),
            )
        ),
    ),
    "Health": (
        Operation("/livez", "The process answers.", (), (), "document"),
        Operation("/health", "The process answers, in Martin's and pg_tileserv's word.", (), (), "text"),
        Operation("/readyz", "The database answers and the catalog is read.", (), (), "document"),
        Operation("/healthz", "As `/readyz`, by TiMVT's name.", (), (), "document"),
        Operation("/metrics", "Prometheus' text format.", (), (), "text"),
    ),
}
"""In the order in which the page shows them."""
