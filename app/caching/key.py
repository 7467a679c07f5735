"""The cache key: a type that names everything that decides a tile's bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import quote

from ..layers.identity import Identity
from ..layers.tile import Tile

_FORMAT = "t4"
"""Raised when the meaning of a key, or of what lies under it, changes: old entries are then never found."""
_MOST = 170
"""Longest text that stays readable, in bytes: most tiles are small, and names have up to 63 characters, three bytes each once escaped."""
_LONGEST_NAME = 100
"""Longest name of a layer in a key whose other parts are hashed."""
_SAFE = "*,+"
"""What stays as it is beside letters, digits and `_.-~`. None of the signs that divide a key: `: / & = ; !`."""
_is_safe = re.compile(rf"[A-Za-z0-9_.~{re.escape(_SAFE)}-]*", re.ASCII).fullmatch


class LayerKey(NamedTuple):
    """One layer as it is asked for, tile by tile. No field has a default, so that none is forgotten.

    `parameters` are canonical: two requests for the same tile have the same, in the same order.
    """

    database: str
    layer_id: str
    layer_digest: str
    mvt_name: str
    grid: str
    parameters: tuple[tuple[str, str], ...]
    identity: Identity

    @property
    def prefix(self) -> str:
        """What the keys of all its tiles begin with; different for different fields."""
        name = "!" if self.mvt_name == self.layer_id else _escaped(self.mvt_name)
        text = ":".join([
            _escaped(self.database), _escaped(self.layer_id), _escaped(self.layer_digest), name, _escaped(self.grid),
            _who(self.identity), _pairs_text(self.parameters),
        ])  # fmt: skip
        if len(text) <= _MOST:
            return f"{_FORMAT}:{text}"
        # The layer's name stays where there is room, for who looks into the cache.
        layer = _escaped(self.layer_id)
        return f"{_FORMAT}!{layer if len(layer) <= _LONGEST_NAME else ''}:{_hash(text)}"


def composite_prefix(prefixes: Sequence[str]) -> str:
    """As `LayerKey.prefix`, of the several layers in one tile that have these, in this order; never that of a single layer."""
    return f"{_FORMAT}+{len(prefixes)}:{_hash(' '.join(prefixes))}"


def key_text(prefix: str, tile: Tile) -> str:
    """The key of a tile for a backend: at most 200 printable ASCII characters."""
    return f"{prefix}:{tile.z}/{tile.x}/{tile.y}"


def _who(identity: Identity) -> str:
    """`!` is nobody: no escaped role can be that. Claims are hashed, they may say more of a person than a key should."""
    role = "!" if identity.role is None else _escaped(identity.role)
    return f"{role};{_hash(_pairs_text(identity.claims))}" if identity.claims else role


def _pairs_text(pairs: tuple[tuple[str, str], ...]) -> str:
    return "&".join([f"{_escaped(name)}={_escaped(value)}" for name, value in pairs])


def _escaped(text: str) -> str:
    """Percent-encoded UTF-8: readable for plain names, and different for different texts."""
    return text if _is_safe(text) else quote(text, safe=_SAFE, errors="surrogatepass")


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()
