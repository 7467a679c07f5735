"""Purges: tiles that are not to be given any more, whatever made them old.

A purge is a random word that the versions of its tiles begin with from then on: what was kept before has another one. No
key is searched for, and no clock is asked. All workers look for new ones once a second.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..layers.bounds import Bounds

if TYPE_CHECKING:
    from redis import Redis

_LOOKED_FOR_S = 1.0
_KEPT_S = 30 * 86_400
"""Longer than any tile is kept: one that outlived its purge would be given again."""
_MOST = 200
"""Purges that are told apart; more, and everything is purged."""
_ADD = "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('EXPIRE', KEYS[1], ARGV[2]) return redis.call('LLEN', KEYS[1])"
_REPLACE = "redis.call('DEL', KEYS[1]) redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('EXPIRE', KEYS[1], ARGV[2])"
"""At once: between two commands the server could be gone, and what is left has no end."""


@dataclass(frozen=True, slots=True)
class Purge:
    """Tiles of a layer, or of all layers (None): those of some zooms that meet a box of longitude and latitude."""

    word: str
    layer: str | None
    box: tuple[float, float, float, float] | None
    first_zoom: int
    last_zoom: int

    def means(self, layer: str, zoom: int, box: Callable[[], Bounds | None]) -> bool:
        """Whether a tile of this layer and zoom is one of them; `box` is asked only where that decides."""
        if self.layer not in (None, layer) or not self.first_zoom <= zoom <= self.last_zoom:
            return False
        if self.box is None:
            return True
        there = box()
        own = Bounds(*self.box)
        # Across ±180, or nowhere that could be said: rather made once more than shown.
        return there is None or there.xmin > there.xmax or own.xmin > own.xmax or own.intersects(there)


class Purges:
    """The purges of one database in Redis, beside its tiles."""

    def __init__(self, client: Redis, prefix: str, database: Callable[[], str]) -> None:
        self._client = client
        self._prefix = prefix
        self._database = database
        self._add = client.register_script(_ADD)
        self._replace = client.register_script(_REPLACE)
        self._purges: tuple[Purge, ...] = ()
        self._looked_at = float("-inf")
        self._lock = threading.Lock()

    def word(self, layer: str, zoom: int, box: Callable[[], Bounds | None]) -> str:
        """What versions of this tile begin with; "" where it was never purged. Raises what the driver raises."""
        return "".join([purge.word for purge in self._current() if purge.means(layer, zoom, box)])

    def word_of(self, layer: str) -> str:
        """As `word`, of all tiles of a layer."""
        return "".join([purge.word for purge in self._current() if purge.layer in (None, layer)])

    def add(self, layer: str | None, box: Bounds | None, first_zoom: int, last_zoom: int) -> None:
        """Purge these tiles: within a second no worker gives them any more."""
        sides = None if box is None else (box.xmin, box.ymin, box.xmax, box.ymax)
        purge = Purge(secrets.token_urlsafe(6), layer, sides, first_zoom, last_zoom)
        if self._add([self._key], [json.dumps(asdict(purge)), _KEPT_S]) > _MOST:
            self._purge_everything()

    def _purge_everything(self) -> Purge:
        everything = Purge(secrets.token_urlsafe(6), None, None, -99, 99)
        self._replace([self._key], [json.dumps(asdict(everything)), _KEPT_S])
        return everything

    def _current(self) -> tuple[Purge, ...]:
        now = time.monotonic()
        if now < self._looked_at + _LOOKED_FOR_S:
            return self._purges
        with self._lock:
            if now >= self._looked_at + _LOOKED_FOR_S:
                from redis.exceptions import ResponseError  # loaded by the client already

                try:
                    lines = self._client.lrange(self._key, 0, -1)
                    self._purges = tuple(Purge(**json.loads(line)) for line in lines)
                except (ValueError, TypeError):  # nobody knows what was purged here
                    self._purges = (self._purge_everything(),)
                except ResponseError as error:
                    if not str(error).startswith("WRONGTYPE"):
                        raise
                    self._purges = (self._purge_everything(),)
                self._looked_at = now
        return self._purges

    @property
    def _key(self) -> str:
        return f"{self._prefix}x1:{self._database()}"
