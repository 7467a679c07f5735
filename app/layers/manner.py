"""Whose addresses a tile is asked by: defaults, and the name of the layer inside the tile, follow the address."""

from __future__ import annotations

from enum import StrEnum

from ..settings import Settings
from .layer import Layer


class Manner(StrEnum):
    """A family of addresses."""

    FLAGSTONE = "flagstone"

    def mvt_name(self, layer: Layer, settings: Settings, *, composite: bool) -> str:
        """The name inside the tile. One constant for all would make the parts of a composite one layer."""
        if layer.options.mvt_name is not None:
            return layer.options.mvt_name
        return layer.id if composite or settings.mvt_layer_name is None else settings.mvt_layer_name
