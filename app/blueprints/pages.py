"""Answers of the catalog and the map: pages and JSON documents with their headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Response, request
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .access import backend
from .addresses import top

# Of our own: a host application's templates, filters and context are its own, and its `layout.html` is not ours.
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"), autoescape=True, undefined=StrictUndefined
)


def page(template: str, **values: Any) -> Response:
    """A page that may load and run only what this application serves, and nothing that stands in the page itself."""
    site = backend().settings.name
    response = Response(_TEMPLATES.get_template(template).render(top=top(), site=site, **values), mimetype="text/html")
    response.headers["Content-Security-Policy"] = content_security_policy(
        backend().settings.public_url, backend().settings.events_url
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-cache"
    return response


def prefers_html() -> bool:
    """Whether a page is wanted more than JSON; of equals JSON wins, for most programs send `*/*`."""
    offered = ("application/json", "text/html")
    return request.accept_mimetypes.best_match(offered, "application/json") == "text/html"


def content_security_policy(*addresses: str | None) -> str:
    """The policy (CSP Level 3) of a page that asks at these addresses too. Pictures from `data:` are the icons of MapLibre's style sheet."""
    parts = [urlsplit(address) for address in addresses if address is not None]
    others = "".join(dict.fromkeys(f" {each.scheme}://{each.netloc}" for each in parts if each.netloc))
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "worker-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self'{others}",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ]
    )


def document(value: Any, *, max_age_s: int = 0) -> Response:
    """A JSON document. Its addresses follow the request's host, so no cache that others share may keep it."""
    # Not flask's: a host application may have another idea of JSON, and documents keep the order they are written in.
    response = Response(json.dumps(value, separators=(",", ":")) + "\n", mimetype="application/json")
    response.headers["Cache-Control"] = f"private, max-age={max_age_s}" if max_age_s else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
