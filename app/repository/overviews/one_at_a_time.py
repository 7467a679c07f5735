"""One build or refresh of a layer's overview in a grid at a time, in the whole database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection

from ...errors import OverviewError
from ...layers.overview import variant
from .target import Target

_WAIT_S = 5.0
"""How long the end of a build is waited for whose process was just ended."""


def lock_name(relation: int, geometry_column: str, grid_key: str, chosen: str) -> str:
    """What a build or refresh locks, as text; `chosen` is the variant for a further condition."""
    return f"flagstone overview {relation} {geometry_column} {grid_key} {chosen}"


def lock_of(target: Target) -> str:
    """The same, of a layer in a grid."""
    return lock_name(target.layer.oid, target.layer.geometry.name, target.grid.key, variant(target.layer))


@contextmanager
def if_free(connection: Connection[Any], lock: str) -> Iterator[bool]:
    """Whether nobody builds or refreshes it now; until the end of the block nobody else can."""
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [lock]).fetchone()
    is_free = row == (True,)
    try:
        yield is_free
    finally:
        if is_free and not connection.closed and not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [lock])


@contextmanager
def alone(connection: Connection[Any], target: Target) -> Iterator[None]:
    """Nobody else builds or refreshes it; OverviewError where somebody does."""
    until = time.monotonic() + _WAIT_S
    while True:
        with if_free(connection, lock_of(target)) as is_free:
            if is_free:
                yield
                return
        if time.monotonic() > until:
            raise OverviewError(f"Another build or refresh of the overview of {target.layer.id} is under way. Nothing was"
                                " changed.")
        time.sleep(0.25)
