"""JSON Merge Patch (RFC 7396), and what of a comment's JSON may change a TileJSON document."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .attribution import text_and_links

_OURS = frozenset({
    "tilejson", "tiles", "scheme", "grids", "data", "encoding", "tileMatrixSet", "minzoom", "maxzoom", "bounds",
    "vector_layers",
})  # fmt: skip
"""What a document says of the tiles themselves, and where clients would load other things from."""
_TEXTS = frozenset({"name", "description", "version"})
_MARKUP = frozenset({"attribution", "legend", "template"})
"""Maps may put these into the page as HTML."""


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
    """TileJSON with the members of a comment. Those that cannot be what TileJSON says they are stay away."""
    patch = {name: value for name, member in members.items() if (value := _usable(name, member, document)) is not _LEFT_OUT}
    result: dict[str, Any] = merged(document, patch)
    return result


_LEFT_OUT = object()


def _usable(name: str, value: Any, document: Mapping[str, Any]) -> Any:
    if name in _OURS:
        return _LEFT_OUT
    if value is None:
        return _LEFT_OUT if name == "name" else None
    if name in _MARKUP:
        text = text_and_links(value) if isinstance(value, str) else None
        return text if text is not None else _LEFT_OUT
    if name in _TEXTS:
        return value if isinstance(value, str) else _LEFT_OUT
    if name == "center":
        return value if _is_center(value, document["bounds"]) else _LEFT_OUT
    if name == "fillzoom":
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 30 else _LEFT_OUT
    return value


def _is_center(value: Any, bounds: list[float]) -> bool:
    """Longitude, latitude and zoom, within the bounds (TileJSON 3.0.0 §3.6)."""
    if not isinstance(value, list) or len(value) != 3:
        return False
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) and math.isfinite(each) for each in value):
        return False
    west, south, east, north = bounds
    longitude, latitude, zoom = map(float, value)
    return west <= longitude <= east and south <= latitude <= north and 0 <= zoom <= 30
