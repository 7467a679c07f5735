"""Our settings in flask-caching's words."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigurationError
from ..settings import Settings
from .serializer import ByteSerializer

_REDIS_TIMEOUT_S = 0.5
"""A cache that takes longer than this is slower than most tiles."""


def cache_config(settings: Settings) -> dict[str, Any]:
    """The configuration for `flask_caching.Cache`. Wins over what the application's own configuration says.

    `memory` is our class. flask-caching has more backends than the settings allow; those unpickle what they hold:
    whoever can write there could have code executed here.
    """
    kind = settings.cache_type
    config: dict[str, Any] = {
        # The package is called `app` in the checkout and `flagstone` where it is installed.
        "CACHE_TYPE": f"{__package__}.memory.MemoryCache" if kind == "memory" else kind,
        "CACHE_KEY_PREFIX": settings.cache_key_prefix,
        "CACHE_ARGS": [],
        "CACHE_OPTIONS": {},
        "CACHE_NO_NULL_WARNING": True,
        # For what keeps bytes in memory, or nothing, flask-caching warns that there is nothing to serialize.
        "CACHE_SERIALIZER": ByteSerializer() if kind == "RedisCache" else None,
        "FLAGSTONE_CACHE_MEMORY_MB": settings.cache_memory_mb,
    }
    if kind == "RedisCache":
        config.update(_redis(settings))
    return config


def _redis(settings: Settings) -> dict[str, Any]:
    try:
        from redis.backoff import NoBackoff  # 40 ms that only who uses Redis need pay
        from redis.retry import Retry
    except ModuleNotFoundError:
        raise ConfigurationError("CACHE_TYPE=RedisCache needs the package redis: pip install 'flagstone[redis]'.") from None

    url = settings.cache_redis_url
    password = settings.cache_redis_password
    # flask-caching hands these to the client where there is an address, and to `from_url` where there is a URL.
    options: dict[str, Any] = {
        "socket_timeout": _REDIS_TIMEOUT_S,
        "socket_connect_timeout": _REDIS_TIMEOUT_S,
        # redis-py would try three times, with pauses; the tile is made meanwhile.
        "retry": Retry(NoBackoff(), 0),
    }
    if password is not None:
        options["password"] = password.get_secret_value()
    return {
        "CACHE_REDIS_URL": url.get_secret_value() if url is not None else None,
        "CACHE_REDIS_HOST": settings.cache_redis_host,
        "CACHE_REDIS_PORT": settings.cache_redis_port,
        "CACHE_REDIS_DB": settings.cache_redis_db,
        "CACHE_REDIS_PASSWORD": None,
        "CACHE_OPTIONS": options,
    }
