"""Cross-origin headers (Fetch standard §3.2), on answers and on errors alike: without them a map sees only that
something failed."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request

from .tile_response import EXPOSED, TileResponse


def init_app(app: Flask | Blueprint, origins: tuple[str, ...]) -> None:
    """Let pages of these origins read answers of this application, or of this blueprint; `*` is every page."""
    if not origins:
        return
    everybody = "*" in origins

    def allow(response: Response) -> Response:
        if isinstance(response, TileResponse) and response.is_open:
            return response  # It has them: to add them here takes longer than the look into the cache.
        headers = response.headers
        if everybody:
            headers.add("Access-Control-Allow-Origin", "*")
        else:
            response.vary.add("Origin")
            origin = request.headers.get("Origin", "")
            if origin not in origins:
                return response
            headers["Access-Control-Allow-Origin"] = origin
        headers.add("Access-Control-Expose-Headers", EXPOSED)
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
            headers["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "*")
            headers["Access-Control-Max-Age"] = "86400"
        return response

    app.after_request(allow)
