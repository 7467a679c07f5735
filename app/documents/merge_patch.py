"""JSON Merge Patch (RFC 7396), and what of a comment's JSON may change a TileJSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..layers.tilejson_members import MARKUP, OURS
from .attribution import text_and_links


def merged(target: Any, patch: Any) -> Any:
    """The document with a patch applied; neither of them is changed (RFC 7396 §2)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def patched(document: dict[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """TileJSON with the members of a comment (`layers/tilejson_members.py`). Those that do not fit this document stay away."""
    patch = {name: value for name, member in members.items() if (value := _usable(name, member, document)) is not _LEFT_OUT}
    result: dict[str, Any] = merged(document, patch)
    return result


_LEFT_OUT = object()


def _usable(name: str, value: Any, document: Mapping[str, Any]) -> Any:
    if name in OURS:
        return _LEFT_OUT
    if value is None:
        return _LEFT_OUT if name == "name" else None
    if name in MARKUP:
        text = text_and_links(value)
        return text if text is not None else _LEFT_OUT
    if name == "center":
        return value if _is_inside(value, document) else _LEFT_OUT
    if name == "fillzoom":
        return value if document["minzoom"] <= value <= document["maxzoom"] else _LEFT_OUT
    if name == "tileSize":
        # Of pictures only: MapLibre refuses a source of vectors that says it.
        return value if "vector_layers" not in document else _LEFT_OUT
    return value


def _is_inside(center: list[float], document: Mapping[str, Any]) -> bool:
    """Within bounds and zooms of the document (TileJSON 3.0.0 §3.6)."""
    west, south, east, north = document["bounds"]
    longitude, latitude, zoom = center
    return bool(west <= longitude <= east and south <= latitude <= north and document["minzoom"] <= zoom <= document["maxzoom"])
