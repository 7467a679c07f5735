"""What lies beside the tiles in a cache: whether they are current, and who makes one."""

from __future__ import annotations

from typing import NamedTuple

from .leases import Leases
from .purges import Purges
from .redis_versions import RedisVersions
from .versions import Versions


class Beside(NamedTuple):
    """Each is None where the cache has nothing of the kind: leases and purges are for those that workers share."""

    versions: Versions | None = None
    leases: Leases | None = None
    purges: Purges | None = None
    together: RedisVersions | None = None
    """Gives a tile with its version, where both lie in one store."""


NOTHING = Beside()
