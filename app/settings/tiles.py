"""What a tile is where neither the address nor the layer says, and the bounds of what an address may ask for."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from .declaration import Part, names


class TileSettings(Part):
    """Grid, zooms, extent, buffer, features, attributes, composites."""

    default_grid: str = Field(
        "WebMercatorQuad", validation_alias=names("FLAGSTONE_DEFAULT_TMS", "TIMVT_DEFAULT_TMS"),
        description="Tile matrix set where the address names none.")
    tms_directory: str | None = Field(
        None, validation_alias=names("FLAGSTONE_TMS_DIRECTORY", "TILEMATRIXSET_DIRECTORY"),
        description="Directory with further tile matrix sets, one TMS 2.0 JSON file each, named by its id.")
    default_minzoom: int = Field(
        0, ge=0, le=30, validation_alias=names("FLAGSTONE_DEFAULT_MINZOOM", "TIMVT_DEFAULT_MINZOOM"),
        description="Lowest zoom of a layer in the default tile matrix set.")
    default_maxzoom: int = Field(
        22, ge=0, le=30, validation_alias=names("FLAGSTONE_DEFAULT_MAXZOOM", "TIMVT_DEFAULT_MAXZOOM"),
        description="Highest zoom of a layer in the default tile matrix set.")
    tile_extent: int = Field(
        4096, ge=256, le=65536, validation_alias=names("FLAGSTONE_TILE_EXTENT", "TIMVT_TILE_RESOLUTION"),
        description="Units along a tile's edge (MVT extent), where `resolution` does not say.")
    max_tile_extent: int = Field(
        8192, ge=256, le=65536, alias="FLAGSTONE_MAX_TILE_EXTENT", description="Largest `resolution` a request may ask for.")
    tile_buffer: int = Field(
        256, ge=0, validation_alias=names("FLAGSTONE_TILE_BUFFER", "TIMVT_TILE_BUFFER"),
        description="Units around a tile that are drawn too, where `buffer` does not say.")
    max_buffer_ratio: float = Field(
        0.125, ge=0, le=1, alias="FLAGSTONE_MAX_BUFFER_RATIO", description="Largest buffer as a part of the tile's edge.")
    max_features: int = Field(
        10_000, ge=1, validation_alias=names("FLAGSTONE_MAX_FEATURES", "TIMVT_MAX_FEATURES_PER_TILE"),
        description="Most features of one layer in a tile; `limit` may ask for fewer.")
    max_tile_bytes: int = Field(
        33_554_432, ge=1024, le=1_073_741_824, alias="FLAGSTONE_MAX_TILE_BYTES",
        description="Most bytes, uncompressed, that a function or a statement of the application may give for a tile.")
    tile_budget_kb: int = Field(
        500, ge=0, alias="FLAGSTONE_TILE_BUDGET_KB",
        description="Most kilobytes of one layer in a tile, compressed; above it one feature of each cell is shown. 0 is no bound.")
    max_composite: int = Field(
        20, ge=1, alias="FLAGSTONE_MAX_COMPOSITE", description="Most layers of one composite tile.")
    composite_failure: Literal["fail", "skip"] = Field(
        "fail", alias="FLAGSTONE_COMPOSITE_FAILURE",
        description="What a composite does where one of its layers fails: `fail` too, or `skip` the layer and say so in a header.")
    numeric_as: Literal["double", "text"] = Field(
        "double", alias="FLAGSTONE_NUMERIC_AS",
        description="Attributes of type numeric are a `double`, about 15 digits, or `text` with all of them.")
    json_as: Literal["text", "open"] = Field(
        "text", alias="FLAGSTONE_JSON_AS",
        description="Attributes that are objects (json, hstore, composite types) are `text`, or `open`: their keys are attributes.")
    mvt_layer_name: str | None = Field(
        None, min_length=1, alias="FLAGSTONE_MVT_LAYER_NAME",
        description="One name for the layer inside every tile, `default` for maps written for TiMVT. Default: the layer's id.")

    @model_validator(mode="after")
    def _tiles_fit(self) -> Self:
        if self.default_minzoom > self.default_maxzoom:
            raise ValueError("FLAGSTONE_DEFAULT_MINZOOM must not be above FLAGSTONE_DEFAULT_MAXZOOM")
        if self.tile_buffer > self.tile_extent * self.max_buffer_ratio:
            raise ValueError(
                "FLAGSTONE_TILE_BUFFER must not be above FLAGSTONE_TILE_EXTENT times FLAGSTONE_MAX_BUFFER_RATIO")
        if self.tile_extent > self.max_tile_extent:
            raise ValueError("FLAGSTONE_TILE_EXTENT must not be above FLAGSTONE_MAX_TILE_EXTENT")
        return self
