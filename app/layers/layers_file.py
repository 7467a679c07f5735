"""The layers file: what the database cannot say of its layers, and composites that have a name. Text in, values out."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ..errors import ConfigurationError
from .grids import BUILT_IN
from .layer import Layer
from .layer_entry import Box, Entry, LayerEntry, Name, Text, Zoom
from .names import RESERVED, escape, layer_id, nearest
from .relation import RelationLayer


class MemberEntry(Entry):
    """One layer of a named composite. `name` is what it is called inside the tile, and the prefix of its parameters."""

    layer: Name
    name: Name | None = None


def _members(value: Any) -> Any:
    if not isinstance(value, list):
        raise ValueError("must be a list of layer ids or tables")  # noqa: TRY004  # pydantic explains this one only
    return tuple({"layer": each} if isinstance(each, str) else each for each in value)


class CompositeEntry(BaseModel):
    """Several layers in one tile under one name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: Text | None = None
    description: Text | None = None
    attribution: Text | None = None
    bounds: Box | None = None
    minzoom: Zoom | None = None
    maxzoom: Zoom | None = None
    layers: Annotated[tuple[MemberEntry, ...], BeforeValidator(_members), Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.minzoom is not None and self.maxzoom is not None and self.minzoom > self.maxzoom:
            raise ValueError("minzoom must not be above maxzoom")
        names = [member.name or member.layer for member in self.layers]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two of its layers are called {twice!r} inside the tile; `name` can tell them apart")
        return self


class LayersFile(BaseModel):
    """Everything that one layers file says. Keys of `layers` are ids, keys of `composites` their names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    layers: dict[str, LayerEntry] = {}
    composites: dict[str, CompositeEntry] = {}

    @field_validator("composites")
    @classmethod
    def _addressable(cls, composites: dict[str, CompositeEntry], info: ValidationInfo) -> dict[str, CompositeEntry]:
        grids = {*BUILT_IN, *(info.context or ())}
        for name in composites:
            if not name or escape(name) != name:
                raise ValueError(f"{name!r} cannot be the name of a composite: it must hold none of / \\ , ; ~ . and not be empty")
            if name in RESERVED:
                raise ValueError(f"{name!r} cannot be the name of a composite: it is a word of Flagstone's own addresses")
            if name in grids:
                raise ValueError(f"{name!r} cannot be the name of a composite: it is the id of a tile matrix set")
        return composites


NO_FILE = LayersFile()
_OF_ONE_GEOMETRY = ("geometry", "bounds", "mvt_name")


def entry_of(file: LayersFile, layer: Layer) -> LayerEntry | None:
    """What file and comment say of a layer. What is said of a table holds for each of its geometry columns, where the
    column's own layer says nothing else: a filter of the table must not be escaped through another column."""
    entry: LayerEntry | None = layer.comment
    if isinstance(layer, RelationLayer) and not layer.is_first_geometry:
        of_table = file.layers.get(layer_id(layer.schema, layer.name))
        if of_table is not None:
            said = {name: value for name, value in of_table.said.items() if name not in _OF_ONE_GEOMETRY}
            entry = LayerEntry.model_construct(**said).over(entry)
    filed = file.layers.get(layer.id)
    return entry if filed is None else filed.over(entry)


def parse(text: str, where: str, grids: Collection[str] = ()) -> LayersFile:
    """The layers file with this text; ConfigurationError names `where`, the table and the key of each fault.

    `grids` are the ids of custom tile matrix sets, which no composite may have as its name.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is not TOML: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{where} is not a layers file: it is nested too deeply") from None
    try:
        return LayersFile.model_validate(document, context=frozenset(grids))
    except ValidationError as error:
        faults = [f"{where}: {_sentence(fault, document)}" for fault in error.errors(include_url=False)]
        raise ConfigurationError("; ".join(dict.fromkeys(faults))) from None


def _sentence(fault: Mapping[str, Any], document: dict[str, Any]) -> str:
    place, known = _place(fault["loc"], document)
    if fault["type"] == "extra_forbidden":
        key = str(fault["loc"][-1])
        close = nearest(key, known, most=1)
        return f"{place}: there is no such key{f'; {close[0]} is one' if close else ''}"
    if fault["type"] == "missing":
        return f"{place}: is missing"
    said = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {said[:1].lower()}{said[1:]}"


def _place(parts: tuple[int | str, ...], document: dict[str, Any]) -> tuple[str, list[str]]:
    """`[layers."public.roads"] minzoom`, and the keys that could stand there."""
    match parts:
        case ("layers", str(name), *rest):
            return _joined(f'[layers."{name}"]', rest), list(LayerEntry.model_fields)
        case ("composites", str(name), "layers", int(place), *rest):
            shown = _shown_member(document, name, place)
            return _joined(f'[composites."{name}"] layers[{place}]{shown}', rest), list(MemberEntry.model_fields)
        case ("composites", str(name), *rest):
            return _joined(f'[composites."{name}"]', rest), list(CompositeEntry.model_fields)
    return _joined("[top level]", list(parts)), list(LayersFile.model_fields)


def _joined(table: str, rest: list[int | str]) -> str:
    return f"{table} {'.'.join(map(str, rest))}" if rest else table


def _shown_member(document: dict[str, Any], name: str, place: int) -> str:
    member = document["composites"][name]["layers"][place]
    layer = member.get("layer") if isinstance(member, dict) else None
    return f" ({layer})" if isinstance(layer, str) else ""
