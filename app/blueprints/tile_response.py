"""A cached entry as an HTTP response: coding, validator, freshness (RFC 9110, RFC 9111)."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

from .. import metrics
from ..caching.entry import Entry
from ..documents.addresses import layers_part
from ..settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
# What a function returns may be a page or a drawing with a script in it: opened by itself it must not run as ours.
_HARMLESS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
]
_REVALIDATE = "public, max-age=0, must-revalidate"


class TileResponse(Response):
    """A response whose headers are complete and our own: flask would look through them twice and copy them."""

    default_mimetype = None

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        complete = Headers()
        # Past the check of each value for line breaks: none of these comes from a client.
        complete._list = headers  # noqa: SLF001  # see above
        super().__init__([body], status, complete)

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers


def tile_response(entry: Entry, lifetime_s: int, asked: Headers, settings: Settings) -> Response:
    """200 with the tile, 204 where it is empty, 304 where the client has it already."""
    _count(entry)
    gzip = entry.is_gzip and accepts_gzip(asked.get("Accept-Encoding", ""))
    tag = f'"{entry.etag}-gzip"' if gzip else f'"{entry.etag}"'
    headers = [
        ("Vary", "Accept-Encoding"),
        ("Flagstone-Tile", _said(entry)),
    ]
    if entry.missing:
        # No validator and no place in any cache: the next one may have what is missing here.
        headers.append(("Cache-Control", "no-store"))
    else:
        headers += [("ETag", tag), ("Cache-Control", _cache_control(entry, lifetime_s, settings))]
    if not entry.missing and matches(asked.get("If-None-Match"), tag):
        return TileResponse(304, headers)
    if not entry.body:
        return TileResponse(204, headers)
    body = entry.body if gzip else entry.raw()
    headers.append(("Content-Type", entry.media_type or MEDIA_TYPE))
    if entry.media_type:
        headers += _HARMLESS
    if gzip:
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    return TileResponse(200, headers, body)


def _said(entry: Entry) -> str:
    """An item of RFC 9651: whether a limit cut, and which layers are missing, percent-encoded with commas between them."""
    word = "limited" if entry.limited else "full"
    return f'{word}; missing="{layers_part(entry.missing)}"' if entry.missing else word


def _count(entry: Entry) -> None:
    if entry.limited:
        metrics.TILES_LIMITED.inc()
    elif entry.body:
        metrics.TILES_WITH_DATA.inc()
    else:
        metrics.TILES_EMPTY.inc()


def _cache_control(entry: Entry, lifetime_s: int, settings: Settings) -> str:
    if settings.http_max_age_s is not None:
        left = settings.http_max_age_s
    else:
        # What is left of the tile's life, not all of it: else each cache on the way would add a whole one.
        # Never more than all of it: the clock of the machine that made the tile may be ahead of this one's.
        left = lifetime_s - max(0, int(time.time() - entry.made_at))
    return f"public, max-age={left}" if left > 0 else _REVALIDATE


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the client's list holds this tag, compared weakly (RFC 9110 §13.1.2)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/") == tag for part in if_none_match.split(","))


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """Whether gzip is wanted at least as much as the tile uncompressed.

    A coding that is not listed takes the weight of `*`; identity then is still acceptable, unless it or `*` has
    weight 0 (RFC 9110 §12.5.3). Without the header the tile goes out uncompressed.
    """
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = _weight(parameter)
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
