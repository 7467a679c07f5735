"""What lies in a Redis of tiles, by layer."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from redis import Redis

OTHERS = "(composites and long names)"
"""Tiles whose keys are hashed."""
_AT_ONCE = 1000


class Held(NamedTuple):
    """Tiles, the bytes of their values, and the memory that Redis says it takes for them with their keys and all around; 0
    where it does not tell."""

    tiles: int = 0
    size: int = 0
    memory: int = 0


def contents(client: Redis, prefix: str) -> dict[str, Held]:
    """What lies there by layer, as the keys name it. It goes through all keys, of a cluster on all nodes, some at a time."""
    found: dict[str, Held] = {}
    start = f"{prefix}t"
    keys = client.scan_iter(match=f"{_escaped(start)}*", count=_AT_ONCE)
    while some := list(itertools.islice(keys, _AT_ONCE)):
        pipe = client.pipeline(transaction=False)
        for key in some:
            pipe.strlen(key)
            pipe.memory_usage(key)
        answers = pipe.execute(raise_on_error=False)
        for key, size, memory in zip(some, answers[::2], answers[1::2], strict=True):
            if isinstance(size, int) and size:
                layer = _layer_of(key[len(prefix.encode()) :].decode("ascii", "replace"))
                before = found.get(layer, Held())
                found[layer] = Held(before.tiles + 1, before.size + size, before.memory + (memory if isinstance(memory, int) else 0))
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
