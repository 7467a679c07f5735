"""How long a tile is kept: a time to live by layer and zoom."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from ..settings import CacheRule
from .layer import Layer


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The rules in force and the time to live where none matches, in seconds."""

    default: int
    rules: tuple[CacheRule, ...] = ()
    followed: int | None = None
    """In place of `default` for layers whose changes are followed: their tiles grow old by these, not by time. None where
    no changes are."""

    def seconds(self, layer: Layer, zoom: int) -> int:
        """The time to live of one tile; 0 means that it is not kept. The layer's own time wins over the rules."""
        if layer.options.ttl_s is not None:
            return layer.options.ttl_s
        for rule in self.rules:
            if rule.first_zoom <= zoom <= rule.last_zoom and fnmatchcase(layer.id, rule.layer):
                return rule.seconds
        if layer.follows is None or self.followed is None or not layer.follows.is_whole:
            return self.default
        return self.followed
