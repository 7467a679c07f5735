"""Every setting: its name in the environment, type, default, unit and a line of help.

Nothing else in Flagstone reads the environment. `.env.example`, `flask config show` and the docs are held to this
table by tests. A value that cannot be used stops the start with the variable's name.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self

from dotenv import find_dotenv, load_dotenv
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from .errors import ConfigurationError

log = logging.getLogger(__name__)

Words = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list in the environment."""

SILENCE_S = 2.0
"""How long after a statement's time limit an answer of the database is waited for. Then the connection is given up."""

_CACHE_RULE = re.compile(r"(?P<layer>[^=@]+)(?:@(?P<first>-?\d+)(?:-(?P<last>\d+))?)?=(?P<seconds>\d+)")


class CacheRule(NamedTuple):
    """Tiles of the layers that match a shell pattern, from one zoom to another, are kept so many seconds."""

    layer: str
    first_zoom: int
    last_zoom: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> CacheRule:
        """`layer=seconds`, `layer@zoom=seconds` or `layer@first-last=seconds`; ValueError says what is wrong."""
        match = _CACHE_RULE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not `layer=seconds` or `layer@0-6=seconds`")
        first, last = match["first"], match["last"]
        low = -99 if first is None else int(first)
        high = 99 if first is None else low if last is None else int(last)
        if low > high:
            raise ValueError(f"{text!r}: the first zoom is above the last")
        return cls(match["layer"].strip(), low, high, int(match["seconds"]))


_WITHOUT_MEANING = frozenset({"TIMVT_DEBUG", "DB_MAX_QUERIES", "TIMVT_TEMPLATE_DIRECTORY"})
"""TiMVT's settings for which there is nothing to set here."""


def _setting(name: str, *old_names: str) -> AliasChoices:
    return AliasChoices(name, *old_names)


class Settings(BaseSettings):
    """The settings of one Flagstone; see `table()` for the table that people read."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, case_sensitive=True, populate_by_name=False)

    # --- database -----------------------------------------------------------------------------------------------
    database_url: SecretStr | None = Field(
        None, alias="DATABASE_URL",
        description="PostgreSQL URL or conninfo. Without it POSTGRES_*, then libpq's own PG* variables and service files.")
    postgres_user: str | None = Field(None, alias="POSTGRES_USER", description="Login, where DATABASE_URL is not set.")
    postgres_pass: SecretStr | None = Field(None, alias="POSTGRES_PASS", description="Password of that login.")
    postgres_host: str | None = Field(None, alias="POSTGRES_HOST", description="Host name or socket directory.")
    postgres_port: int | None = Field(None, ge=1, le=65535, alias="POSTGRES_PORT", description="Port.")
    postgres_dbname: str | None = Field(None, alias="POSTGRES_DBNAME", description="Database.")
    pool_size: int | None = Field(
        None, ge=1, le=1000, validation_alias=_setting("FLAGSTONE_POOL_SIZE", "DB_MAX_CONN_SIZE"),
        description="Database connections of one worker. Default: as many as it has threads.")
    pool_min_size: int = Field(
        1, ge=0, le=1000, validation_alias=_setting("FLAGSTONE_POOL_MIN_SIZE", "DB_MIN_CONN_SIZE"),
        description="Connections that a worker keeps open when it has nothing to do.")
    pool_max_idle_s: float = Field(
        300.0, ge=1, validation_alias=_setting("FLAGSTONE_POOL_MAX_IDLE_S", "DB_MAX_INACTIVE_CONN_LIFETIME"),
        description="Seconds after which an unused connection above that number is closed.")
    pool_timeout_ms: int = Field(
        2000, ge=1, alias="FLAGSTONE_POOL_TIMEOUT_MS", description="How long a request waits for a connection, milliseconds.")
    pool_max_waiting: int = Field(
        100, ge=1, alias="FLAGSTONE_POOL_MAX_WAITING", description="Requests that may wait for a connection; more get a 503 at once.")
    statement_timeout_ms: int = Field(
        10_000, ge=1, alias="FLAGSTONE_STATEMENT_TIMEOUT_MS", description="How long one tile's query may run, milliseconds.")
    transaction_pooling: bool = Field(
        False, alias="FLAGSTONE_TRANSACTION_POOLING",
        description="The database is behind PgBouncer in transaction mode: settings per transaction, nothing prepared.")
    admin_database_url: SecretStr | None = Field(
        None, alias="FLAGSTONE_ADMIN_DATABASE_URL",
        description="PostgreSQL URL of a login that may create things, for commands that change the database; no tile uses it.")

    # --- catalog ------------------------------------------------------------------------------------------------
    schemas: Words = Field(
        ("*",), validation_alias=_setting("FLAGSTONE_SCHEMAS", "DB_SCHEMAS"),
        description="Schemas to publish, comma-separated shell patterns.")
    exclude_schemas: Words = Field((), alias="FLAGSTONE_EXCLUDE_SCHEMAS", description="Schemas not to publish, patterns.")
    tables: Words = Field(
        ("*",), validation_alias=_setting("FLAGSTONE_TABLES", "DB_TABLES"),
        description="Relations to publish, patterns of `name` or `schema.name`.")
    exclude_tables: Words = Field((), alias="FLAGSTONE_EXCLUDE_TABLES", description="Relations not to publish, patterns.")
    functions: Words = Field(
        ("*",), alias="FLAGSTONE_FUNCTIONS", description="Functions to publish, patterns of `name` or `schema.name`.")
    exclude_functions: Words = Field((), alias="FLAGSTONE_EXCLUDE_FUNCTIONS", description="Functions not to publish, patterns.")
    row_functions: Words = Field(
        (), alias="FLAGSTONE_ROW_FUNCTIONS",
        description="Functions that return rows and are published as layers, patterns of `name` or `schema.name`.")
    sql_directory: str | None = Field(
        None, validation_alias=_setting("FLAGSTONE_SQL_DIRECTORY", "TIMVT_FUNCTIONS_DIRECTORY"),
        description="Directory of `.sql` files, each a SELECT with placeholders that is a layer; read again with the catalog.")
    schema_order: Words = Field(
        ("public",), alias="FLAGSTONE_SCHEMA_ORDER", description="Where a bare layer name is looked for first; then by name.")
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

    # --- tiles --------------------------------------------------------------------------------------------------
    default_grid: str = Field(
        "WebMercatorQuad", validation_alias=_setting("FLAGSTONE_DEFAULT_TMS", "TIMVT_DEFAULT_TMS"),
        description="Tile matrix set where the address names none.")
    tms_directory: str | None = Field(
        None, validation_alias=_setting("FLAGSTONE_TMS_DIRECTORY", "TILEMATRIXSET_DIRECTORY"),
        description="Directory with further tile matrix sets, one TMS 2.0 JSON file each, named by its id.")
    default_minzoom: int = Field(
        0, ge=0, le=30, validation_alias=_setting("FLAGSTONE_DEFAULT_MINZOOM", "TIMVT_DEFAULT_MINZOOM"),
        description="Lowest zoom of a layer in the default tile matrix set.")
    default_maxzoom: int = Field(
        22, ge=0, le=30, validation_alias=_setting("FLAGSTONE_DEFAULT_MAXZOOM", "TIMVT_DEFAULT_MAXZOOM"),
        description="Highest zoom of a layer in the default tile matrix set.")
    tile_extent: int = Field(
        4096, ge=256, le=65536, validation_alias=_setting("FLAGSTONE_TILE_EXTENT", "TIMVT_TILE_RESOLUTION"),
        description="Units along a tile's edge (MVT extent), where `resolution` does not say.")
    max_tile_extent: int = Field(
        8192, ge=256, le=65536, alias="FLAGSTONE_MAX_TILE_EXTENT", description="Largest `resolution` a request may ask for.")
    tile_buffer: int = Field(
        256, ge=0, validation_alias=_setting("FLAGSTONE_TILE_BUFFER", "TIMVT_TILE_BUFFER"),
        description="Units around a tile that are drawn too, where `buffer` does not say.")
    max_buffer_ratio: float = Field(
        0.125, ge=0, le=1, alias="FLAGSTONE_MAX_BUFFER_RATIO", description="Largest buffer as a part of the tile's edge.")
    max_features: int = Field(
        10_000, ge=1, validation_alias=_setting("FLAGSTONE_MAX_FEATURES", "TIMVT_MAX_FEATURES_PER_TILE"),
        description="Most features of one layer in a tile; `limit` may ask for fewer.")
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

    # --- cache --------------------------------------------------------------------------------------------------
    cache_type: Literal["memory", "RedisCache", "NullCache"] = Field(
        "memory", alias="CACHE_TYPE",
        description="`memory` of each worker, `RedisCache` that all share, or `NullCache` that keeps nothing.")
    cache_redis_url: SecretStr | None = Field(None, alias="CACHE_REDIS_URL", description="Redis for CACHE_TYPE=RedisCache.")
    cache_redis_host: str | None = Field(None, alias="CACHE_REDIS_HOST", description="Redis host, where there is no CACHE_REDIS_URL.")
    cache_redis_port: int = Field(6379, ge=1, le=65535, alias="CACHE_REDIS_PORT", description="Redis port.")
    cache_redis_password: SecretStr | None = Field(None, alias="CACHE_REDIS_PASSWORD", description="Redis password.")
    cache_redis_db: int = Field(0, ge=0, alias="CACHE_REDIS_DB", description="Redis database number.")
    cache_key_prefix: str = Field("flagstone:", alias="CACHE_KEY_PREFIX", description="What every key in the cache begins with.")
    cache_ttl_s: int = Field(
        300, ge=0, validation_alias=_setting("FLAGSTONE_CACHE_TTL_S", "CACHE_DEFAULT_TIMEOUT"),
        description="Seconds a tile is kept; 0 keeps none.")
    cache_rules: Annotated[tuple[CacheRule, ...], NoDecode] = Field(
        (), alias="FLAGSTONE_CACHE_RULES",
        description="Other times to live: `layer=seconds` or `layer@0-6=seconds`, patterns, first match wins.")
    cache_memory_mb: int = Field(
        64, ge=1, alias="FLAGSTONE_CACHE_MEMORY_MB", description="Bound of the memory cache of one worker, megabytes.")
    cache_max_tile_kb: int = Field(
        2048, ge=1, alias="FLAGSTONE_CACHE_MAX_TILE_KB", description="Compressed tiles above this are not cached, kilobytes.")
    http_max_age_s: int | None = Field(
        None, ge=0, validation_alias=_setting("FLAGSTONE_HTTP_MAX_AGE_S", "TIMVT_CACHECONTROL"), description="max-age told to clients, seconds. Default: the tile's time to live.")

    # --- web ----------------------------------------------------------------------------------------------------
    name: str = Field("Flagstone", validation_alias=_setting("FLAGSTONE_NAME", "TIMVT_NAME"), description="Title of the catalog page.")
    public_url: str | None = Field(
        None, alias="FLAGSTONE_PUBLIC_URL", description="Address under which clients reach Flagstone; wins over every header.")
    trusted_proxies: int = Field(
        0, ge=0, le=10, alias="FLAGSTONE_TRUSTED_PROXIES",
        description="Proxies in front whose X-Forwarded-* headers are believed.")
    cors_origins: Words = Field(
        ("*",), validation_alias=_setting("FLAGSTONE_CORS_ORIGINS", "TIMVT_CORS_ORIGINS"),
        description="Origins that browsers may call from, comma-separated; `*` is all, empty is none.")
    node_modules: str | None = Field(
        None, alias="FLAGSTONE_NODE_MODULES", description="Folder that holds maplibre-gl. Default: node_modules of the checkout.")
    log_format: Literal["text", "json"] = Field("text", alias="FLAGSTONE_LOG_FORMAT", description="`text` or `json` log lines.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="FLAGSTONE_LOG_LEVEL", description="Least severe log lines that are written.")

    # --- process ------------------------------------------------------------------------------------------------
    bind: str = Field("127.0.0.1", alias="FLAGSTONE_BIND", description="Address on which gunicorn listens, or `unix:/path`.")
    port: int = Field(8081, ge=1, le=65535, alias="PORT", description="Port on which gunicorn listens.")
    web_concurrency: int = Field(2, ge=1, le=256, alias="WEB_CONCURRENCY", description="gunicorn's worker processes.")
    threads: int = Field(16, ge=1, le=256, alias="FLAGSTONE_THREADS", description="Threads of one worker.")

    @field_validator(
        "schemas", "exclude_schemas", "tables", "exclude_tables", "functions", "exclude_functions", "row_functions", "schema_order", "cors_origins",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return cls._words(value)

    @staticmethod
    def _words(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        words = value.strip()
        if words.startswith("["):  # TiMVT's lists are JSON
            words = words.strip("[]").replace('"', "").replace("'", "")
        return tuple(word.strip() for word in words.split(",") if word.strip())

    @field_validator("cache_rules", mode="before")
    @classmethod
    def _rules(cls, value: Any) -> Any:
        words = cls._words(value)
        return tuple(rule if isinstance(rule, CacheRule) else CacheRule.parse(rule) for rule in words)

    @field_validator("http_max_age_s", mode="before")
    @classmethod
    def _max_age(cls, value: Any) -> Any:
        # TiMVT's name holds a whole header: "public, max-age=3600".
        match = re.search(r"max-age=(\d+)", value) if isinstance(value, str) else None
        return match[1] if match else value

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url.rstrip("/") if url else None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default_minzoom > self.default_maxzoom:
            raise ValueError("FLAGSTONE_DEFAULT_MINZOOM must not be above FLAGSTONE_DEFAULT_MAXZOOM")
        if self.tile_buffer > self.tile_extent * self.max_buffer_ratio:
            raise ValueError(
                "FLAGSTONE_TILE_BUFFER must not be above FLAGSTONE_TILE_EXTENT times FLAGSTONE_MAX_BUFFER_RATIO")
        if self.tile_extent > self.max_tile_extent:
            raise ValueError("FLAGSTONE_TILE_EXTENT must not be above FLAGSTONE_MAX_TILE_EXTENT")
        if self.cache_type == "RedisCache" and self.cache_redis_url is None and self.cache_redis_host is None:
            raise ValueError("CACHE_TYPE=RedisCache needs CACHE_REDIS_URL or CACHE_REDIS_HOST")
        if self.pool_min_size > self.connections:
            raise ValueError("FLAGSTONE_POOL_MIN_SIZE must not be above FLAGSTONE_POOL_SIZE or FLAGSTONE_THREADS")
        return self

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load` and `of` hand over a mapping; a source of its own would read the environment behind their back.
        return (init_settings,)

    @classmethod
    def load(cls) -> Settings:
        """From the environment, and from `.env` for what the environment does not say.

        `.env` is found as flask finds it, upwards from the working directory, so that flask and gunicorn agree. It
        enters the process environment because libpq reads PGSERVICEFILE, PGSSLMODE and the like there itself.
        """
        load_dotenv(find_dotenv(usecwd=True), override=False)
        environment = {name: value for name, value in os.environ.items() if value != ""}
        settings = cls._from(environment)
        for old, new in settings.old_names_in(environment):
            log.warning("%s is read as %s; please rename it", old, new)
        for name in _WITHOUT_MEANING & environment.keys():
            log.warning("%s has no meaning for Flagstone and is not used", name)
        return settings

    @classmethod
    def of(cls, **values: Any) -> Settings:
        """From the given variables alone (`DATABASE_URL=…, CACHE_TYPE=…`), for tests and host applications."""
        unknown = values.keys() - cls.variables() - cls._old_names().keys()
        if unknown:
            raise ConfigurationError(f"no such setting: {', '.join(sorted(unknown))}")
        return cls._from(values)

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Settings:
        known = cls.variables() | cls._old_names().keys()
        try:
            return cls(**{name: value for name, value in values.items() if name in known})
        except ValidationError as error:
            # Not the text of the error as it is: it quotes values, and a value may be a password.
            faults = [f"{'.'.join(map(str, fault['loc'])) or 'settings'}: {fault['msg']}" for fault in error.errors()]
            raise ConfigurationError("; ".join(faults)) from None

    @classmethod
    def variables(cls) -> set[str]:
        """The names of all settings in the environment."""
        return {_names(field)[0] for field in cls.model_fields.values()}

    @classmethod
    def _old_names(cls) -> dict[str, str]:
        return {old: names[0] for names in map(_names, cls.model_fields.values()) for old in names[1:]}

    @classmethod
    def old_names_in(cls, environment: Mapping[str, str]) -> list[tuple[str, str]]:
        """Names of TiMVT's that are in use: (old, ours). flask-caching's own name is no old name."""
        old_names = cls._old_names().items()
        return [(old, new) for old, new in old_names if old in environment and not old.startswith("CACHE_")]

    @classmethod
    def table(cls) -> list[tuple[str, Any, str, tuple[str, ...]]]:
        """Every setting as (variable, default, help, other names), in the order of this file."""
        rows = []
        for field in cls.model_fields.values():
            name, *others = _names(field)
            rows.append((name, field.default, field.description or "", tuple(others)))
        return rows

    def shown(self) -> dict[str, Any]:
        """The values in force by variable, for people: secrets as `********`."""
        return {
            _names(field)[0]: "********" if isinstance(value := getattr(self, attribute), SecretStr) else value
            for attribute, field in type(self).model_fields.items()
        }

    @property
    def conninfo(self) -> dict[str, Any]:
        """Keywords for libpq; empty where libpq shall look at PG* and service files itself."""
        if self.database_url is not None:
            return {"conninfo": self.database_url.get_secret_value()}
        given = {
            "user": self.postgres_user, "host": self.postgres_host, "port": self.postgres_port, "dbname": self.postgres_dbname,
            "password": self.postgres_pass.get_secret_value() if self.postgres_pass else None,
        }  # fmt: skip
        return {keyword: value for keyword, value in given.items() if value is not None}

    @property
    def tile_limit_s(self) -> float:
        """Seconds for making a tile, all its layers together: a wait for a connection, and one statement's time limit."""
        return (self.pool_timeout_ms + self.statement_timeout_ms) / 1000

    @property
    def longest_tile_s(self) -> float:
        """Seconds after which a tile's request has its answer, also where the database says nothing."""
        return self.tile_limit_s + SILENCE_S

    @property
    def connections(self) -> int:
        """Connections of one worker's pool."""
        return self.pool_size or self.threads


def _names(field: Any) -> list[str]:
    alias = field.validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]
