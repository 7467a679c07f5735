"""The map page `/{layer}/viewer`, the style that it draws by, and the map library."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory

from ..documents.style import style
from ..documents.viewer import viewer
from ..errors import NotFound
from .access import backend
from .addresses import addresses
from .pages import document, page
from .sheets import asked_sheet

blueprint = Blueprint("viewer", __name__)

# The worker is loaded by the library itself, from beside it.
_LIBRARY = {
    "maplibre-gl.mjs": "text/javascript",
    "maplibre-gl-worker.mjs": "text/javascript",
    "maplibre-gl.css": "text/css",
}
_CHECKOUT = Path(__file__).resolve().parents[2]
_MAX_AGE_S = 60


@blueprint.get("/<layer>/viewer")
def show(layer: str) -> Response:
    """A map of the layers."""
    library = all((_library_folder() / name).is_file() for name in _LIBRARY)
    return page("viewer.html", **viewer(asked_sheet(layer), addresses(), library=library))


@blueprint.get("/<layer>/style.json")
def style_document(layer: str) -> Response:
    """A MapLibre style that draws the layers by their geometry type."""
    sheet = asked_sheet(layer)
    return document(style(sheet, addresses().tilejson(sheet.ids, sheet.query)), max_age_s=_MAX_AGE_S)


@blueprint.get("/vendor/maplibre-gl/<name>")
def library(name: str) -> Response:
    """One file of MapLibre GL JS, as npm installed it."""
    if name not in _LIBRARY or not (_library_folder() / name).is_file():
        raise NotFound("There is no such file of the map library; `npm ci` installs it.")
    # The library asks for its worker by version; its own files it gets by a name without one.
    max_age_s = 86_400 if "v" in request.args else None
    response = send_from_directory(_library_folder(), name, mimetype=_LIBRARY[name], max_age=max_age_s)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _library_folder() -> Path:
    modules = backend().settings.node_modules
    return (Path(modules) if modules else _CHECKOUT / "node_modules").resolve() / "maplibre-gl" / "dist"
