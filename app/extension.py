"""Flagstone as a part of a Flask application: its addresses below a prefix, on a database of its own.

Flagstone's own application is such a host too, with the prefix "".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response
from flask_caching import Cache

from .backend import Backend
from .blueprints import (
    catalog,
    cors,
    errors,
    functions,
    health,
    martin,
    ogc,
    openapi,
    pg_tileserv,
    redirects,
    request_id,
    tilejson,
    tiles,
    viewer,
)  # fmt: skip
from .caching.beside import Beside
from .caching.cluster_versions import ClusterVersions
from .caching.config import cache_config
from .caching.leases import Leases
from .caching.memory_versions import MemoryVersions
from .caching.purges import Purges
from .caching.redis_client import redis_client
from .caching.redis_versions import RedisVersions, form_of
from .errors import ConfigurationError
from .layers.sql_layer import SqlLayer
from .repository.pool import HostPool, Pool
from .settings import Settings

ROOMS = (health, openapi, tiles, tilejson, catalog, functions, viewer, ogc, pg_tileserv, martin, redirects)
"""The modules whose blueprints make up the addresses."""

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_FOLDER = Path(__file__).parent


class Flagstone:
    """One database, mounted once: `Flagstone(DATABASE_URL=…).init_app(app, url_prefix="/maps")`.

    Settings are a `Settings`, or variables by name, which are then all there are; without either they come from the
    environment as in Flagstone's own application. `pool` is the host's psycopg pool, borrowed from in place of one of
    our own; the host opens and closes it. `layers` are statements that are layers beside those of the database.
    `private` keeps tiles out of caches that others share, for a host that does not show them to everybody. `name` tells
    several in one application apart: it is the name of the blueprint and of the `Backend` in `app.extensions`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        pool: HostPool | None = None,
        layers: Sequence[SqlLayer] = (),
        name: str = "flagstone",
        private: bool = False,
        **variables: Any,
    ) -> None:
        if settings is not None and variables:
            raise ConfigurationError(f"{', '.join(sorted(variables))}: given beside `settings`, which holds all of them")
        self.name = name
        self._private = private
        self.settings = Settings.of(**variables) if variables else settings or Settings.load()
        self._pool = pool
        self._layers = list(layers)
        self._backends: list[Backend] = []

    def register(self, layer: SqlLayer) -> None:
        """One more statement as a layer; before `init_app`."""
        if self._backends:
            raise ConfigurationError(f"layer {layer.id}: register it before init_app")
        self._layers.append(layer)

    def init_app(self, app: Flask, url_prefix: str = "") -> None:
        """Add the addresses to an application. Nothing opens before the first request for one of them.

        Errors, headers and rules for other origins of the host stay as they are: ours hold below the prefix alone.
        """
        mount = self._mounted(app, url_prefix)
        errors.init_app(mount)
        cors.init_app(mount, self.settings.cors_origins)
        request_id.init_app(__package__)
        backend: Backend = app.extensions[self.name]
        mount.before_request(backend.open)
        if self._private:
            mount.after_request(_keep_private)
        self._register(app, mount)

    def init_whole(self, app: Flask) -> None:
        """Be all of the application: what no address of ours answers is explained by Flagstone too."""
        self._register(app, self._mounted(app, ""))
        errors.init_app(app)
        cors.init_app(app, self.settings.cors_origins)
        request_id.init_app(__package__)

    def close(self) -> None:
        """Stop the background work and close the connections, but for those of the host's pool."""
        for backend in self._backends:
            backend.close()

    def _mounted(self, app: Flask, url_prefix: str) -> Blueprint:
        prefix = url_prefix.rstrip("/")
        if not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(f"url_prefix: {url_prefix!r} is not a plain path like /maps")
        if self.name in app.extensions or self.name in app.blueprints:
            raise ConfigurationError(f"name: this application has a part named {self.name!r} already")
        cache = Cache(app, with_jinja2_ext=False, config=cache_config(self.settings))
        pool = Pool(self.settings, self._pool)
        backend = Backend(self.settings, cache.cache, pool, self._layers, self._beside(pool))
        self._backends.append(backend)
        app.extensions[self.name] = backend
        mount = Blueprint(
            self.name, __name__, url_prefix=prefix or None, static_folder=_FOLDER / "static", static_url_path="/static"
        )
        for room in ROOMS:
            mount.register_blueprint(room.blueprint)
        return mount

    def _beside(self, pool: Pool) -> Beside:
        """What tells whether kept tiles are current, where they are kept."""
        settings = self.settings
        if settings.cache_type == "memory":
            return Beside(MemoryVersions())
        if not settings.keeps_tiles_in_redis:
            return Beside()
        client, prefix = redis_client(settings), settings.cache_key_prefix
        kind = ClusterVersions if settings.cache_type == "RedisClusterCache" else RedisVersions
        versions = kind(client, prefix, lambda: pool.database, form_of(settings))
        return Beside(
            versions,
            Leases(client, prefix, wait_s=settings.longest_tile_s),
            Purges(client, prefix, lambda: pool.database),
            versions,
        )

    def _register(self, app: Flask, mount: Blueprint) -> None:
        app.register_blueprint(mount)
        for rule in app.url_map.iter_rules():
            if rule.endpoint.startswith(f"{self.name}."):
                # An empty part of a path is an error to explain, not a redirect to another tile.
                rule.merge_slashes = False


def _keep_private(response: Response) -> Response:
    said = response.headers.get("Cache-Control", "")
    response.headers["Cache-Control"] = said.replace("public", "private")
    return response
