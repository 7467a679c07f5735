"""Where tiles are kept, and for how long."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from .declaration import Part, names, words

_ADDRESS = re.compile(r"(?P<host>\[[^\[\]]+\]|[^\s:\[\]]+):(?P<port>\d{1,5})")
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


def _addresses(value: Any) -> Any:
    """Addresses as `host:port`; flask-caching's own pairs of both too."""
    if isinstance(value, str):
        # Not `words`, for which a bracket begins a list of JSON.
        return tuple(word.strip() for word in value.split(",") if word.strip())
    return tuple(":".join(map(str, each)) if isinstance(each, (tuple, list)) else each for each in value)


Addresses = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_addresses)]
"""`host:port,host:port`; an IPv6 address stands in brackets."""


def host_and_port(address: str) -> tuple[str, int]:
    """The two of an address; ValueError says what is wrong."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError(f"{address!r} is not `host:port`")
    return match["host"].strip("[]"), int(match["port"])


def _rules(value: Any) -> Any:
    return tuple(rule if isinstance(rule, CacheRule) else CacheRule.parse(rule) for rule in words(value))


_LONGEST_S = 315_360_000
"""Ten years. Redis takes no time to live that does not fit its clock."""


class CacheSettings(Part):
    """flask-caching's own names where it has one, and ours."""

    cache_type: Literal["memory", "RedisCache", "RedisSentinelCache", "RedisClusterCache", "NullCache"] = Field(
        "memory", alias="CACHE_TYPE",
        description="`memory` of each worker, `RedisCache` that all share (`RedisSentinelCache` and `RedisClusterCache` are several"
        " servers of Redis), or `NullCache` that keeps nothing.")
    cache_redis_url: SecretStr | None = Field(
        None, alias="CACHE_REDIS_URL", description="Redis for CACHE_TYPE=RedisCache, or any node for RedisClusterCache.")
    cache_redis_host: str | None = Field(None, alias="CACHE_REDIS_HOST", description="Redis host, where there is no CACHE_REDIS_URL.")
    cache_redis_port: int = Field(6379, ge=1, le=65535, alias="CACHE_REDIS_PORT", description="Redis port.")
    cache_redis_password: SecretStr | None = Field(None, alias="CACHE_REDIS_PASSWORD", description="Redis password.")
    cache_redis_db: int = Field(
        0, ge=0, alias="CACHE_REDIS_DB", description="Redis database number. A cluster has 0 alone.")
    cache_redis_sentinels: Addresses = Field(
        (), alias="CACHE_REDIS_SENTINELS", description="Sentinels for CACHE_TYPE=RedisSentinelCache: `host:port,host:port`.")
    cache_redis_sentinel_master: str = Field(
        "mymaster", min_length=1, alias="CACHE_REDIS_SENTINEL_MASTER", description="What the sentinels call the primary.")
    cache_redis_sentinel_password: SecretStr | None = Field(
        None, alias="CACHE_REDIS_SENTINEL_PASSWORD",
        description="Password of the sentinels; that of the servers is CACHE_REDIS_PASSWORD.")
    cache_redis_cluster: Addresses = Field(
        (), alias="CACHE_REDIS_CLUSTER",
        description="Some nodes for CACHE_TYPE=RedisClusterCache, by which the others are found: `host:port,host:port`.")
    cache_key_prefix: str = Field("flagstone:", alias="CACHE_KEY_PREFIX", description="What every key in the cache begins with.")
    cache_ttl_s: int = Field(
        300, ge=0, le=_LONGEST_S, validation_alias=names("FLAGSTONE_CACHE_TTL_S", "CACHE_DEFAULT_TIMEOUT"),
        description="Seconds a tile is kept; 0 keeps none.")
    cache_followed_ttl_s: int = Field(
        86_400, ge=0, le=_LONGEST_S, alias="FLAGSTONE_CACHE_FOLLOWED_TTL_S",
        description="Seconds a tile is kept of a layer whose changes are followed, as long as none comes.")
    changes_poll_ms: int = Field(
        50, ge=0, le=10_000, alias="FLAGSTONE_CHANGES_POLL_MS",
        description="How often the log of changes is read, milliseconds; 0 follows none.")
    changes_listen: bool = Field(
        False, alias="FLAGSTONE_CHANGES_LISTEN",
        description="Whether the log is also read at each NOTIFY (flask changes install --notify). Takes one more connection, not behind PgBouncer.")
    changes_max_age_ms: int = Field(
        1000, ge=100, le=60_000, alias="FLAGSTONE_CHANGES_MAX_AGE_MS",
        description="How long kept tiles are believed after the log was last read, milliseconds.")
    cache_stale_s: int = Field(
        0, ge=0, le=86_400, alias="FLAGSTONE_CACHE_STALE_S",
        description="How long a tile that grew old may be shown until a new one is made, and when none can be, seconds; 0 never.")
    cache_rules: Annotated[tuple[CacheRule, ...], NoDecode, BeforeValidator(_rules)] = Field(
        (), alias="FLAGSTONE_CACHE_RULES",
        description="Other times to live: `layer=seconds` or `layer@0-6=seconds`, patterns, first match wins.")
    cache_memory_mb: int = Field(
        64, ge=1, alias="FLAGSTONE_CACHE_MEMORY_MB", description="Bound of the memory cache of one worker, megabytes.")
    cache_max_tile_kb: int = Field(
        2048, ge=1, alias="FLAGSTONE_CACHE_MAX_TILE_KB", description="Compressed tiles above this are not cached, kilobytes.")
    http_max_age_s: int | None = Field(
        None, ge=0, le=_LONGEST_S, validation_alias=names("FLAGSTONE_HTTP_MAX_AGE_S", "TIMVT_CACHECONTROL"), description="max-age told to clients, seconds. Default: the tile's time to live.")

    http_followed_s_maxage_s: int = Field(
        1, ge=0, le=3600, alias="FLAGSTONE_HTTP_FOLLOWED_S_MAXAGE_S",
        description="s-maxage told to shared caches for layers whose changes are followed, seconds; browsers ask each time.")

    versioned_tiles: bool = Field(
        False, alias="FLAGSTONE_VERSIONED_TILES",
        description="Whether TileJSON's tile addresses of layers whose changes are followed carry a version, `?v=`, under which browsers keep tiles for good.")

    @field_validator("http_max_age_s", mode="before")
    @classmethod
    def _max_age(cls, value: Any) -> Any:
        # TiMVT's name holds a whole header: "public, max-age=3600".
        match = re.search(r"max-age=(\d+)", value) if isinstance(value, str) else None
        return match[1] if match else value

    @field_validator("cache_redis_url")
    @classmethod
    def _is_of_redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("redis", "rediss", "unix"):
                raise ValueError("must begin with redis://, rediss:// or unix://")
            _ = parts.port  # a ValueError where it is no number
        return value

    @field_validator("cache_redis_sentinels", "cache_redis_cluster")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            host_and_port(address)
        return value

    @model_validator(mode="after")
    def _redis_has_an_address(self) -> Self:
        match self.cache_type:
            case "RedisCache" if self.cache_redis_url is None and self.cache_redis_host is None:
                raise ValueError("CACHE_TYPE=RedisCache needs CACHE_REDIS_URL or CACHE_REDIS_HOST")
            case "RedisSentinelCache" if not self.cache_redis_sentinels:
                raise ValueError("CACHE_TYPE=RedisSentinelCache needs CACHE_REDIS_SENTINELS")
            case "RedisClusterCache" if not self.cache_redis_cluster and self.cache_redis_url is None:
                raise ValueError("CACHE_TYPE=RedisClusterCache needs CACHE_REDIS_CLUSTER or CACHE_REDIS_URL")
            case "RedisClusterCache" if self.cache_redis_db:
                raise ValueError("CACHE_REDIS_DB: a cluster has database 0 alone")
        return self

    @property
    def keeps_tiles_in_redis(self) -> bool:
        """Whether all workers share the kept tiles."""
        return self.cache_type in ("RedisCache", "RedisSentinelCache", "RedisClusterCache")

    @property
    def redis_text(self) -> str:
        """What tells one Redis of tiles from another. It may hold a password."""
        url = self.cache_redis_url
        where = url.get_secret_value() if url is not None else self.cache_redis_host
        several = self.cache_redis_sentinels or self.cache_redis_cluster
        if self.cache_type == "RedisCache" or not several:
            return f"{where} {self.cache_redis_port}"
        return f"{','.join(several)} {self.cache_redis_sentinel_master}"
