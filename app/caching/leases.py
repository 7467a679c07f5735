"""Leases in Redis: of all workers and hosts one makes a tile, and the others wait for it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..errors import TileTimeout, Unavailable

if TYPE_CHECKING:
    from redis import Redis

T = TypeVar("T")

_LIFE_MS = 2000
"""A lease ends so long after its owner did, however that was killed."""
_RENEWED_S = 0.5
_FAILED_MS = 2000
"""So long after it took too long a tile is made by nobody else: all who wait would try it one after the other."""
_FAILED = b"failed"
_LOOK_S = (0.005, 0.01, 0.02, 0.04)
"""Pauses between looks at what another one makes; the last one is repeated."""
_TAKE = (
    "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return false end return redis.call('GET', KEYS[1])"
)
"""As SET NX GET, which Redis has since 7 only."""
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
_END = (
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end"
    " if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end"
    " redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1"
)


class Leases:
    """Who makes what, over all that share a Redis. Without an answer from Redis everybody makes for themselves."""

    def __init__(self, client: Redis, prefix: str, *, wait_s: float) -> None:
        """Nobody waits for another's tile longer than `wait_s`."""
        self._client = client
        self._prefix = f"{prefix}l1:"
        self._wait_s = wait_s
        self._take = client.register_script(_TAKE)
        self._renew = client.register_script(_RENEW)
        self._end = client.register_script(_END)
        self._held: dict[str, str] = {}
        self._lock = threading.Lock()
        self._renewing: threading.Thread | None = None

    def do(self, key: str, make: Callable[[], T], look: Callable[[], T | None]) -> T:
        """What `look` finds, or else `make` makes, which only one of all workers calls at a time.

        Unavailable where it has just taken too long elsewhere.
        """
        until = time.monotonic() + self._wait_s
        looks = 0
        while True:
            token = secrets.token_urlsafe(9)
            try:
                has = self._take([self._lease(key)], [token, _LIFE_MS])
            except Exception:  # the cache says why it fails, once a minute; here a tile is wanted
                return make()
            if has is None:
                return self._made(key, token, make, look)
            if has == _FAILED:
                raise Unavailable("This tile has just taken too long for another request.")
            if time.monotonic() >= until:
                return make()
            time.sleep(_LOOK_S[min(looks, len(_LOOK_S) - 1)])
            looks += 1
            found = look()
            if found is not None:
                return found

    def _lease(self, key: str) -> str:
        # What stands before the tile's place is of the whole layer: in a cluster all of its leases have one slot.
        layer, _, place = key.rpartition(":")
        return f"{self._prefix}{{{layer}}}:{place}"

    def _made(self, key: str, token: str, make: Callable[[], T], look: Callable[[], T | None]) -> T:
        with self._lock:
            self._held[key] = token
            if self._renewing is None:
                self._renewing = threading.Thread(target=self._renew_all, name="flagstone-leases", daemon=True)
                self._renewing.start()
        left = ""
        try:
            # Another one may have ended between the last look and now.
            found = look()
            return make() if found is None else found
        except TileTimeout:
            left = _FAILED.decode()
            raise
        finally:
            with self._lock:
                self._held.pop(key, None)
            self._ended(key, token, left)

    def _ended(self, key: str, token: str, left: str) -> None:
        try:
            self._end([self._lease(key)], [token, left, _FAILED_MS])
        except Exception:  # it ends by itself
            return

    def _renew_all(self) -> None:
        while True:
            time.sleep(_RENEWED_S)
            with self._lock:
                if not self._held:
                    self._renewing = None
                    return
                held = dict(self._held)
            for key, token in held.items():
                try:
                    self._renew([self._lease(key)], [token, _LIFE_MS])
                except Exception:  # the next time; what is lost meanwhile is made twice
                    break
