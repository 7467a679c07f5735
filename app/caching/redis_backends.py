"""flask-caching's backends for several servers of Redis, as tiles need them."""

from __future__ import annotations

from typing import Any

from flask_caching.backends.rediscache import RedisCache, RedisClusterCache, RedisSentinelCache

from .redis_cluster import late_cluster


class SentinelCache(RedisSentinelCache):
    """flask-caching's reads from replicas. There a tile that was just kept is not yet: it would be made once more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_client = self._write_client


class ClusterCache(RedisClusterCache):
    """flask-caching's connects when it is made, and stops the start where no node answers."""

    @classmethod
    def factory(cls, app: Any, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> ClusterCache:
        """How flask-caching makes a backend."""
        made = cls.__new__(cls)
        RedisCache.__init__(
            made, late_cluster(config), key_prefix=config["CACHE_KEY_PREFIX"], default_timeout=kwargs["default_timeout"]
        )
        return made
