"""Parts of an address that several views read alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..backend import Backend
from ..errors import BadParameter, NotFound
from ..layers.grids import Grids
from ..layers.identity import Identity
from ..layers.manner import Manner
from ..layers.member import Member

_SUFFIXES = (".pbf", ".mvt")


class TileAddress(NamedTuple):
    """A tile's address as it was sent: zoom, column and row are still text. `layer` None is the whole dataset."""

    grid: str | None
    layer: str | None
    tile: tuple[str, str, str]
    manner: Manner = Manner.FLAGSTONE


def tile_address(text: str, grids: Grids) -> TileAddress:
    """`layer/z/x/y` or `grid/layer/z/x/y`, where y may have a suffix; NotFound for any other number of parts.

    `grid/z/row/column` is OGC API Tiles' tile of the dataset: a layer with a grid's name needs its schema.
    """
    parts = text.split("/")
    if parts[-1].endswith(_SUFFIXES):
        parts[-1] = parts[-1][:-4]
    match parts:
        case [grid, z, row, column] if grid in grids:
            return TileAddress(grid, None, (z, column, row), Manner.OGC)
        case [layer, z, x, y]:
            return TileAddress(None, layer, (z, x, y))
        case [grid, layer, z, x, y]:
            return TileAddress(grid, layer, (z, x, y))
    raise NotFound(
        "A tile is /tiles/{layer}/{z}/{x}/{y}, /tiles/{TileMatrixSetId}/{layer}/{z}/{x}/{y} or, of several collections,"
        " /tiles/{TileMatrixSetId}/{z}/{row}/{column}."
    )


def asked_grid(in_path: str | None, arguments: Mapping[str, Sequence[str]]) -> str | None:
    """The tile matrix set that the path or the query string names; `TileMatrixSetId` in any case, as TiMVT reads it."""
    if not arguments:
        return in_path
    named = {value for name, values in arguments.items() if name.lower() == "tilematrixsetid" for value in values}
    if in_path is not None:
        named.add(in_path)
    if len(named) > 1:
        raise BadParameter("TileMatrixSetId", "TileMatrixSetId is given more than once, with different values.")
    return named.pop() if named else None


def asked_members(backend: Backend, text: str, identity: Identity) -> tuple[Member, ...]:
    """The layers of a comma list, in its order, a named composite's in its own. Ids escape commas, so a comma always
    separates."""
    if "," not in text:
        return backend.catalog.members(text, identity)
    names = text.split(",")
    most = backend.settings.max_composite
    if len(names) > most:
        raise BadParameter("layer", f"A composite has at most {most} layers, not {len(names)}.")
    members = tuple(member for name in names for member in backend.catalog.members(name, identity))
    if len({member.alias or member.layer.id for member in members}) < len(members):
        raise BadParameter("layer", "A composite names each layer once.")
    if len(members) > most:
        raise BadParameter("layer", f"A composite has at most {most} layers, not {len(members)}.")
    return members


def refuse_encoded_slash(environ: Mapping[str, Any]) -> None:
    """WSGI decodes `%2F` before anybody sees the path: `/tiles/a%2Fb/1/2/3` would become grid `a`, layer `b`.

    gunicorn and werkzeug keep the path as it was sent. No id holds a slash: it is written `~2F`.
    """
    sent = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if "%" in sent and "%2f" in sent.partition("?")[0].lower():
        raise NotFound("A slash in a layer's id is written ~2F.")
