"""The map page `/{layer}/viewer`, the style that it draws by, and the map library."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory

from ..documents.addresses import layers_part
from ..documents.style import style
from ..documents.viewer import viewer
from ..errors import FlagstoneError, NotFound
from .access import backend
from .addresses import addresses
from .errors import explained
from .pages import document, page, prefers_html
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
    """A map of the layers; where there is none, a page that says why for who prefers HTML, else a problem document."""
    try:
        response = _map_page(layer)
    except FlagstoneError as error:
        response = _refusal_page(error) if prefers_html() else explained(error)
    response.vary.add("Accept")
    return response


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


def _map_page(layer: str) -> Response:
    library = all((_library_folder() / name).is_file() for name in _LIBRARY)
    events_url = backend().settings.events_url
    return page("viewer.html", **viewer(asked_sheet(layer), addresses(), library=library, events_url=events_url))


def _refusal_page(error: FlagstoneError) -> Response:
    """The problem document as a page, with its status and headers."""
    problem = explained(error)
    near = error.nearest if isinstance(error, NotFound) else ()
    # The nearest of an unknown grid are grids, which have no map of their own.
    layers = [{"id": each, "part": layers_part([each])} for each in near if each not in backend().grids]
    response = page("refusal.html", problem=problem.get_json(), layers=layers)
    response.status_code = problem.status_code
    for name in ("Cache-Control", "Retry-After", "X-Request-Id"):
        if name in problem.headers:
            response.headers[name] = problem.headers[name]
    return response


def _library_folder() -> Path:
    modules = backend().settings.node_modules
    return (Path(modules) if modules else _CHECKOUT / "node_modules").resolve() / "maplibre-gl" / "dist"
