"""What Flagstone's addresses answer, as OpenAPI 3.0 describes it."""

from __future__ import annotations

from typing import Any

Described = dict[str, Any]

TILE = "application/vnd.mapbox-vector-tile"
_PROBLEM = "application/problem+json"


def _schema(name: str) -> Described:
    return {"$ref": f"#/components/schemas/{name}"}


def _header(description: str) -> Described:
    return {"description": description, "schema": {"type": "string"}}


def _ok(description: str, media_type: str, schema: Described, **headers: Described) -> Described:
    content = {"description": description, "content": {media_type: {"schema": schema}}}
    return {"200": {**content, "headers": headers} if headers else content}


_HEADERS = {
    "ETag": _header("A hash of the tile, for If-None-Match."),
    "Cache-Control": _header("How long the tile may be kept."),
    "Flagstone-Tile": _header("`full`; `overview`, of what is stored for low zooms; `sampled`, one feature of each cell; or `limited`, where a limit left features out."),
}
_OBJECT: Described = {"type": "object"}
_LIST: Described = {"type": "array", "items": {"type": "object"}}
_HTML: Described = {"type": "string"}
_FAULTS = ("400", "403", "404", "500", "503", "504")


def answers() -> dict[str, Described]:
    """The answers by the key under which operations refer to them, each by status code."""
    tile = {
        **_ok("The tile.", TILE, {"type": "string", "format": "binary"}, **_HEADERS),
        "204": {"description": "The tile is empty.", "headers": _HEADERS},
        "304": {"description": "The client has this tile."},
    }
    tile["200"]["content"]["image/png"] = {"schema": {"type": "string", "format": "binary"}}
    made = {
        "tile": tile,
        "moved tile": {**tile, "301": _moved()},
        "moved": {"301": _moved()},
        "tilejson": _ok("TileJSON 3.0.0.", "application/json", _schema("tilejson")),
        "style": _ok("A MapLibre style.", "application/json", _OBJECT),
        "document": _ok("A JSON document.", "application/json", _OBJECT),
        "list": _ok("A JSON list.", "application/json", _LIST),
        "schema": _ok("A JSON schema.", "application/schema+json", _OBJECT),
        "openapi": _ok("This document.", "application/vnd.oai.openapi+json;version=3.0", _OBJECT),
        "page": _ok("A page for people.", "text/html", _HTML),
        "page or document": _both(),
        "text": _ok("Text.", "text/plain", {"type": "string"}),
        "file": _file(),
    }
    return {name: answer | {status: {"$ref": f"#/components/responses/{status}"} for status in _FAULTS} for name, answer in made.items()}


def faults() -> dict[str, Described]:
    """The problem documents by status code, for `components/responses`."""
    said = {
        "400": "A parameter has a value that cannot be used; `parameter` names it.",
        "403": "The database refused to read the layer.",
        "404": "There is no such layer, tile matrix set or tile; `nearest` are ids that look alike.",
        "500": "The database refused the query, or Flagstone failed; the log says why.",
        "503": "Not now: Retry-After says when to ask again.",
        "504": "The tile took longer than the statement timeout.",
    }
    content = {_PROBLEM: {"schema": _schema("problem")}}
    return {status: {"description": description, "content": content} for status, description in said.items()}


def schemas() -> dict[str, Described]:
    """The shapes that answers refer to."""
    text, number = {"type": "string"}, {"type": "number"}
    return {
        "problem": {
            "type": "object",
            "description": "RFC 9457.",
            "required": ["type", "title", "status", "detail", "request_id"],
            "properties": {
                "type": text, "title": text, "status": {"type": "integer"}, "detail": text, "request_id": text, "parameter": text,
                "nearest": {"type": "array", "items": text},
            },
        },
        "tilejson": {
            "type": "object",
            "description": "https://github.com/mapbox/tilejson-spec/tree/master/3.0.0",
            "required": ["tilejson", "tiles"],
            "properties": {
                "tilejson": text, "name": text, "description": text, "attribution": text,
                "tiles": {"type": "array", "items": text, "minItems": 1},
                "minzoom": {"type": "integer"}, "maxzoom": {"type": "integer"},
                "bounds": {"type": "array", "items": number, "minItems": 4, "maxItems": 4},
                "center": {"type": "array", "items": number, "minItems": 3, "maxItems": 3},
                "vector_layers": {"type": "array", "items": {"type": "object"}},
            },
        },
    }  # fmt: skip


def _moved() -> Described:
    return {"description": "The address that answers.", "headers": {"Location": _header("That address, relative to this one.")}}


def _both() -> Described:
    both = _ok("A page, or a JSON document.", "text/html", _HTML)
    both["200"]["content"]["application/json"] = {"schema": _OBJECT}
    return both


def _file() -> Described:
    answer = _ok("The file.", "text/css", {"type": "string"})
    for media_type in ("text/javascript", "image/svg+xml"):
        answer["200"]["content"][media_type] = {"schema": {"type": "string"}}
    answer["304"] = {"description": "The client has this file."}
    return answer
