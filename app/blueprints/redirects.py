"""Addresses of TiMVT, pg_tileserv, Martin and tipg that lead to Flagstone's own for the same thing."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..documents.addresses import layers_part
from ..documents.query import written
from .addresses import top
from .paths import refuse_encoded_slash

blueprint = Blueprint("redirects", __name__)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """TiMVT's address of the OpenAPI document."""
    return _moved("api")


@blueprint.get("/docs")
def docs() -> Response:
    """TiMVT's address of the page that shows it."""
    return _moved("api.html")


@blueprint.get("/_/metrics")
def metrics() -> Response:
    """Martin's address of the metrics; the series are Flagstone's own."""
    return _moved("metrics")


@blueprint.get("/index.html")
def index() -> Response:
    """pg_tileserv's page of all layers."""
    return _moved("", "f=html")


@blueprint.get("/<layer>.html")
def preview(layer: str) -> Response:
    """pg_tileserv's map of one layer."""
    return _moved(f"{layers_part([layer])}/viewer")


@blueprint.get("/collections/<layer>/tiles/<grid>/map.html")
@blueprint.get("/collections/<layer>/tiles/<grid>/viewer")
@blueprint.get("/collections/<layer>/<grid>/viewer")
def collection_map(layer: str, grid: str) -> Response:
    """tipg's map of one collection, where its versions had it."""
    return _moved(f"{layers_part([layer])}/viewer", f"TileMatrixSetId={layers_part([grid])}")


@blueprint.get("/collections/<layer>/<grid>/tilejson.json")
def collection_tilejson(layer: str, grid: str) -> Response:
    """TileJSON where older versions of tipg have it."""
    return _moved(f"collections/{layers_part([layer])}/tiles/{layers_part([grid])}/tilejson.json")


@blueprint.get("/collections/<layer>/<grid>/style.json")
def collection_style(layer: str, grid: str) -> Response:
    """A style where older versions of tipg have it."""
    return _moved(f"collections/{layers_part([layer])}/tiles/{layers_part([grid])}/style.json")


@blueprint.get("/collections/<layer>/tilejson.json")
@blueprint.get("/collections/<layer>/style.json")
@blueprint.get("/collections/<layer>/viewer")
def collection_document(layer: str) -> Response:
    """TileJSON, style and map where tipg before 1.0 had them too: without a tile matrix set."""
    return _moved(f"{layers_part([layer])}/{request.path.rpartition('/')[2]}")


@blueprint.get("/<layers>/<z>/<x>/<y>.mlt")
def to_martins_tile(layers: str, z: str, x: str, y: str) -> Response:
    """Martin's tile by its address with a suffix."""
    place = "/".join(layers_part([part]) for part in (z, x, y))
    return _moved(f"{layers_part(layers.split(','))}/{place}")


@blueprint.get("/health")
def health() -> Response:
    """Martin's and pg_tileserv's: the process answers. Whether it can serve is asked at `/readyz`."""
    return Response("OK", mimetype="text/plain", headers={"Cache-Control": "no-store"})


def _moved(path: str, query: str = "") -> Response:
    """To `path` below the root, with the query string as it was sent. Relative: it holds under every prefix."""
    refuse_encoded_slash(request.environ)
    queries = "&".join(filter(None, [query, written(request.query_string)]))
    target = f"{top()}{path}" + (f"?{queries}" if queries else "")
    return Response(status=301, headers={"Location": target, "Cache-Control": "no-cache"})
