"""Health: `/livez` says that the process runs, `/readyz` that it can serve; `/metrics` counts."""

from __future__ import annotations

from flask import Blueprint, Response

from ..errors import Unavailable
from ..metrics import exposition
from .access import backend

blueprint = Blueprint("health", __name__)


@blueprint.get("/livez")
def live() -> Response:
    """The process answers. Nothing else is asked: a restart does not mend a database."""
    return _not_stored(Response('{"status":"ok"}\n', mimetype="application/json"))


@blueprint.get("/readyz")
@blueprint.get("/healthz")
def ready() -> Response:
    """The database answers and the catalog is loaded, else 503, which says whether to wait or to look into the log."""
    there = backend()
    if not there.ready():
        failed = there.catalog.failure is not None  # its text is for the log: it may name what nobody else may know
        raise Unavailable(
            "The catalog could not be read; the log says why." if failed else "The catalog is still being read."
        )
    return _not_stored(Response('{"status":"ok"}\n', mimetype="application/json"))


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus' text format."""
    body, content_type = exposition()
    return _not_stored(Response(body, content_type=content_type))


def _not_stored(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
