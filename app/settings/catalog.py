"""What is published, and how often the database is asked what there is."""

from __future__ import annotations

from pydantic import Field

from .declaration import Part, Words, names


class CatalogSettings(Part):
    """Which schemas, relations, functions and files become layers."""

    schemas: Words = Field(
        ("*",), validation_alias=names("FLAGSTONE_SCHEMAS", "DB_SCHEMAS"),
        description="Schemas to publish, comma-separated shell patterns.")
    exclude_schemas: Words = Field((), alias="FLAGSTONE_EXCLUDE_SCHEMAS", description="Schemas not to publish, patterns.")
    tables: Words = Field(
        ("*",), validation_alias=names("FLAGSTONE_TABLES", "DB_TABLES"),
        description="Relations to publish, patterns of `name` or `schema.name`.")
    exclude_tables: Words = Field((), alias="FLAGSTONE_EXCLUDE_TABLES", description="Relations not to publish, patterns.")
    functions: Words = Field(
        ("*",), alias="FLAGSTONE_FUNCTIONS", description="Functions to publish, patterns of `name` or `schema.name`.")
    exclude_functions: Words = Field((), alias="FLAGSTONE_EXCLUDE_FUNCTIONS", description="Functions not to publish, patterns.")
    row_functions: Words = Field(
        (), alias="FLAGSTONE_ROW_FUNCTIONS",
        description="Functions that return rows and are published as layers, patterns of `name` or `schema.name`.")
    sql_directory: str | None = Field(
        None, validation_alias=names("FLAGSTONE_SQL_DIRECTORY", "TIMVT_FUNCTIONS_DIRECTORY"),
        description="Directory of `.sql` files, each a SELECT with placeholders that is a layer; read again with the catalog.")
    schema_order: Words = Field(
        ("public",), alias="FLAGSTONE_SCHEMA_ORDER", description="Where a bare layer name is looked for first; then by name.")
    id_columns: Words = Field(
        (), alias="FLAGSTONE_ID_COLUMNS",
        description="Integer columns that give feature ids where a layer has no key that does; the first that it has counts.")
    default_srid: int = Field(
        0, ge=0, le=999_999, alias="FLAGSTONE_DEFAULT_SRID",
        description="Reference system of geometry columns whose rows say none (SRID 0); with 0 they are no layers.")
    catalog_interval_s: float = Field(
        60.0, ge=0, alias="FLAGSTONE_CATALOG_INTERVAL_S", description="Seconds between reloads of the catalog; 0 means never.")
    catalog_miss_interval_s: float = Field(
        5.0, ge=0, alias="FLAGSTONE_CATALOG_MISS_INTERVAL_S",
        description="An unknown layer reloads the catalog, at most once in so many seconds.")
    extent_timeout_ms: int = Field(
        5000, ge=0, alias="FLAGSTONE_EXTENT_TIMEOUT_MS",
        description="Time limit for one exact extent, read in the background where statistics have none; 0 means never.")
    layers_file: str | None = Field(
        None, alias="FLAGSTONE_LAYERS_FILE",
        description="TOML file with what the database cannot say of its layers, and named composites; read again with the catalog.")
