"""Flagstone: vector tiles from PostGIS. `create_app` is the table of contents."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask

    from .extension import Flagstone
    from .layers.sql_layer import SqlLayer
    from .settings import Settings

__all__ = ["Flagstone", "Settings", "SqlLayer", "create_app"]

_HOMES = {"Flagstone": ".extension", "Settings": ".settings", "SqlLayer": ".layers.sql_layer"}


def __getattr__(name: str) -> Any:
    # Found when they are asked for: `app.gunicorn_conf`, which lies in this package, has to say where the counters are
    # kept before anything that counts is imported.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def create_app(settings: Settings | None = None, layers: Sequence[SqlLayer] = ()) -> Flask:
    """The WSGI application. It opens nothing: connections and threads begin with the first request or command.

    `layers` are statements that are layers, beside those of the database and of FLAGSTONE_SQL_DIRECTORY.
    """
    # Imported here for the same reason.
    from flask import Flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    from . import cli
    from .extension import Flagstone

    flagstone = Flagstone(settings, layers=layers)
    app = Flask(__name__, static_folder=None)
    # An empty part of a path is an error to explain, not a redirect to another tile.
    app.url_map.merge_slashes = False
    flagstone.init_whole(app)
    cli.init_app(app)

    if trusted := flagstone.settings.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # how flask documents it
            app.wsgi_app, x_for=trusted, x_proto=trusted, x_host=trusted, x_port=trusted, x_prefix=trusted
        )
    return app
