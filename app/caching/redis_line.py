"""Several questions to Redis in one round trip, with as little Python around them as there can be."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis

_MOST_IDLE = 64
Command = tuple[str | bytes | int, ...]


class RedisLine:
    """Asks over connections as `client` makes them. redis-py's own pipeline takes five times as long for two commands,
    which is as much as all else that is done for a kept tile."""

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool
        self._idle: deque[Any] = deque(maxlen=_MOST_IDLE)
        self._owner = os.getpid()

    def ask(self, *commands: Command) -> list[Any]:
        """The answers in their order. Where Redis refuses one command, its answer is the exception.

        Only for what may be asked twice. Raises what redis-py raises where there is no answer at all.
        """
        from redis.exceptions import ConnectionError as LineBroken
        from redis.exceptions import TimeoutError as TooLate

        if self._owner != os.getpid():  # connections are of one process
            self._idle = deque(maxlen=_MOST_IDLE)
            self._owner = os.getpid()
        packed = b"".join([_packed(command) for command in commands])
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._asked(self._pool.make_connection(), packed, len(commands))
        try:
            return self._asked(connection, packed, len(commands))
        except TooLate:
            # The machine may be gone without a word: each of them would have to find that out for itself.
            self.close()
            raise
        except LineBroken:
            # The server was away, or another one is the primary now: so are all connections that were open then.
            self.close()
            return self._asked(self._pool.make_connection(), packed, len(commands))

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        while self._idle:
            try:
                self._idle.pop().disconnect()
            except IndexError:  # another thread took it
                return

    def _asked(self, connection: Any, packed: bytes, answers: int) -> list[Any]:
        from redis.exceptions import ResponseError

        found: list[Any] = []
        done = False
        try:
            connection.connect()  # does nothing where it is
            connection.send_packed_command([packed], check_health=False)
            for _ in range(answers):
                try:
                    found.append(connection.read_response())
                except ResponseError as refusal:
                    found.append(refusal)
            done = True
        finally:
            # What was not read would be taken for the answer to the next question.
            if done:
                self._idle.append(connection)
            else:
                connection.disconnect()
        return found


def _packed(command: Command) -> bytes:
    """As the protocol has it: so many words, each with its length."""
    said = [b"*%d\r\n" % len(command)]
    for word in command:
        raw = word if isinstance(word, bytes) else str(word).encode()
        said.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(said)
