"""What a relation's comment says: plain text, or a JSON object that names title, attribution and bounds as well."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from ..layers.bounds import WORLD, Bounds


class Comment(NamedTuple):
    """Texts are as the comment has them; whoever shows them to people escapes them. Bounds are lon/lat."""

    title: str | None = None
    description: str | None = None
    attribution: str | None = None
    bounds: Bounds | None = None


def parse(text: str | None) -> Comment:
    """A JSON object's known members; everything else, broken JSON too, is a description."""
    if text is None or not text.strip():
        return Comment()
    document = _json_object(text)
    if document is None:
        return Comment(description=text.strip())
    return Comment(
        title=_text(document, "title") or _text(document, "name"),
        description=_text(document, "description"),
        attribution=_text(document, "attribution"),
        bounds=_bounds(document.get("bounds")),
    )


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _text(document: dict[str, Any], member: str) -> str | None:
    value = document.get(member)
    return value.strip() or None if isinstance(value, str) else None


def _bounds(value: Any) -> Bounds | None:
    """[west, south, east, north] in degrees; west above east crosses ±180 (RFC 7946 §5.2)."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(edge, (int, float)) and not isinstance(edge, bool) for edge in value):
        return None
    west, south, east, north = edges = [float(edge) for edge in value]
    if not all(map(math.isfinite, edges)) or south > north:
        return None
    if not all(WORLD.xmin <= lon <= WORLD.xmax for lon in (west, east)):
        return None
    if not all(WORLD.ymin <= lat <= WORLD.ymax for lat in (south, north)):
        return None
    return Bounds(west, south, east, north)
