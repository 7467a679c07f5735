"""The cache key: a type that names everything that decides a tile's bytes."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import quote

from ..layers.identity import Identity

_FORMAT = "t1"
"""Raised when the meaning of a key, or of what lies under it, changes: old entries are then never found."""
_MOST = 200
"""Longest key, in bytes: most tiles are small, and names have up to 63 characters, three bytes each once escaped."""
_SAFE = "*,+"
"""What stays as it is beside letters, digits and `_.-~`. None of the signs that divide a key: `: / & = ; !`."""
_is_safe = re.compile(rf"[A-Za-z0-9_.~{re.escape(_SAFE)}-]*", re.ASCII).fullmatch


class TileKey(NamedTuple):
    """One layer of one tile. No field has a default, so that none is forgotten.

    `parameters` are canonical: two requests for the same tile have the same, in the same order.
    """

    database: str
    layer_id: str
    layer_digest: str
    mvt_name: str
    grid: str
    z: int
    x: int
    y: int
    parameters: tuple[tuple[str, str], ...]
    identity: Identity

    @property
    def text(self) -> str:
        """The key for a backend: different keys have different texts, of at most 200 printable ASCII characters."""
        layer = _layer_text(self.database, self.layer_id, self.layer_digest, self.mvt_name, self.grid, self.identity)
        # Almost every tile has the same few parameters. A list of columns can have 100 kB: too much to keep.
        is_short = sum([len(value) for _, value in self.parameters]) < 64
        parameters = _short_pairs_text(self.parameters) if is_short else _pairs_text(self.parameters)
        text = f"{_FORMAT}:{layer}:{parameters}:{self.z}/{self.x}/{self.y}"
        return text if len(text) <= _MOST else f"{_FORMAT}!{_hash(text)}"


class CompositeKey(NamedTuple):
    """Several layers of one tile, in this order."""

    parts: tuple[TileKey, ...]

    @property
    def text(self) -> str:
        """As `TileKey.text`; never that of a single layer."""
        return f"{_FORMAT}+{len(self.parts)}:{_hash(' '.join([part.text for part in self.parts]))}"


@lru_cache(maxsize=2048)
def _layer_text(database: str, layer_id: str, digest: str, mvt_name: str, grid: str, identity: Identity) -> str:
    """The part of a key that all tiles of a layer have in common."""
    name = "!" if mvt_name == layer_id else _escaped(mvt_name)
    return ":".join([_escaped(database), _escaped(layer_id), _escaped(digest), name, _escaped(grid), _who(identity)])


def _who(identity: Identity) -> str:
    """`!` is nobody: no escaped role can be that. Claims are hashed, they may say more of a person than a key should."""
    role = "!" if identity.role is None else _escaped(identity.role)
    return f"{role};{_hash(_pairs_text(identity.claims))}" if identity.claims else role


def _pairs_text(pairs: tuple[tuple[str, str], ...]) -> str:
    return "&".join([f"{_escaped(name)}={_escaped(value)}" for name, value in pairs])


_short_pairs_text = lru_cache(maxsize=1024)(_pairs_text)


def _escaped(text: str) -> str:
    """Percent-encoded UTF-8: readable for plain names, and different for different texts."""
    return text if _is_safe(text) else quote(text, safe=_SAFE, errors="surrogatepass")


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
