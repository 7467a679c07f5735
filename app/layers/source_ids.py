"""Martin's names for layers: the table's, and `name.1`, `name.2` where it is taken."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from .composite import Composite
from .identity import Identity
from .layer import Layer
from .names import RESERVED
from .relation import RelationLayer

_OTHERS = re.compile(r"[^A-Za-z0-9_.-]")
_MARTINS_WORDS = frozenset({
    "_", "catalog", "config", "font", "health", "help", "index", "manifest", "metrics", "refresh", "reload", "sprite",
    "status",
})  # fmt: skip
_TAKEN = _MARTINS_WORDS | RESERVED


def source_ids(layers: Iterable[Layer], taken: Collection[str] = ()) -> dict[str, Layer]:
    """The layers by the source id that Martin gives them when it publishes a database by itself.

    What is configured comes first. Then it goes through schemas, tables and geometry columns by their names, then
    through functions. What is neither a letter of ASCII nor a digit nor one of `._-` becomes a hyphen. A name that is
    `taken`, by another source or by a word of the URL map, gets the first number that is free.
    """
    found: dict[str, Layer] = {}
    last_number: dict[str, int] = {}
    for layer in sorted(layers, key=_place):
        wanted = _OTHERS.sub("-", layer.name if layer.schema else layer.id)
        name, number = wanted, last_number.get(wanted, 0)
        while name in found or name in taken or name in _TAKEN:
            number += 1
            name = f"{wanted}.{number}"
        last_number[wanted] = number
        found[name] = layer
    return found


def _place(layer: Layer) -> tuple[int, str, str, str]:
    if not layer.schema:
        return (0, "", layer.id, "")
    if isinstance(layer, RelationLayer):
        return (1, layer.schema, layer.name, layer.geometry.name)
    return (2, layer.schema, layer.name, layer.id)


class _Snapshot(Protocol):
    def visible(self, identity: Identity) -> list[Layer]: ...
    def composites_for(self, identity: Identity) -> list[Composite]: ...


class SourceIds:
    """The source ids of the catalog's current snapshot, each identity's own."""

    def __init__(self) -> None:
        self._snapshot: _Snapshot | None = None
        self._by_identity: dict[Identity, Mapping[str, Layer]] = {}
        self._lock = threading.Lock()

    def of(self, snapshot: _Snapshot, identity: Identity) -> Mapping[str, Layer]:
        """What this identity may read in this snapshot, by source id."""
        with self._lock:
            if snapshot is not self._snapshot:
                self._snapshot, self._by_identity = snapshot, {}
            known = self._by_identity.get(identity)
        if known is None:
            taken = {composite.name for composite in snapshot.composites_for(identity)}
            known = source_ids(snapshot.visible(identity), taken)
            with self._lock:
                if snapshot is self._snapshot:
                    self._by_identity[identity] = known
        return known
