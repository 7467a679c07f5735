"""What configuration may say of one layer: a table of the layers file, or a JSON comment in the database."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .bounds import WORLD, Bounds

LOWEST_ZOOM, HIGHEST_ZOOM = -30, 30
_LONGEST_TEXT = 20_000
_MOST_NAMES = 2000
_MOST_FILTERS = 20
NARROWING = frozenset({"columns", "filter", "hidden"})
"""Keys that keep something from the map: where one cannot be understood, nothing of its layer is served."""


def lonlat_bounds(value: Any) -> Bounds | None:
    """[west, south, east, north] in degrees; west above east crosses ±180 (RFC 7946 §5.2). None for anything else."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(edge, (int, float)) and not isinstance(edge, bool) for edge in value):
        return None
    west, south, east, north = edges = [float(edge) for edge in value]
    if not all(map(math.isfinite, edges)) or south > north:
        return None
    if not all(WORLD.xmin <= lon <= WORLD.xmax for lon in (west, east)):
        return None
    if not all(WORLD.ymin <= lat <= WORLD.ymax for lat in (south, north)):
        return None
    return Bounds(west, south, east, north)


def _four_degrees(value: Any) -> Any:
    if lonlat_bounds(value) is None:
        raise ValueError("must be [west, south, east, north] in degrees")
    return tuple(float(edge) for edge in value)


def _names(value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of names")
    return tuple(value)


def _keys(value: Any) -> Any:
    return (value,) if isinstance(value, str) else _names(value)


Text = Annotated[str, Field(max_length=_LONGEST_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=_LONGEST_TEXT)]
Zoom = Annotated[int, Field(ge=LOWEST_ZOOM, le=HIGHEST_ZOOM)]
Box = Annotated[tuple[float, float, float, float], BeforeValidator(_four_degrees), Field(strict=False)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names), Field(max_length=_MOST_NAMES, strict=False)]
SortNames = Annotated[tuple[str, ...], BeforeValidator(_keys), Field(max_length=10, strict=False)]


class Entry(BaseModel):
    """Keys that a layer and a member of a composite share. None is what is not said."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    minzoom: Zoom | None = None
    maxzoom: Zoom | None = None
    extent: Annotated[int, Field(ge=256, le=65536)] | None = None
    buffer: Annotated[int, Field(ge=0, le=4096)] | None = None
    limit: Annotated[int, Field(ge=1)] | None = None
    columns: Names | None = None
    rank: SortNames | None = None
    filter: Name | None = None
    filter_lang: Name | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.minzoom is not None and self.maxzoom is not None and self.minzoom > self.maxzoom:
            raise ValueError("minzoom must not be above maxzoom")
        if self.filter_lang is not None and self.filter is None:
            raise ValueError("filter_lang needs a filter beside it")
        return self


class OverviewEntry(BaseModel):
    """What the overviews of a layer hold beside its own columns: columns whose sum, or mean, goes with `feature_count`.

    `merge` names the columns by whose values lines become longer ones, `filters` are further conditions, in CQL2 text or
    JSON, each of which has an overview of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sum: Names = ()
    mean: Names = ()
    merge: Names = ()
    filters: Annotated[tuple[str, ...], BeforeValidator(_names), Field(max_length=_MOST_FILTERS, strict=False)] = ()


class LayerEntry(Entry):
    """One layer. `id` is the column of the feature id, `geometry` the geometry column that is drawn."""

    WORDS: ClassVar[tuple[str, ...]] = ("title", "description", "attribution")

    title: Text | None = None
    description: Text | None = None
    attribution: Text | None = None
    bounds: Box | None = None
    id: Name | None = None
    geometry: Name | None = None
    mvt_name: Name | None = None
    ttl_s: Annotated[int, Field(ge=0, le=366 * 86_400)] | None = None
    hidden: bool | None = None
    numeric_as: Literal["double", "text"] | None = None
    json_as: Literal["text", "open"] | None = None
    overview: OverviewEntry | None = None
    reads: Names | None = None
    """The tables, as `schema.table`, by whose changes its tiles grow old: of a function nobody can know them."""

    @property
    def said(self) -> dict[str, Any]:
        """The keys that have a value, in the order of this class."""
        return {name: value for name in LayerEntry.model_fields if (value := getattr(self, name)) is not None}

    def over(self, below: LayerEntry | None) -> LayerEntry:
        """This entry, and what it does not say as `below` has it. A filter brings its own language along."""
        if below is None:
            return self
        kept = below.said
        if self.filter is not None:
            kept.pop("filter_lang", None)
        return LayerEntry.model_construct(**{**kept, **self.said})


class CommentEntry(LayerEntry):
    """What a JSON comment says. `unusable` are its members that are known and have a value that cannot be used."""

    unusable: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: dict[str, Any]) -> CommentEntry:
        """The entry of a comment's members. It may have been written for another program: what cannot be used is no fault."""
        usable: dict[str, Any] = {}
        unusable = []
        for name in LayerEntry.model_fields:
            if document.get(name) is None:  # RFC 7396: as if it were not there
                continue
            try:
                LayerEntry.model_validate({**usable, name: document[name]})
            except ValidationError:
                unusable.append(name)
            else:
                usable[name] = document[name]
        return cls.model_validate({**usable, "unusable": tuple(unusable)})
