"""Which overviews a change came after: their low zooms show it with the next refresh."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, UndefinedTable

_WAITING = (
    "SELECT o.id FROM flagstone.overview o WHERE o.id = ANY (%s) AND EXISTS (SELECT FROM flagstone.change c"
    " WHERE c.relation = ANY (%s) AND c.made > coalesce(o.refreshed, o.started)"
    # With which a table came to be followed: that is no change of its rows.
    " AND NOT EXISTS (SELECT FROM flagstone.change_followed f WHERE f.relation = c.relation AND f.xmin = c.tx::xid))"
)


def waiting(connection: Connection[Any], overviews: Collection[int], tables: Collection[int]) -> list[int]:
    """Those of these overviews, by number, that have not seen the last change of the tables, as far back as the log tells."""
    if not overviews or not tables:
        return []
    try:
        with connection.transaction():
            return [number for (number,) in connection.execute(_WAITING, [list(overviews), list(tables)])]
    except (InsufficientPrivilege, UndefinedTable):
        return []
