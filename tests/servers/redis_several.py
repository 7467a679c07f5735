"""Several servers of Redis that belong together: a primary with a replica and sentinels, and a cluster of three nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import redis

from scripts.lib import child

from . import port
from .redis import RedisServer

NAME = "tiles"
"""What the sentinels call the primary."""
_SLOTS = 16384
_PASSWORD = "watch"
"""Of the sentinels."""


def _wait_until(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert time.monotonic() < until, "the servers do not find each other"
        time.sleep(0.05)


def _folder(directory: Path, name: str) -> Path:
    made = directory / name
    made.mkdir()
    return made


class WatchedRedis:
    """A primary, a replica that has all of it, and sentinels that make the replica primary after a second."""

    def __init__(self, program: str, directory: Path, sentinels: int) -> None:
        self._quorum = sentinels // 2 + 1
        self.primary = RedisServer(program, _folder(directory, "primary"), "--repl-diskless-sync-delay", "0")
        self.replica = RedisServer(
            program, _folder(directory, "replica"), "--replicaof", "127.0.0.1", str(self.primary.port)
        )
        _wait_until(lambda: self.replication(self.replica)["master_link_status"] == "up")
        self._ports = [port.free() for _ in range(sentinels)]
        self._ids = [f"{number:040x}" for number in self._ports]
        self._sentinels = [self._sentinel(program, _folder(directory, f"sentinel{number}"), number) for number in range(sentinels)]
        for number in self._ports:
            with redis.Redis(port=number, password=_PASSWORD) as sentinel:
                _wait_until(lambda sentinel=sentinel: _knows(sentinel, sentinels - 1))  # type: ignore[misc]

    def _sentinel(self, program: str, directory: Path, number: int) -> Any:
        own = self._ports[number]
        configuration = directory / "sentinel.conf"
        lines = [
            "bind 127.0.0.1", f"port {own}", f"requirepass {_PASSWORD}", f"sentinel sentinel-pass {_PASSWORD}", f"sentinel myid {self._ids[number]}",
            f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} {self._quorum}",
            f"sentinel down-after-milliseconds {NAME} 1000", f"sentinel failover-timeout {NAME} 3000",
            # They would find each other within some seconds.
            f"sentinel known-replica {NAME} 127.0.0.1 {self.replica.port}",
            *[f"sentinel known-sentinel {NAME} 127.0.0.1 {other} {other_id}"
              for other, other_id in zip(self._ports, self._ids, strict=True) if other != own],
        ]  # fmt: skip
        configuration.write_text("\n".join(lines) + "\n")
        log = directory / "sentinel.log"
        with log.open("ab") as output:
            process = child.start([program, configuration, "--sentinel"], cwd=directory, output=output)
        port.wait_for(own, process, log)
        return process

    @property
    def settings(self) -> dict[str, object]:
        return {
            "CACHE_TYPE": "RedisSentinelCache",
            "CACHE_REDIS_SENTINELS": ",".join(f"127.0.0.1:{number}" for number in self._ports),
            "CACHE_REDIS_SENTINEL_MASTER": NAME,
            "CACHE_REDIS_SENTINEL_PASSWORD": _PASSWORD,
        }

    def primary_port(self) -> int:
        """The port of the primary as a sentinel sees it."""
        with redis.Redis(port=self._ports[0], password=_PASSWORD) as sentinel:
            return int(cast("Any", sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME))[1])

    @staticmethod
    def replication(server: RedisServer) -> dict[str, Any]:
        with redis.Redis.from_url(server.url) as client:
            return cast("dict[str, Any]", client.info("replication"))

    def stop(self) -> None:
        for process in self._sentinels:
            child.end(process)
        self.replica.stop()
        self.primary.stop()


def _knows(sentinel: redis.Redis, others: int) -> bool:
    known = cast("dict[str, Any]", sentinel.sentinel_master(NAME))
    return (known["num-other-sentinels"], known["num-slaves"], known["flags"]) == (others, 1, "master")


class RedisNodes:
    """A cluster of three nodes, each with a third of the slots and without a replica."""

    def __init__(self, program: str, directory: Path) -> None:
        self.nodes: list[RedisServer] = []
        buses: list[int] = []
        for number in range(3):
            buses.append(port.free())
            self.nodes.append(RedisServer(
                program, _folder(directory, f"node{number}"), "--cluster-enabled", "yes", "--cluster-port", str(buses[-1]),
                "--cluster-node-timeout", "5000",
            ))  # fmt: skip
        self._introduce(buses)
        _wait_until(self.is_whole)

    def _introduce(self, buses: list[int]) -> None:
        ends = [_SLOTS * number // 3 for number in range(4)]
        for number, node in enumerate(self.nodes):
            with redis.Redis.from_url(node.url) as client:
                ask: Any = client.execute_command
                ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
                ask("CLUSTER ADDSLOTSRANGE", ends[number], ends[number + 1] - 1)
                for other, bus in zip(self.nodes[:number], buses, strict=False):
                    ask("CLUSTER MEET", "127.0.0.1", other.port, bus)

    def is_whole(self) -> bool:
        """Whether each node knows of all three, and that they answer."""
        return all("cluster_state:ok" in info and "cluster_known_nodes:3" in info for info in map(_cluster_info, self.nodes))

    @property
    def settings(self) -> dict[str, object]:
        return {
            "CACHE_TYPE": "RedisClusterCache",
            "CACHE_REDIS_CLUSTER": ",".join(f"127.0.0.1:{node.port}" for node in self.nodes),
        }

    def flush(self) -> None:
        for node in self.nodes:
            with redis.Redis.from_url(node.url) as client:
                client.flushall()

    def keys(self) -> list[set[str]]:
        """The keys of each node."""
        found = []
        for node in self.nodes:
            with redis.Redis.from_url(node.url) as client:
                found.append({key.decode() for key in client.scan_iter()})
        return found

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def _cluster_info(node: RedisServer) -> list[str]:
    with redis.Redis.from_url(node.url) as client:
        answer: Any = client.execute_command("CLUSTER", "INFO")
    return [f"{name}:{value}" for name, value in answer.items()] if isinstance(answer, dict) else answer.decode().splitlines()
