"""Several questions to the nodes of a Redis Cluster, in one round trip to each."""

from __future__ import annotations

from typing import Any

from .redis_cluster import LateCluster
from .redis_line import Command, RedisLine


class ClusterLine:
    """As `RedisLine`, of a cluster: each question goes to the primary of its key's slot."""

    def __init__(self, client: LateCluster) -> None:
        self._client = client
        self._lines: dict[str, RedisLine] = {}

    def ask(self, *commands: Command) -> list[Any]:
        """The answers in their order, of one node after the other. Where Redis refuses one command, its answer is the exception.

        Only for what may be asked twice. Raises what redis-py raises where a node gives no answer at all.
        """
        from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError
        from redis.exceptions import ConnectionError as LineBroken
        from redis.exceptions import TimeoutError as TooLate

        cluster = self._client.cluster
        places: dict[str, tuple[Any, list[int]]] = {}
        for number, command in enumerate(commands):
            node = cluster.get_node_from_key(_key(command))
            places.setdefault(node.name, (node, []))[1].append(number)
        answers: list[Any] = [None] * len(commands)
        try:
            for node, numbers in places.values():
                found = self._line(node).ask(*[commands[number] for number in numbers])
                for number, answer in zip(numbers, found, strict=True):
                    answers[number] = answer
        except (LineBroken, TooLate):
            self.close()
            # A replica may have its slots now.
            self._client.learn()
            raise
        for number, answer in enumerate(answers):
            # redis-py knows what to do about a slot that moves, and remembers where it is then.
            if isinstance(answer, (MovedError, AskError, TryAgainError, ClusterDownError)):
                answers[number] = cluster.execute_command(*commands[number])
        return answers

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        lines, self._lines = self._lines, {}
        for line in lines.values():
            line.close()

    def _line(self, node: Any) -> RedisLine:
        line = self._lines.get(node.name)
        if line is None:
            line = self._lines[node.name] = RedisLine(self._client.cluster.get_redis_connection(node))
        return line


def _key(command: Command) -> str | bytes | int:
    """The first key of a command. A script stands before its own."""
    return command[3] if command[0] == "EVAL" else command[1]
