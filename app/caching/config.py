"""Our settings in flask-caching's words."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from ..errors import ConfigurationError
from ..settings import Settings, host_and_port
from .serializer import ByteSerializer

_REDIS_TIMEOUT_S = 0.5
"""A cache that takes longer than this is slower than most tiles."""
_OURS = {
    "memory": "memory.MemoryCache",
    "RedisSentinelCache": "redis_backends.SentinelCache",
    "RedisClusterCache": "redis_backends.ClusterCache",
}
"""Backends that are classes of our own, those of Redis below flask-caching's."""


def cache_config(settings: Settings) -> dict[str, Any]:
    """The configuration for `flask_caching.Cache`. Wins over what the application's own configuration says.

    flask-caching has more backends than the settings allow; those unpickle what they hold: whoever can write there could
    have code executed here.
    """
    kind = settings.cache_type
    in_redis = settings.keeps_tiles_in_redis
    config: dict[str, Any] = {
        # The package is called `app` in the checkout and `flagstone` where it is installed.
        "CACHE_TYPE": f"{__package__}.{_OURS[kind]}" if kind in _OURS else kind,
        "CACHE_KEY_PREFIX": settings.cache_key_prefix,
        "CACHE_ARGS": [],
        "CACHE_OPTIONS": {},
        "CACHE_NO_NULL_WARNING": True,
        # For what keeps bytes in memory, or nothing, flask-caching warns that there is nothing to serialize.
        "CACHE_SERIALIZER": ByteSerializer() if in_redis else None,
        "FLAGSTONE_CACHE_MEMORY_MB": settings.cache_memory_mb,
    }
    if in_redis:
        config.update(_redis(settings))
    return config


def _redis(settings: Settings) -> dict[str, Any]:
    kind = settings.cache_type
    try:
        from redis.backoff import NoBackoff  # 40 ms that only who uses Redis need pay
        from redis.retry import Retry
    except ModuleNotFoundError:
        raise ConfigurationError(f"CACHE_TYPE={kind} needs the package redis: pip install 'flagstone[redis]'.") from None

    url = settings.cache_redis_url
    password = settings.cache_redis_password
    # flask-caching hands these to the client where there is an address, and to `from_url` where there is a URL.
    options: dict[str, Any] = {
        "socket_timeout": _REDIS_TIMEOUT_S,
        "socket_connect_timeout": _REDIS_TIMEOUT_S,
        # redis-py would try three times, with pauses; the tile is made meanwhile.
        "retry": Retry(NoBackoff(), 0),
    }
    if kind == "RedisSentinelCache":
        # What begins so is for the connections to the sentinels.
        options |= {f"sentinel_{name}": value for name, value in options.items()}
    elif password is not None:
        options["password"] = password.get_secret_value()
    return {
        "CACHE_REDIS_URL": url.get_secret_value() if url is not None else None,
        "CACHE_REDIS_HOST": settings.cache_redis_host,
        "CACHE_REDIS_PORT": settings.cache_redis_port,
        "CACHE_REDIS_DB": settings.cache_redis_db,
        "CACHE_REDIS_PASSWORD": _text(password) if kind == "RedisSentinelCache" else None,
        "CACHE_REDIS_SENTINELS": [host_and_port(address) for address in settings.cache_redis_sentinels],
        "CACHE_REDIS_SENTINEL_MASTER": settings.cache_redis_sentinel_master,
        "CACHE_REDIS_SENTINEL_PASSWORD": _text(settings.cache_redis_sentinel_password),
        "CACHE_REDIS_CLUSTER": ",".join(settings.cache_redis_cluster),
        "CACHE_OPTIONS": options,
    }


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
