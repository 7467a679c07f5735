"""Overviews that another one came in place of, and what a build left over: dropped where nobody is reading them."""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from . import registry
from .one_at_a_time import if_free, lock_of
from .target import Target

LEFT = (
    "The one before is being read, by a backup perhaps, and stays for now: the next build or refresh, or `flask overviews drop"
    " --unused`, removes it."
)
"""What is said where a table could not be dropped."""


def drop(connection: Connection[Any], overview: int) -> bool:
    """Drop an overview, all of it or nothing; False where somebody reads it for long.

    Who comes to read a table that is waited for waits too: so that is not for more than a second.
    """
    try:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")
            registry.drop(connection, overview)
    except (LockNotAvailable, DeadlockDetected):
        return False
    return True


def drop_others(connection: Connection[Any], target: Target, number: int) -> bool:
    """Drop the overviews of the layer and grid that this one came in place of; whether none is left. It is the caller's turn
    to build."""
    done = [drop(connection, other) for other in registry.others(connection, target.layer, target.grid.key, number)]
    return all(done)


def sweep(connection: Connection[Any], target: Target, number: int) -> bool:
    """The same, where nobody builds; whether something was left over, and is no more."""
    if not registry.others(connection, target.layer, target.grid.key, number):
        return False
    with if_free(connection, lock_of(target)) as is_free:
        # Who builds or refreshes it now drops what is left over at the end.
        return is_free and drop_others(connection, target, number)
