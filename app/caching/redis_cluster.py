"""A client of a Redis Cluster that is made when it is first asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..settings import host_and_port

_PAUSE_S = 0.5
"""Nodes that hang cost some time-outs: those who waited while one tried need not all try as well."""


class LateCluster:
    """Stands for a `RedisCluster`. redis-py asks the nodes when it makes one: a cluster that is away would stop the start.

    Whatever is asked of it goes to the primary of the key's slot.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._made: Any = None
        self._failed_at = float("-inf")
        self._failure = ""
        self._lock = threading.Lock()

    @property
    def cluster(self) -> Any:
        """The `RedisCluster` itself, whose methods have no types. Raises what redis-py raises where no node answers."""
        made = self._made
        if made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._tried()
                made = self._made
        return made

    def _tried(self) -> Any:
        from redis.exceptions import ConnectionError as Unreachable

        if time.monotonic() < self._failed_at + _PAUSE_S:
            raise Unreachable(self._failure)
        try:
            return self._make()
        except Exception as error:
            self._failure, self._failed_at = str(error), time.monotonic()
            raise

    def learn(self) -> None:
        """Ask who has which slots now. Where no known node tells, the next one to ask begins with the configured nodes."""
        made = self._made
        if made is not None:
            try:
                made.nodes_manager.initialize()
            except Exception:
                self._made = None
                raise

    def register_script(self, script: str) -> Callable[[Sequence[str], Sequence[Any]], Any]:
        """As redis-py's; the whole script is sent each time, whichever node it goes to."""
        return lambda keys, values: self.cluster.eval(script, len(keys), *keys, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cluster, name)


def late_cluster(config: dict[str, Any]) -> LateCluster:
    """The cluster that a configuration in flask-caching's words names."""
    options = {**config["CACHE_OPTIONS"], "require_full_coverage": False}

    def make() -> Any:
        import redis.cluster  # 40 ms that only who uses Redis need pay

        node_of: Any = redis.cluster.ClusterNode
        url = config["CACHE_REDIS_URL"]
        if url is not None:
            return redis.RedisCluster.from_url(url, **options)
        nodes = [node_of(*host_and_port(address)) for address in config["CACHE_REDIS_CLUSTER"].split(",")]
        return redis.RedisCluster(startup_nodes=nodes, **options)

    return LateCluster(make)
