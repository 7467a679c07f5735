"""What a map asks for: layers with their parameters in a grid, checked against the catalog before anything is borrowed.

This is the only validation. What leaves here is known to exist and to be within its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import NotFound
from ..settings import Settings
from . import parameters
from .column import Column
from .columns import chosen_columns
from .cql2.tree import Expression
from .grid import Grid, Grids
from .identity import Identity
from .layer import Layer
from .manner import Manner
from .member import Member
from .names import nearest
from .order import SortKey
from .parameters import Arguments, only, shown
from .zooms import zooms


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRequest:
    """One layer with its parameters, in one grid: all of a request but the tile.

    `resolution` and `buffer` are in units of the MVT extent, `limit` in features; `arguments` are those of a function.
    """

    layer: Layer
    mvt_name: str
    grid: Grid
    first_zoom: int
    last_zoom: int
    columns: tuple[Column, ...]
    limit: int
    resolution: int
    buffer: int
    clip: bool = True
    simplify: bool = True
    filter: Expression | None = None
    order: tuple[SortKey, ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    identity: Identity

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The parameters in one canonical order, for the cache key: equal tiles have equal ones."""
        # Each name with its length before it: no list can be read as another one, or as `*`.
        everything = self.columns == self.layer.columns_for(self.identity)
        names = "*" if everything else "".join([f"{len(column.name)}.{column.name}" for column in self.columns])
        others = {
            "clip": "" if self.clip else "no",
            "simplify": "" if self.simplify else "no",
            "filter": "" if self.filter is None else repr(self.filter),
            "order": repr(self.order) if self.order else "",
            "arguments": repr(self.arguments) if self.arguments else "",
        }
        return (
            ("columns", names), ("size", f"{self.resolution}+{self.buffer}"), ("limit", str(self.limit)),
            *((name, value) for name, value in others.items() if value),
        )  # fmt: skip


def grid_for(grids: Grids, asked: str | None, settings: Settings) -> Grid:
    """The tile matrix set of this id, or the default one; NotFound names the nearest."""
    grid_id = asked or settings.default_grid
    try:
        return grids.get(grid_id)
    except KeyError:
        raise NotFound(
            f"There is no tile matrix set {shown(grid_id)}; /tileMatrixSets lists them.", nearest(grid_id, grids.ids)
        ) from None


def layer_requests(
    members: Sequence[Member],
    grid: Grid,
    arguments: Arguments,
    settings: Settings,
    identity: Identity,
    manner: Manner = Manner.FLAGSTONE,
) -> tuple[LayerRequest, ...]:
    """One request per layer, each with what the query string says. BadParameter for a value that cannot be used."""
    layers = [member.layer for member in members]
    asked = ",".join(arguments["columns"]) if "columns" in arguments else None
    columns = chosen_columns(layers, asked, identity)
    composite = len(members) > 1
    return tuple(
        _layer_request(layer, columns[place], grid, arguments, settings, identity, manner, composite=composite)
        for place, layer in enumerate(layers)
    )


def _layer_request(
    layer: Layer,
    columns: tuple[Column, ...],
    grid: Grid,
    arguments: Arguments,
    settings: Settings,
    identity: Identity,
    manner: Manner,
    *,
    composite: bool,
) -> LayerRequest:
    options = layer.options
    first, last = zooms(layer, grid, settings)
    extent = options.extent or settings.tile_extent
    buffer = settings.tile_buffer / settings.tile_extent if options.buffer is None else options.buffer / 4096
    resolution = parameters.resolution(only(arguments, "resolution"), extent, settings)
    return LayerRequest(
        layer=layer,
        mvt_name=manner.mvt_name(layer, settings, composite=composite),
        grid=grid,
        first_zoom=first,
        last_zoom=last,
        columns=columns,
        limit=parameters.limit(only(arguments, "limit"), min(options.limit or settings.max_features, settings.max_features)),
        resolution=resolution,
        buffer=parameters.buffer(only(arguments, "buffer"), resolution, buffer, settings),
        filter=options.filter,
        order=options.rank,
        identity=identity,
    )
