"""What lies in a Redis of tiles, by layer."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from redis import Redis

OTHERS = "(composites and long names)"
"""Tiles whose keys are hashed."""
_AT_ONCE = 1000


def contents(client: Redis, prefix: str) -> dict[str, tuple[int, int]]:
    """Tiles and their bytes by layer, as their keys name it. It goes through all keys, some at a time."""
    found: dict[str, tuple[int, int]] = {}
    start = f"{prefix}t"
    keys = client.scan_iter(match=f"{_escaped(start)}*", count=_AT_ONCE)
    while some := list(itertools.islice(keys, _AT_ONCE)):
        pipe = client.pipeline(transaction=False)
        for key in some:
            pipe.strlen(key)
        for key, size in zip(some, pipe.execute(raise_on_error=False), strict=True):
            if isinstance(size, int) and size:
                layer = _layer_of(key[len(prefix.encode()) :].decode("ascii", "replace"))
                tiles, before = found.get(layer, (0, 0))
                found[layer] = tiles + 1, before + size
    return found


def _layer_of(key: str) -> str:
    """The layer in the key of a tile; composites, and layers with long names, are hashed."""
    kind, *parts = key.split(":")
    _, is_hashed, name = kind.partition("!")
    if is_hashed:
        return unquote(name) or OTHERS
    return unquote(parts[1]) if "+" not in kind and len(parts) > 2 else OTHERS


def _escaped(pattern: str) -> str:
    """Redis' signs for patterns as themselves."""
    return re.sub(r"([*?\[\]\\])", r"\\\1", pattern)
