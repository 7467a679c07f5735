"""Reads the log of changes with the login that serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.errors import InsufficientPrivilege, UndefinedColumn, UndefinedTable
from psycopg.rows import class_row

from ...errors import InstallError
from ...layers.bounds import Bounds
from ..pool import Pool
from ..statements import statement
from .boxes import lonlat_boxes

_WHAT = "the log of changes"
_IS_THERE = (
    # Names are looked up in the catalog: to_regclass is refused without rights on the schema.
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'flagstone' AND c.relname = 'change_followed'"
    " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))"
)
_OVERVIEWS = (
    "SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat(id, ' ', build), ',' ORDER BY id)) FROM flagstone.overview WHERE complete"
)
MOST_NEWS = 20_000
"""More changes than these at once, and everything counts as changed: it is cheaper to make tiles than to read all that."""


MOST_BOXES = 4_000
"""Boxes of one reading; with more, the tables that have most of them count as changed anywhere."""


class Followed(NamedTuple):
    """A relation that is followed, with all below it.

    `fault` says why its changes are not all written down, `partly` why some are only where a job says so.
    `geometry_columns` are those whose boxes are written down.
    """

    relation: int
    schema_name: str
    table_name: str
    geometry_columns: list[str]
    members: list[int] | None
    fault: str | None
    partly: str | None
    shape: str

    @property
    def name(self) -> str:
        """Its name as people write it."""
        return f"{self.schema_name}.{self.table_name}"

    @property
    def is_gone(self) -> bool:
        """Whether it was dropped; its triggers went with it."""
        return not self.members


class Change(NamedTuple):
    """A change of a table by a transaction: boxes in longitude and latitude, or None for anywhere."""

    tx: int
    relation: int
    boxes: tuple[Bounds, ...] | None


class News(NamedTuple):
    """The changes that a position had not seen; None for too many.

    `snapshot` is the one that they were read by, `server` tells the servers apart that follow upon one another. Of changes
    up to transaction `horizon` some may be missing.
    """

    snapshot: str
    server: str
    horizon: int
    changes: tuple[Change, ...] | None
    replicated: frozenset[int] | None = None
    """On a replica the transactions whose changes are seen, from the position on; None where the snapshot says that itself."""


class ChangeLog:
    """The log of one database."""

    def __init__(self, pool: Pool, default_srid: int | None = None) -> None:
        self._pool = pool
        self._default_srid = default_srid

    def coverage(self) -> list[Followed]:
        """Every table that is followed; none where nothing was ever installed or the login may not know of it."""
        with self._pool.borrowed(_WHAT) as connection:
            return coverage(connection)

    def overviews(self) -> str:
        """One word for what all whole overviews hold, which each build changes and each refresh that found something."""
        with self._pool.borrowed(_WHAT) as connection:
            try:
                row = connection.execute(_OVERVIEWS).fetchone()
            except (InsufficientPrivilege, UndefinedTable):
                return ""
        return str(row[0]) if row else ""

    def read(self, snapshot: str, postgis: str, applied: Collection[int] = ()) -> News:
        """What happened since a snapshot, but for transactions that were `applied` already; DatabaseDown and the like.

        `postgis` is the extension's schema.
        """
        values = {"position": snapshot, "applied": [str(tx) for tx in applied], "most": MOST_NEWS + 1}
        with self._pool.borrowed(_WHAT) as connection:
            rows = connection.execute(statement("change_news"), values).fetchall()
            if not rows:
                raise InstallError("Schema flagstone is damaged: its log of changes has no horizon.")
            position, is_replica, server, horizon = rows[0][:4]
            found = [row[4:] for row in rows if row[4] is not None]
            changes = None
            if len(found) <= MOST_NEWS:
                boxes = lonlat_boxes(connection, _few([(relation, boxes) for _, relation, boxes in found]), postgis, self._default_srid)
                changes = tuple(Change(tx, relation, each) for (tx, relation, _), each in zip(found, boxes, strict=True))
            seen = None if not is_replica else frozenset(_seen(connection, snapshot) if changes is None else (each.tx for each in changes))
        # A replica's snapshot does not say which of the transactions between its ends are still under way.
        return News(
            f"{position.partition(':')[0]}:" * 2 if is_replica else position,
            server,
            horizon,
            changes,
            seen,
        )


def _seen(connection: Connection[Any], snapshot: str) -> list[int]:
    """The transactions of a log that is too long to be read."""
    rows = connection.execute(
        "SELECT DISTINCT tx::text::bigint FROM flagstone.change WHERE tx >= pg_catalog.pg_snapshot_xmax(%s::pg_snapshot)", [snapshot]
    ).fetchall()
    return [tx for (tx,) in rows]


def _few(found: Sequence[tuple[int, list[list[float]] | None]]) -> list[list[list[float]] | None]:
    """The boxes of changes, each with its table: no more than can be projected while kept tiles are believed."""
    counts: Counter[int] = Counter()
    for relation, boxes in found:
        counts[relation] += len(boxes or ())
    anywhere: set[int] = set()
    left = counts.total()
    for relation, count in counts.most_common():
        if left <= MOST_BOXES:
            break
        anywhere.add(relation)
        left -= count
    return [None if relation in anywhere else boxes for relation, boxes in found]


def coverage(connection: Connection[Any]) -> list[Followed]:
    """As `ChangeLog.coverage`, in a connection or transaction of the caller."""
    if connection.execute(_IS_THERE).fetchone() != (True,):
        return []
    try:
        with connection.transaction(), connection.cursor(row_factory=class_row(Followed)) as cursor:
            # The statement names the system's own tables and functions without their schema.
            connection.execute("SET LOCAL search_path = pg_catalog", prepare=False)
            return cursor.execute(statement("change_coverage"), prepare=False).fetchall()
    except (InsufficientPrivilege, UndefinedTable, UndefinedColumn):
        return []
