"""A redis-py client for what no cache backend can: versions, positions and leases beside the tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..settings import Settings
from .config import cache_config

if TYPE_CHECKING:
    from redis import Redis


def redis_client(settings: Settings) -> Redis:
    """A client of the same server as the tiles lie in, with the same time limits; connects on first use."""
    import redis  # 40 ms that only who uses Redis need pay

    config = cache_config(settings)
    url, options = config["CACHE_REDIS_URL"], config["CACHE_OPTIONS"]
    if url is not None:
        client: Redis = redis.Redis.from_url(url, **options)
        return client
    return redis.Redis(config["CACHE_REDIS_HOST"], config["CACHE_REDIS_PORT"], config["CACHE_REDIS_DB"], **options)
