"""Commands: `flask catalog | tiles | changes | overviews | config | sample`. Each works without gunicorn."""

from __future__ import annotations

from flask import Flask

from .cache import group as cache
from .cache_warm import warm
from .catalog import group as catalog
from .changes import group as changes
from .changes_serve import serve
from .config import group as config
from .install import install
from .overview_build import build
from .overview_plan import plan
from .overview_status import drop, show
from .overviews import group as overviews
from .overviews_refresh import refresh
from .sample import group as sample
from .tile_explanation import explain_tile
from .tiles import group as tiles


def init_app(app: Flask) -> None:
    """Add every group of commands."""
    cache.add_command(warm)
    catalog.add_command(install)
    changes.add_command(serve)
    tiles.add_command(explain_tile)
    for command in (plan, build, refresh, show, drop):
        overviews.add_command(command)
    for group in (cache, catalog, changes, config, overviews, sample, tiles):
        app.cli.add_command(group)
