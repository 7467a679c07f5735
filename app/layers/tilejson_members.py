"""Further members of a layer's TileJSON that somebody wrote into a comment: those that can be what TileJSON 3.0.0 says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

OURS = frozenset({
    "tilejson", "tiles", "scheme", "grids", "data", "encoding", "tileMatrixSet", "minzoom", "maxzoom", "bounds",
    "vector_layers", "raster_layers", "arguments", "format", "media_type", "crs", "json", "urls",
})  # fmt: skip
"""What a document says of the tiles themselves, and where clients would load other things from."""
MARKUP = frozenset({"attribution", "legend", "template", "htmlAttribution"})
"""Maps may put these into the page as HTML."""
TILE_SIZES = range(64, 8193)

_TEXTS = MARKUP | {"name", "description"}
_OF_OBJECTS = frozenset({"__proto__", "constructor", "prototype"})
"""A page that copies members one by one would change its own objects by these."""
_RUNS_CODE = ("javascript:", "vbscript:", "data:text/html", "data:application/xhtml")
_IGNORED_BY_BROWSERS = re.compile(r"[\x00-\x20]+")
_DEEPEST = 16
# semver.org, the regular expression of version 2.0.0, which TileJSON 3.0.0 §3.17 refers to
_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)
_LONGEST_VERSION = 100


class Judged(NamedTuple):
    """`members` may go into TileJSON, None to take one away; `unusable` are names of those that cannot."""

    members: dict[str, Any]
    unusable: tuple[str, ...]


def judged(said: Mapping[str, Any]) -> Judged:
    """The members of a comment. Those that speak of the tiles are nobody's fault: other servers take them."""
    members: dict[str, Any] = {}
    unusable = []
    for name, value in said.items():
        if name in OURS:
            continue
        try:
            cleaned = _cleaned(value, _DEEPEST)
        except _TooDeepError:
            cleaned = _LEFT_OUT
        if cleaned is _LEFT_OUT or name in _OF_OBJECTS or not _fits(name, cleaned):
            unusable.append(name)
        else:
            members[name] = cleaned
    return Judged(members, tuple(unusable))


_LEFT_OUT = object()


class _TooDeepError(Exception):
    """Whoever merges and writes it goes down as far; half of it would mean something else."""


def _cleaned(value: Any, deepest: int) -> Any:
    """The value without what would run as code, or could not be written again."""
    if isinstance(value, str):
        start = _IGNORED_BY_BROWSERS.sub("", value[:1000]).lower()
        return _LEFT_OUT if start.startswith(_RUNS_CODE) else value
    if isinstance(value, float):
        return value if math.isfinite(value) else _LEFT_OUT
    if not isinstance(value, (dict, list)):
        return value
    if deepest == 0:
        raise _TooDeepError
    if isinstance(value, list):
        return [each for each in (_cleaned(each, deepest - 1) for each in value) if each is not _LEFT_OUT]
    found = {name: _cleaned(each, deepest - 1) for name, each in value.items() if name not in _OF_OBJECTS}
    return {name: each for name, each in found.items() if each is not _LEFT_OUT}


def _fits(name: str, value: Any) -> bool:
    """Whether it is of the kind that TileJSON wants; whether it fits the document, only the document tells."""
    if value is None:
        return True
    if name in _TEXTS:
        return isinstance(value, str)
    match name:
        case "version":
            return (
                isinstance(value, str)
                and len(value) <= _LONGEST_VERSION
                and _VERSION.fullmatch(value) is not None
            )
        case "center":
            return _is_center(value)
        case "fillzoom":
            return _is_whole(value) and 0 <= value <= 30
        case "tileSize":
            return _is_whole(value) and value in TILE_SIZES
    return True


def _is_center(value: Any) -> bool:
    """Longitude, latitude and zoom (TileJSON 3.0.0 §3.6)."""
    if not isinstance(value, list) or len(value) != 3:
        return False
    longitude, latitude, zoom = value
    if not all(
        isinstance(each, (int, float)) and not isinstance(each, bool) for each in (longitude, latitude)
    ):
        return False
    return -180 <= longitude <= 180 and -90 <= latitude <= 90 and _is_whole(zoom) and 0 <= zoom <= 30


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
