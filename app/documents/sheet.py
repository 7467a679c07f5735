"""A sheet: one or several layers in one grid, as TileJSON, style and map page describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import BadParameter
from ..layers.composite import Composite, canonical_names
from ..layers.grid import Grid
from ..layers.identity import Identity
from ..layers.manner import Manner
from ..layers.member import Member
from ..layers.parameters import whole_number
from ..layers.request import LayerRequest, layer_requests
from ..settings import Settings
from .query import renamed, without

_MAP_ONLY = ("tilematrixsetid", "minzoom", "maxzoom")
"""Parameters of the documents that mean nothing to a tile; in any case, as TiMVT takes them."""
_MOST = 30
"""TileJSON 3.0.0 §3.10 has no zoom above it."""


@dataclass(frozen=True)
class Sheet:
    """`parts` are what its tiles are made by, one per layer: names and columns are the tile's own, so they agree."""

    parts: tuple[LayerRequest, ...]
    grid: Grid
    zooms: tuple[int, int]
    query: str
    """The query string that was asked with, as it was written, but that a layer's own parameters begin with its id."""
    ids: Sequence[str]
    """How addresses name its layers: ids, and a named composite by its one name."""
    composite: Composite | None = None
    """The named composite that it shows, where it shows nothing else."""

    @property
    def name(self) -> str:
        return ",".join(self.ids)

    @property
    def tile_query(self) -> str:
        """What of the query string goes on to the tiles."""
        return without(self.query, _MAP_ONLY)


def sheet(
    members: Sequence[Member],
    grid: Grid,
    query: str,
    arguments: Mapping[str, Sequence[str]],
    settings: Settings,
    identity: Identity,
    manner: Manner = Manner.FLAGSTONE,
) -> Sheet:
    """The sheet of these layers. BadParameter for what no tile of it could be asked for with this query string.

    `arguments` is `query` as it is understood: each name with all its values.
    """
    parts = layer_requests(members, grid, arguments, settings, identity, manner)
    lowest, highest = min(part.first_zoom for part in parts), max(part.last_zoom for part in parts)
    names = canonical_names(members)
    return Sheet(
        parts,
        grid,
        _stated_zooms(arguments, lowest, highest),
        renamed(query, {member.name: member.layer.id for member in members if member.composite is None}),
        names,
        members[0].composite if len(names) == 1 else None,
    )


def _stated_zooms(arguments: Mapping[str, Sequence[str]], lowest: int, highest: int) -> tuple[int, int]:
    """The zooms to state where there are tiles from `lowest` to `highest`: a document may name fewer, never more."""
    asked: dict[str, str] = {}
    for name, values in arguments.items():
        asked.setdefault(name.lower(), values[0])
    first = _zoom("minzoom", asked, lowest)
    last = _zoom("maxzoom", asked, highest)
    if first > last:
        raise BadParameter("minzoom", f"minzoom {first} must not be above maxzoom {last}.")
    return min(max(first, lowest), highest), min(max(last, lowest), highest)


def _zoom(name: str, asked: Mapping[str, str], otherwise: int) -> int:
    if name not in asked:
        return otherwise
    zoom = whole_number(name, asked[name])
    if not 0 <= zoom <= _MOST:
        raise BadParameter(name, f"{name} must be 0 to {_MOST}.")
    return zoom
