"""A tile request: the path and the query string, checked against the catalog before anything is borrowed.

This is the only validation. What leaves here is known to exist and to be within its limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import BadParameter, NotFound
from ..settings import Settings
from .column import Column
from .grid import Grid, Grids
from .identity import Identity
from .names import nearest
from .relation import RelationLayer
from .tile import Tile

_SHOWN = 60
"""Characters of a value that a message repeats."""


class TileRequest(NamedTuple):
    """One layer of one tile. `resolution` and `buffer` are in units of the MVT extent, `limit` in features."""

    layer: RelationLayer
    mvt_name: str
    grid: Grid
    tile: Tile
    columns: tuple[Column, ...]
    limit: int
    resolution: int
    buffer: int
    identity: Identity

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The parameters in one canonical order, for the cache key: equal tiles have equal ones."""
        # Each name with its length before it: no list can be read as another one, or as `*`.
        everything = self.columns == self.layer.columns
        names = "*" if everything else "".join([f"{len(column.name)}.{column.name}" for column in self.columns])
        return (("columns", names), ("size", f"{self.resolution}+{self.buffer}"), ("limit", str(self.limit)))


def grid_for(grids: Grids, asked: str | None, settings: Settings) -> Grid:
    """The tile matrix set of this id, or the default one; NotFound names the nearest."""
    grid_id = asked or settings.default_grid
    try:
        return grids.get(grid_id)
    except KeyError:
        raise NotFound(
            f"There is no tile matrix set {_shown(grid_id)}; /tileMatrixSets lists them.", nearest(grid_id, grids.ids)
        ) from None


def zooms(grid: Grid, settings: Settings) -> tuple[int, int]:
    """The lowest and highest zoom of a layer in this grid: the settings' in the default grid, else all of the grid's."""
    if grid.id != settings.default_grid:
        return grid.minzoom, grid.maxzoom
    return max(settings.default_minzoom, grid.minzoom), min(settings.default_maxzoom, grid.maxzoom)


def mvt_name(layer: RelationLayer, settings: Settings, *, composite: bool) -> str:
    """The name of the layer inside the tile. One constant for all would make the parts of a composite one layer."""
    return layer.id if composite or settings.mvt_layer_name is None else settings.mvt_layer_name


def tile_requests(
    layers: Sequence[RelationLayer],
    grid: Grid,
    path: tuple[str, str, str],
    arguments: Mapping[str, Sequence[str]],
    settings: Settings,
    identity: Identity,
) -> tuple[TileRequest, ...]:
    """One request per layer, all of the same tile.

    `path` is zoom, column, row as they stand in the address; `arguments` the query string, each name
    with all its values. NotFound where the tile
    is outside the grid or the zooms, BadParameter for a value that cannot be used.
    """
    tile = existing_tile(grid, path, settings)
    resolution = settings.tile_extent
    buffer = settings.tile_buffer
    limit = settings.max_features
    asked: str | None = None
    if arguments:
        resolution = _resolution(_only(arguments, "resolution"), settings)
        buffer = _buffer(_only(arguments, "buffer"), resolution, settings)
        limit = _limit(_only(arguments, "limit"), settings)
        asked = ",".join(arguments["columns"]) if "columns" in arguments else None
    composite = len(layers) > 1
    columns = chosen_columns(layers, asked, identity)
    return tuple(
        TileRequest(
            layer, mvt_name(layer, settings, composite=composite), grid, tile, columns[index], limit, resolution, buffer, identity
        )
        for index, layer in enumerate(layers)
    )


def _only(arguments: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = arguments.get(name, ())
    if len(set(values)) > 1:
        raise BadParameter(name, f"{name} is given more than once, with different values.")
    return values[0] if values else None


def existing_tile(grid: Grid, path: tuple[str, str, str], settings: Settings) -> Tile:
    """The tile that three parts of a path name."""
    tile = Tile(whole_number("z", path[0]), whole_number("x", path[1]), whole_number("y", path[2]))
    lowest, highest = zooms(grid, settings)
    if not lowest <= tile.z <= highest:
        raise NotFound(f"Zoom {_shown(path[0])} is outside {lowest} to {highest}, the zooms of this layer in {grid.id}.")
    if not grid.has(tile):
        raise NotFound(f"Tile {_shown('/'.join(path))} is outside the tile matrix set {grid.id}.")
    return tile


def whole_number(name: str, text: str) -> int:
    """An integer in plain ASCII digits: `int` would also take `1_0`, ` 1`, `+1` and other scripts' digits."""
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()):
        raise BadParameter(name, f"{name} must be a whole number, not {_shown(text)}.")
    if len(digits) <= 18:
        return int(text)
    # Python refuses to read thousands of digits; any of these is outside every range, so its sign and size will do.
    return -(10**18) if text[0] == "-" else 10**18


def chosen_columns(
    layers: Sequence[RelationLayer], asked: str | None, identity: Identity
) -> list[tuple[Column, ...]]:
    """For each layer the columns that its tile carries, in the table's order.

    `asked` is a comma-separated list; empty means no attributes. Every name must be a column of at least one layer.
    """
    if asked is None:
        return [layer.columns_for(identity) for layer in layers]
    names = set(_comma_list(asked)) if asked else set()
    readable = [layer.columns_for(identity) for layer in layers]
    known = {column.name for columns in readable for column in columns}
    for name in sorted(names - known):
        close = nearest(name, known)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise BadParameter("columns", f"There is no column {_shown(name)} in {_named(layers)}.{hint}")
    return [tuple(column for column in columns if column.name in names) for columns in readable]


def _comma_list(text: str) -> list[str]:
    """Names between commas; one in double quotes may hold a comma, and a doubled quote stands for one."""
    names, current, quoted, position = [], "", False, 0
    while position < len(text):
        character = text[position]
        if quoted and text[position : position + 2] == '""':
            current += '"'
            position += 1
        elif character == '"' and (quoted or not current):
            quoted = not quoted
        elif character == "," and not quoted:
            names.append(current)
            current = ""
        else:
            current += character
        position += 1
    if quoted:
        raise BadParameter("columns", f"The quote in columns={_shown(text)} is not closed.")
    return [*names, current]


def _resolution(text: str | None, settings: Settings) -> int:
    if text is None:
        return settings.tile_extent
    value = whole_number("resolution", text)
    if not 1 <= value <= settings.max_tile_extent:
        raise BadParameter("resolution", f"resolution must be 1 to {settings.max_tile_extent}, not {_shown(text)}.")
    return value


def _buffer(text: str | None, resolution: int, settings: Settings) -> int:
    most = int(resolution * settings.max_buffer_ratio)
    if text is None:
        # The configured buffer is a part of the tile's edge: a coarser tile gets as many fewer units.
        return min(settings.tile_buffer * resolution // settings.tile_extent, most)
    value = whole_number("buffer", text)
    if not 0 <= value <= most:
        raise BadParameter("buffer", f"buffer must be 0 to {most} at resolution {resolution}, not {_shown(text)}.")
    return value


def _limit(text: str | None, settings: Settings) -> int:
    if text is None:
        return settings.max_features
    value = whole_number("limit", text)
    if value == -1:
        return settings.max_features
    if value < 1:
        raise BadParameter("limit", f"limit must be 1 or more, or -1 for the most allowed, not {_shown(text)}.")
    return min(value, settings.max_features)


def _named(layers: Sequence[RelationLayer]) -> str:
    return ", ".join(layer.id for layer in layers)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
