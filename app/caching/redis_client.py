"""A redis-py client for what no cache backend can: versions, positions and leases beside the tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ..settings import Settings
from .config import cache_config
from .redis_cluster import late_cluster

if TYPE_CHECKING:
    from redis import Redis


def redis_client(settings: Settings) -> Redis:
    """A client of the same servers as the tiles lie in, with the same time limits, always at the primary; connects on first
    use."""
    import redis.sentinel  # 40 ms that only who uses Redis need pay

    config = cache_config(settings)
    url, options = config["CACHE_REDIS_URL"], config["CACHE_OPTIONS"]
    password, database = config["CACHE_REDIS_PASSWORD"], config["CACHE_REDIS_DB"]
    if settings.cache_type == "RedisClusterCache":
        # It has the same methods.
        return cast("Redis", late_cluster(config))
    if settings.cache_type == "RedisSentinelCache":
        of_sentinels = {name.removeprefix("sentinel_"): value for name, value in options.items() if name.startswith("sentinel_")}
        of_sentinels["password"] = config["CACHE_REDIS_SENTINEL_PASSWORD"]
        own = {name: value for name, value in options.items() if not name.startswith("sentinel_")}
        sentinel: Any = redis.sentinel.Sentinel
        primaries = sentinel(
            config["CACHE_REDIS_SENTINELS"], sentinel_kwargs=of_sentinels, password=password, db=database, **own
        )
        primary: Redis = primaries.master_for(config["CACHE_REDIS_SENTINEL_MASTER"])
        return primary
    if url is not None:
        client: Redis = redis.Redis.from_url(url, **options)
        return client
    return redis.Redis(config["CACHE_REDIS_HOST"], config["CACHE_REDIS_PORT"], database, **options)
