"""Tile addresses with a version, `?v=`: what lies under one may be kept for good, and a change makes another one.

A tile is told to last only where its version is the one of now. Who asks with another one gets the tile of now too,
and is told what is told without any: of two versions nobody can say which is the older one.
"""

from __future__ import annotations

from ..backend import Backend
from ..documents.sheet import Sheet
from ..layers.function import TakesArguments
from ..layers.parameters import Arguments
from ..layers.request import LayerRequest
from ..layers.tile import Tile
from ..source import Source


def tiles_version(there: Backend, sheet: Sheet) -> str | None:
    """The version that TileJSON's tile addresses get; None where they have none."""
    if not _may_have_one(there, sheet.parts):
        return None
    return there.reader.whole_version(there.source(sheet.parts))


def asked_version(there: Backend, parts: tuple[LayerRequest, ...], arguments: Arguments) -> str | None:
    """The version that a tile is asked for with."""
    asked = arguments.get("v", ())
    return asked[0] if len(asked) == 1 and _may_have_one(there, parts) else None


def lasts(there: Backend, source: Source, tile: Tile) -> bool:
    """Whether what this address gives may be kept for good. Asked before the tile is read: what changes meanwhile is newer."""
    if source.asked_version is None or not source.grows_old_by_changes(tile.z):
        return False
    return there.reader.whole_version(source) == source.asked_version


def _may_have_one(there: Backend, parts: tuple[LayerRequest, ...]) -> bool:
    # To a function `v` may be an argument.
    return there.settings.versioned_tiles and not any(isinstance(part.layer, TakesArguments) for part in parts)
