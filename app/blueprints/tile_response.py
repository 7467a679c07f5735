"""A cached entry as an HTTP response: coding, validator, freshness (RFC 9110, RFC 9111)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import Headers

from .. import metrics
from ..caching.entry import Entry
from ..caching.tile_cache import Has
from ..documents.addresses import layers_part
from ..layers.how import How
from ..settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
# What a function returns may be a page or a drawing with a script in it: opened by itself it must not run as ours.
_HARMLESS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
]
EXPOSED = "ETag, Flagstone-Tile, Retry-After, X-Request-Id"
"""Headers that a page may read."""
_OPEN = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", EXPOSED)]
_REVALIDATE = "public, max-age=0, must-revalidate"
_LASTING = "public, max-age=31536000, immutable"
"""A year, and not even a reload asks again (RFC 8246)."""


_STATUS = {200: "200 OK", 204: "204 NO CONTENT", 304: "304 NOT MODIFIED"}


class TileResponse(Response):
    """A response whose headers are complete and our own: flask would look through them twice and copy them.

    `is_open` says that those are among them by which pages of every origin may read it.
    """

    default_mimetype = None

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes = b"", *, is_open: bool) -> None:
        # What werkzeug's own sets, a test compares the two, without its questions about what is known here: they are a
        # tenth of all that is done for a kept tile.
        self.headers = Headers()
        # Past the check of each value for line breaks: none of these comes from a client.
        self.headers._list = headers  # noqa: SLF001  # see above
        self._status, self._status_code = _STATUS[status], status
        self.response = self._sent = [body]
        self.direct_passthrough = False
        self._on_close = []
        self.is_open = is_open

    def get_wsgi_headers(self, environ: WSGIEnvironment) -> Headers:
        return self.headers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._on_close or self.response is not self._sent or environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self._status, self.headers.to_wsgi_list())
        return self._sent


def tile_response(
    entry: Entry, lifetime_s: int, asked: WSGIEnvironment, settings: Settings, *,
    is_followed: bool = False, is_lasting: bool = False,
) -> Response:
    """200 with the tile, 204 where it is empty, 304 where the client has it already.

    `is_followed`: changes make it old, not time. Then browsers ask each time, and shared caches after a moment.
    `is_lasting`: its address has the version of now, and never another tile that matters.
    """
    _count(entry)
    gzip, tag = _form(entry, asked)
    is_open = "*" in settings.cors_origins
    headers = [("Vary", "Accept-Encoding"), ("Flagstone-Tile", _said(entry)), *(_OPEN if is_open else ())]
    if entry.missing:
        # No validator and no place in any cache: the next one may have what is missing here.
        headers.append(("Cache-Control", "no-store"))
    else:
        # What was cut for want of time may be whole the next time.
        stays = is_lasting and not entry.is_stale and entry.how is not How.LIMITED
        freshness = _LASTING if stays else _freshness(entry, lifetime_s, settings, is_followed=is_followed)
        headers += [("ETag", tag), ("Cache-Control", freshness)]
        if matches(asked.get("HTTP_IF_NONE_MATCH"), tag):
            return TileResponse(304, headers, is_open=is_open)
    if not entry.body:
        return TileResponse(204, headers, is_open=is_open)
    body = entry.body if gzip else entry.raw()
    headers.append(("Content-Type", entry.media_type or MEDIA_TYPE))
    if entry.media_type:
        headers += _HARMLESS
    if gzip:
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    return TileResponse(200, headers, body, is_open=is_open)


def asked_for(asked: WSGIEnvironment) -> Has | None:
    """Whether the client has a tile already; None where it says of none."""
    if_none_match = asked.get("HTTP_IF_NONE_MATCH")
    return None if if_none_match is None else lambda entry: matches(if_none_match, _form(entry, asked)[1])


def _form(entry: Entry, asked: WSGIEnvironment) -> tuple[bool, str]:
    """Whether the client gets the tile compressed, and the tag of it in that form."""
    gzip = entry.is_gzip and accepts_gzip(asked.get("HTTP_ACCEPT_ENCODING", ""))
    return gzip, f'"{entry.etag}-gzip"' if gzip else f'"{entry.etag}"'


def _said(entry: Entry) -> str:
    """An item of RFC 9651: how much of what there is the tile shows, and which layers are missing, percent-encoded with commas between them."""
    word = entry.how.word
    return f'{word}; missing="{layers_part(entry.missing)}"' if entry.missing else word


_COUNTED = {How.SAMPLED: metrics.TILES_SAMPLED, How.LIMITED: metrics.TILES_LIMITED}


def _count(entry: Entry) -> None:
    if entry.how in _COUNTED:
        _COUNTED[entry.how].inc()
    elif entry.body or entry.is_head:
        metrics.TILES_WITH_DATA.inc()
    else:
        metrics.TILES_EMPTY.inc()


def _freshness(entry: Entry, lifetime_s: int, settings: Settings, *, is_followed: bool) -> str:
    stale_s = settings.cache_stale_s
    if entry.is_stale:
        # It has had its time: no cache on the way adds to it.
        return _REVALIDATE
    if is_followed:
        # Never in the background: after a quiet night the first answer would be of any age. nginx goes by the last word.
        allowed = f", stale-if-error={stale_s}" if stale_s else ""
        return f"public, max-age=0, s-maxage={settings.http_followed_s_maxage_s}, must-revalidate{allowed}"
    said = _cache_control(entry, lifetime_s, settings)
    if not stale_s or said == _REVALIDATE:
        return said
    return f"{said}, stale-while-revalidate={stale_s}, stale-if-error={stale_s}"


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
