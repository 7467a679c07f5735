"""Flagstone: vector tiles from PostGIS. `create_app` is the table of contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from .settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application. It opens nothing: connections and threads begin with the first request or command."""
    # Imported here, so that `app.gunicorn_conf`, which lies in this package, can say where the counters are kept
    # before they are imported.
    from flask import Flask
    from flask_caching import Cache
    from werkzeug.middleware.proxy_fix import ProxyFix

    from . import cli
    from .backend import Backend
    from .blueprints import catalog, cors, errors, health, request_id, tilejson, tiles, viewer
    from .caching.config import cache_config
    from .settings import Settings

    settings = settings or Settings.load()
    app = Flask(__name__)
    # An empty part of a path is an error to explain, not a redirect to another tile.
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]  # documents keep the order in which they are written

    cache = Cache(app, with_jinja2_ext=False, config=cache_config(settings))
    app.extensions["flagstone"] = Backend(settings, cache.cache)

    for room in (health, tiles, tilejson, catalog, viewer):
        app.register_blueprint(room.blueprint)
    errors.init_app(app)
    request_id.init_app(app.name)
    cors.init_app(app, settings.cors_origins)
    cli.init_app(app)

    if settings.trusted_proxies:
        trusted = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=trusted, x_proto=trusted, x_host=trusted, x_port=trusted, x_prefix=trusted
        )
    return app
