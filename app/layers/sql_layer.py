"""Layers that are statements of the application: registered, in a file or from Python, without touching the database."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from .bounds import WORLD, Bounds
from .column import Column
from .crs import Crs
from .function import Argument
from .grids import BUILT_IN
from .identity import Identity
from .layer import Layer, RowLayer
from .names import RESERVED, escape
from .parameters import KNOWN
from .sql_header import BadHeader, SqlParameter, header

TILE_NAMES = ("z", "x", "y", "bounds", "srid")
"""Placeholders that are filled for every tile."""
ENCODING_NAMES = ("envelope", "extent", "buffer", "layer")
"""Those of a statement that makes the tile itself, beside `TILE_NAMES`."""
_TAKEN = frozenset({*TILE_NAMES, *ENCODING_NAMES, *KNOWN})
_PARAMETER_NAME = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)
_ZOOMS = range(31)
_LONGEST_ID = 200


@dataclass(frozen=True, kw_only=True)
class SqlLayer:
    """A SELECT with named placeholders, as somebody registers it. ConfigurationError says what is wrong with it.

    It returns rows with a geometry, or one `bytea`, the finished tile. `bounds` are longitude and latitude. `options`
    are its parameters: SqlParameter, or mappings with `name`, `type`, `default` and `description`. `srid` is the
    reference system of the geometry, where its type does not say; without either it is 4326.
    """

    id: str
    sql: str
    title: str | None = None
    description: str | None = None
    attribution: str | None = None
    bounds: Bounds | Sequence[float] | None = None
    minzoom: int | None = None
    maxzoom: int | None = None
    options: Sequence[SqlParameter | Mapping[str, Any]] = ()
    srid: int | None = None
    geometry_column: str | None = None
    id_column: str | None = None

    def __post_init__(self) -> None:
        try:
            _check_id(self.id)
            _check_zooms(self.minzoom, self.maxzoom)
            parameters = tuple(_parameter(option) for option in self.options)
            _check_names(parameters)
            _check_srid(self.srid)
            bounds = _bounds(self.bounds)
        except BadHeader as error:
            raise ConfigurationError(f"layer {self.id[:_LONGEST_ID]!r}: {error}") from error
        object.__setattr__(self, "options", parameters)
        object.__setattr__(self, "bounds", bounds)

    @classmethod
    def from_text(cls, layer_id: str, text: str) -> SqlLayer:
        """The layer of a file's text, with what its head says; ConfigurationError where that cannot be used."""
        try:
            said = header(text)
            return cls(
                id=layer_id,
                sql=text,
                title=said.values.get("title"),
                description=said.values.get("description"),
                attribution=said.values.get("attribution"),
                bounds=_numbers(said.values.get("bounds")),
                minzoom=_whole("minzoom", said.values.get("minzoom")),
                maxzoom=_whole("maxzoom", said.values.get("maxzoom")),
                options=said.parameters,
                srid=_whole("srid", said.values.get("srid")),
                geometry_column=said.values.get("geometry_column"),
                id_column=said.values.get("id_column"),
            )
        except BadHeader as error:
            raise ConfigurationError(f"layer {layer_id!r}: {error}") from error

    @property
    def parameters(self) -> tuple[SqlParameter, ...]:
        """Its parameters, in their order."""
        return tuple(_parameter(option) for option in self.options)

    @property
    def declared_bounds(self) -> Bounds | None:
        """Its bounds, checked."""
        return _bounds(self.bounds)


@dataclass(frozen=True, kw_only=True)
class SqlRowLayer(RowLayer):
    """A registered statement that returns rows."""

    declared: SqlLayer
    arguments: tuple[Argument, ...] = ()
    is_typed: bool = False
    """Whether the type of its geometry says the reference system; else each row has the last word."""
    returned: tuple[str, ...] = ()
    """The names of all attributes that come out, also where configuration leaves fewer."""

    @property
    def has_bare_name(self) -> bool:
        """Its id is its name."""
        return False

    def _definition(self) -> tuple[Any, ...]:
        return (*super()._definition(), self.declared.sql, self.arguments, self.is_typed, self.returned)


@dataclass(frozen=True, kw_only=True)
class SqlTileLayer(Layer):
    """A registered statement that returns a finished tile. `crs` is that of `:bounds`, None for the grid's own."""

    declared: SqlLayer
    arguments: tuple[Argument, ...] = ()
    crs: Crs | None = None

    @property
    def has_bare_name(self) -> bool:
        return False

    def readable_by(self, identity: Identity) -> bool:
        """Whether it is the login itself that asks: what a role may read, a statement does not say."""
        return identity.role in (None, self.login)

    def columns_for(self, identity: Identity) -> tuple[Column, ...]:
        """None: what is in the tile is not known before."""
        return ()

    def _definition(self) -> tuple[Any, ...]:
        # Whose rights it is read with: two logins of one database may share a cache.
        return (*super()._definition(), self.login, self.declared.sql, self.arguments, self.crs)


def _check_id(layer_id: str) -> None:
    if not layer_id or len(layer_id) > _LONGEST_ID or escape(layer_id) != layer_id:
        raise BadHeader(f"an id has 1 to {_LONGEST_ID} characters and none of / \\ , ; ~ . in it")
    if layer_id in RESERVED:
        raise BadHeader(f"{layer_id} is a word of Flagstone's own addresses")
    if layer_id in BUILT_IN:
        raise BadHeader(named_like_a_grid(layer_id))


def named_like_a_grid(layer_id: str) -> str:
    """Why a layer without a schema cannot have this id."""
    return f"{layer_id} is the id of a tile matrix set: /tiles/{layer_id}/… is a tile of the dataset"


def _check_srid(srid: int | None) -> None:
    if srid is not None and not 0 < srid < 1_000_000:
        raise BadHeader(f"srid must be the number of a reference system, not {srid}")


def _check_zooms(minzoom: int | None, maxzoom: int | None) -> None:
    for name, zoom in (("minzoom", minzoom), ("maxzoom", maxzoom)):
        if zoom is not None and zoom not in _ZOOMS:
            raise BadHeader(f"{name} must be {_ZOOMS.start} to {_ZOOMS.stop - 1}, not {zoom}")
    if minzoom is not None and maxzoom is not None and minzoom > maxzoom:
        raise BadHeader(f"minzoom {minzoom} is above maxzoom {maxzoom}")


def _check_names(parameters: tuple[SqlParameter, ...]) -> None:
    seen: set[str] = set()
    for parameter in parameters:
        name = parameter.name
        if not _PARAMETER_NAME.fullmatch(name):
            raise BadHeader(f"the parameter name {name[:80]!r} is not made of letters, digits and _")
        if name in _TAKEN or name.lower() == "tilematrixsetid":
            raise BadHeader(f"a parameter cannot be called {name}: addresses use that word already")
        if name in seen:
            raise BadHeader(f"there are two parameters {name}")
        seen.add(name)


def _parameter(option: SqlParameter | Mapping[str, Any]) -> SqlParameter:
    if isinstance(option, SqlParameter):
        return option
    unknown = option.keys() - {"name", "type", "default", "description"}
    if unknown or "name" not in option:
        raise BadHeader(f"an option has name, type, default and description, not {', '.join(sorted(unknown)) or 'no name'}")
    default = option.get("default")
    return SqlParameter(
        name=str(option["name"]),
        type=str(option.get("type") or _type_of(default)),
        default=_text_of(default),
        description=option.get("description"),
        has_default="default" in option,
    )


def _type_of(value: object) -> str:
    """The type of a default, where nothing else says it: options of TiMVT have a name and a default."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer" if -(2**31) <= value < 2**31 else "bigint"
        case float():
            return "double precision"
    return "text"


def _text_of(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
    return str(value)


def _bounds(given: Bounds | Sequence[float] | None) -> Bounds | None:
    if given is None or isinstance(given, Bounds):
        return given
    try:
        west, south, east, north = (float(edge) for edge in given)
    except (TypeError, ValueError):
        raise BadHeader("bounds are four numbers: west, south, east, north") from None
    edges = (west, south, east, north)
    inside = WORLD.xmin <= min(west, east) and max(west, east) <= WORLD.xmax and WORLD.ymin <= south <= north <= WORLD.ymax
    if not all(map(math.isfinite, edges)) or not inside:
        raise BadHeader("bounds are west, south, east, north in degrees, within -180, -90, 180, 90")
    return Bounds(west, south, east, north)


def _numbers(text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.strip("[]").split(",")]
    except ValueError:
        raise BadHeader("bounds are four numbers: west, south, east, north") from None


def _whole(key: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadHeader(f"{key} must be a whole number, not {text[:60]!r}")
    return int(text)
