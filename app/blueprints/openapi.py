"""`/api`, the OpenAPI document, and `/api.html`, the same for people; `?layer=` adds what one layer takes and gives."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from ..documents import openapi as documents
from ..documents.openapi_page import sections
from ..errors import ConfigurationError, Unavailable
from ..layers.layer import Layer
from .access import backend, identity
from .addresses import addresses
from .pages import document, page

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/api")
def api() -> Response:
    """Every address with its parameters and answers."""
    response = document(_described())
    response.content_type = documents.MEDIA_TYPE
    return response


@blueprint.get("/api.html")
def api_page() -> Response:
    """The document as a page, made here: it needs no script and nothing from another host."""
    described = _described()
    return page("api.html", title=described["info"]["title"], sections=sections(described),
                attributes=described["components"]["schemas"].get("attributes"))  # fmt: skip


def _described() -> dict[str, Any]:
    there, who = backend(), identity()
    grids = there.grids.ids
    zooms = [there.grids.get(grid) for grid in grids]
    span = (min(grid.minzoom for grid in zooms), max(grid.maxzoom for grid in zooms))
    asked = request.args.get("layer")
    members = there.catalog.members(asked, who) if asked else ()
    return documents.openapi(addresses().path("").rstrip("/"), there.settings, grids, span, _visible(), members, who)


def _visible() -> list[Layer]:
    try:
        return list(backend().catalog.catalog().visible(identity()))
    except (Unavailable, ConfigurationError):
        return []  # the addresses are the same; only the examples are made up
