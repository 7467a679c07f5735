"""Whose addresses a tile is asked by: defaults, and the name of the layer inside the tile, follow the address."""

from __future__ import annotations

from enum import StrEnum

from ..settings import Settings
from .member import Member
from .names import unescape

_MARTIN_BUFFER = 64 / 4096
"""Martin's own default. A map that was drawn with it does not become heavier here."""


class Manner(StrEnum):
    """A family of addresses: Flagstone's own (which are TiMVT's), pg_tileserv's, Martin's, OGC API Tiles' (tipg's)."""

    FLAGSTONE = "flagstone"
    PG_TILESERV = "pg_tileserv"
    MARTIN = "martin"
    OGC = "ogc"

    def mvt_name(self, member: Member, settings: Settings, *, composite: bool) -> str:
        """The name inside the tile, which styles written for that server know.

        One constant for all would make the parts of a composite one layer.
        """
        layer = member.layer
        if member.alias is not None:
            return member.alias
        if self is Manner.MARTIN:
            return member.name
        if self is Manner.PG_TILESERV:
            return unescape(layer.id)
        if layer.options.mvt_name is not None:
            return layer.options.mvt_name
        return layer.id if composite or settings.mvt_layer_name is None else settings.mvt_layer_name

    def buffer(self, settings: Settings) -> float:
        """What is drawn around a tile where neither layer nor request says it, as a part of the tile's edge."""
        if self is Manner.MARTIN:
            return min(_MARTIN_BUFFER, settings.max_buffer_ratio)
        return settings.tile_buffer / settings.tile_extent
