"""What a map asks for: layers with their parameters in a grid, checked against the catalog before anything is borrowed.

This is the only validation. What leaves here is known to exist and to be within its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import BadParameter, NotFound
from ..settings import Settings
from . import parameters
from .column import Column
from .columns import COUNT, asked_columns, chosen_columns, counts, has_count
from .composite import COLUMNS, arguments_of
from .conditions import Asked, conditions_of
from .cql2.asked import asked_filter
from .cql2.tree import Expression, both
from .finished_tiles import refuse_choices
from .function import TakesArguments, TileFunctionLayer
from .function_arguments import checked_arguments
from .function_request import function_arguments, without_prefixed
from .grid import Grid
from .grids import Grids
from .identity import Identity
from .layer import Layer, RowLayer
from .manner import Manner
from .member import Member
from .names import nearest
from .order import SortKey
from .overview import has_row_security
from .parameters import Arguments, flag, only, shown
from .relation import RelationLayer
from .served import served
from .sorting import orders_of
from .together import asked_together
from .totals import totals
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
    asked: Asked = ()
    """What of `filter` the request asks for, by its parameters: one may prove to be at fault in the database."""
    order: tuple[SortKey, ...] = ()
    arguments: tuple[tuple[str, str | None], ...] = ()
    identity: Identity
    limit_is_asked: bool = False
    """Whether the request, or configuration of the layer, wants fewer features than a tile may have: then the first ones,
    and no choice by cells."""
    budget: int = 0
    """Most bytes of a tile of rows, compressed; 0 for any number."""
    counts: bool = True
    """Whether a feature that stands for several rows may say for how many."""

    @property
    def count_name(self) -> str | None:
        """The attribute with that number; None where it is not wanted or a column of the layer has its name."""
        return COUNT if self.counts and has_count(self.layer) else None

    @property
    def overview_columns(self) -> tuple[Column, ...]:
        """What features of low zooms carry beside the columns that are asked for: sums and means, where overviews answer."""
        layer = self.layer
        if not isinstance(layer, RelationLayer) or layer.filtered_overview(self.grid.key, self.filter) is None:
            return ()
        asked = {column.name for column in self.columns}
        return tuple(column for each in totals(layer) if each.column.name in asked for column in each.served)

    @property
    def may_count(self) -> bool:
        """Whether documents name that attribute: where the layer has more rows than a tile may show."""
        if self.count_name is None or self.limit_is_asked or not isinstance(self.layer, RowLayer):
            return False
        if isinstance(self.layer, RelationLayer) and self.layer.filtered_overview(self.grid.key, self.filter) is not None:
            return not has_row_security(self.layer)
        return self.layer.estimated_rows is not None and self.layer.estimated_rows > self.limit

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The parameters in one canonical order, for the cache key: equal tiles have equal ones."""
        # Each name with its length before it: no list can be read as another one, or as `*`.
        everything = self.columns == self.layer.columns_for(self.identity)
        names = "*" if everything else "".join([f"{len(column.name)}.{column.name}" for column in self.columns])
        chosen = [f"{len(column.name)}.{column.name}={column.configured.name}" for column in self.columns if column.configured]
        others = {
            "clip": "" if self.clip else "no",
            "simplify": "" if self.simplify else "no",
            "filter": "" if self.filter is None else repr(self.filter),
            "order": repr(self.order) if self.order else "",
            "arguments": repr(self.arguments) if self.arguments else "",
            "served": "".join(chosen),
            "budget": str(self.budget) if self.budget else "",
            "counts": "" if self.counts else "no",
            "limited": "asked" if self.limit_is_asked else "",
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
            f"There is no tile matrix set {shown(grid_id)}. There are {', '.join(grids.ids)}.", nearest(grid_id, grids.ids)
        ) from None


def layer_requests(
    members: Sequence[Member],
    grid: Grid,
    arguments: Arguments,
    settings: Settings,
    identity: Identity,
    manner: Manner = Manner.FLAGSTONE,
    *,
    composite: bool | None = None,
) -> tuple[LayerRequest, ...]:
    """One request per layer, each with what the query string says. BadParameter for a value that cannot be used."""
    composite = len(members) > 1 if composite is None else composite
    if any(isinstance(member.layer, TileFunctionLayer) for member in members):
        return _with_functions(members, grid, arguments, settings, identity, manner, composite=composite)
    given = [arguments_of(member, arguments) for member in members]
    columns = asked_together(
        members, given, COLUMNS, lambda layers, asked: chosen_columns(layers, asked_columns(asked), identity)
    )
    conditions = conditions_of(members, given, identity)
    orders = orders_of(members, given, identity)
    made: list[LayerRequest] = []
    for place, (member, own) in enumerate(zip(members, given, strict=True)):
        with own.named_as_written():
            request = _layer_request(member, columns[place], grid, own.all, settings, identity, manner, composite=composite)
            chosen = asked_filter(member.layer, own.all, identity)
        asked = (*(() if chosen is None else ((own.own.get("filter", "filter"), chosen),)), *conditions[place])
        wanted = both(member.layer.options.filter, *(condition for _, condition in asked))
        made.append(replace(request, filter=wanted, asked=asked, order=orders[place]))
    if len({each.mvt_name for each in made}) < len(made):
        raise BadParameter("layer", "Two of these layers have the same name inside a tile, so they cannot share one.")
    return tuple(made)


def _with_functions(
    members: Sequence[Member],
    grid: Grid,
    arguments: Arguments,
    settings: Settings,
    identity: Identity,
    manner: Manner,
    *,
    composite: bool,
) -> tuple[LayerRequest, ...]:
    """As `layer_requests`, where some layers are functions that make a tile: what the query string means to those, only
    they know. The other layers are asked as if they were alone."""
    others = [member for member in members if not isinstance(member.layer, TileFunctionLayer)]
    rest = layer_requests(others, grid, arguments, settings, identity, manner, composite=composite) if others else ()
    refuse_choices(
        [(member.layer, arguments_of(member, arguments)) for member in members if isinstance(member.layer, TileFunctionLayer)],
        others_may_take_them=bool(others),
    )
    asked_others = iter(rest)
    made = []
    for member in members:
        if not isinstance(member.layer, TileFunctionLayer):
            made.append(next(asked_others))
            continue
        if composite and member.layer.is_raster:
            raise BadParameter("layer", f"The tiles of {member.layer.id} are {member.layer.media_type}: they cannot be one with others.")
        own = arguments_of(member, arguments)
        with own.named_as_written():
            given = function_arguments(member.layer, grid, without_prefixed(own.all, members), settings)
        first, last = zooms(member.layer, grid, settings)
        inside = member.layer.vector_layers if member.layer.options.mvt_name is None else ()
        made.append(LayerRequest(
            layer=member.layer, grid=grid, first_zoom=first, last_zoom=last, identity=identity, arguments=given,
            mvt_name=inside[0].id if inside else manner.mvt_name(member, settings, composite=composite),
            # The function's own affair.
            columns=(), limit=settings.max_features, resolution=settings.tile_extent, buffer=0,
        ))  # fmt: skip
    return tuple(made)


def _layer_request(
    member: Member,
    columns: tuple[Column, ...],
    grid: Grid,
    arguments: Arguments,
    settings: Settings,
    identity: Identity,
    manner: Manner,
    *,
    composite: bool,
) -> LayerRequest:
    layer, options = member.layer, member.layer.options
    first, last = zooms(layer, grid, settings)
    most = min(options.limit or settings.max_features, settings.max_features)
    limit = parameters.limit(only(arguments, "limit"), most)
    extent = options.extent or settings.tile_extent
    buffer = manner.buffer(settings) if options.buffer is None else options.buffer / 4096
    resolution = parameters.resolution(only(arguments, "resolution"), extent, settings)
    return LayerRequest(
        layer=layer,
        mvt_name=manner.mvt_name(member, settings, composite=composite),
        grid=grid,
        first_zoom=first,
        last_zoom=last,
        columns=served(columns, options, settings, arguments),
        limit=limit,
        limit_is_asked=limit < settings.max_features,
        budget=settings.tile_budget_kb * 1024,
        counts=counts(arguments),
        resolution=resolution,
        buffer=parameters.buffer(only(arguments, "buffer"), resolution, buffer, settings),
        clip=flag(arguments, "clip", usual=True),
        simplify=flag(arguments, "simplify", usual=True),
        arguments=checked_arguments(layer.arguments, arguments) if isinstance(layer, TakesArguments) else (),
        identity=identity,
    )
