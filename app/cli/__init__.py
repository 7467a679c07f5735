"""Commands: `flask catalog | tiles | config | sample`. Each works without gunicorn."""

from __future__ import annotations

from flask import Flask

from .catalog import group as catalog
from .config import group as config
from .install import install
from .sample import group as sample
from .tiles import group as tiles


def init_app(app: Flask) -> None:
    """Add every group of commands."""
    catalog.add_command(install)
    for group in (catalog, config, sample, tiles):
        app.cli.add_command(group)
