"""By what a row is known to be as it was: the transaction that wrote it, or else its text.

A row of a table carries the transaction that wrote it. Who is older than every transaction that was under way when the
band was made, and is still there, was there and has not changed. Two counts of such rows in a block that are equal are
counts of the same rows. Of younger transactions those are written down whose rows could be seen then: a snapshot does not
tell those of savepoints from ended ones, rows that can be seen do.

Rows of a view, a foreign table or a materialized view tell nothing of that kind. Their text is hashed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from psycopg import Connection, sql

from .target import Target

_OLDEST = 1 << 30
"""Transactions after which the numbers of rows, which have 32 bits, are not compared any more."""

_MOST_SEEN = 1000
_MOST_COMMON = 16
_SAMPLED_PERCENT = 0.2

_LEAVES = """
WITH RECURSIVE tree AS (
    SELECT %(oid)s::oid AS oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT bool_and(c.relkind IN ('r', 'p')), array_agg(oid::int8 ORDER BY oid) FROM tree JOIN pg_class c USING (oid)
"""


@dataclass(frozen=True, slots=True)
class Trace:
    """`horizon` is the oldest transaction that was under way when rows were last looked at, `now` the newest of this look;
    both None where rows are known by their text. `parts` are the tables that rows are of, where these are several: partitions come
    and go, with rows that were written long before."""

    horizon: int | None
    now: int | None
    parts: tuple[int, ...] = ()
    seen: tuple[str, ...] = ()
    """Younger transactions than the horizon whose rows were seen then; not all, where there are very many."""
    common: tuple[str, ...] = field(default=(), compare=False)
    """Some of those that rows were written by which are as they were: to find a transaction here is quicker than to
    compute its age, of which PostgreSQL has no operator that several processes may use."""

    @classmethod
    def of(cls, connection: Connection[Any], target: Target) -> Trace:
        """For rows as this transaction sees them. It must see the same to its end (REPEATABLE READ)."""
        if target.layer.kind not in "rp":
            return cls(None, None)
        only_tables, tree = _one(connection, _LEAVES, {"oid": target.layer.oid})
        if not only_tables:
            return cls(None, None)
        oldest, newest = _one(
            connection,
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8, pg_snapshot_xmax(pg_current_snapshot())::text::int8",
        )
        begun = cls(oldest, newest, tuple(tree) if len(tree) > 1 else ())
        if oldest == newest:
            return begun
        young = connection.execute(
            sql.SQL("SELECT DISTINCT source.xmin::text FROM {} AS source WHERE NOT {} LIMIT {}").format(
                target.relation, begun.settled(sql.Identifier("source")), sql.Literal(_MOST_SEEN)
            )
        )
        return replace(begun, seen=tuple(sorted(xid for (xid,) in young)))

    def since(self, document: dict[str, Any]) -> Trace | None:
        """The trace from an earlier look to this one; None where the two cannot be compared."""
        horizon = document.get("horizon")
        if (horizon is None) != (self.now is None) or bool(document["parts"]) != bool(self.parts):
            return None
        if horizon is None or self.now is None:
            return self
        return (
            Trace(horizon, self.now, tuple(document["parts"]), tuple(document["seen"]))
            if 0 <= self.now - horizon < _OLDEST
            else None
        )

    def with_common(self, connection: Connection[Any], target: Target) -> Trace:
        """The same, told quicker of most rows: as many transactions as wrote most of a few pages are looked up."""
        if not self.tells_rows:
            return self
        found = connection.execute(
            sql.SQL(
                "SELECT xid FROM (SELECT source.xmin::text AS xid FROM {} AS source TABLESAMPLE SYSTEM ({}) WHERE {} LIMIT {})"
                " AS source GROUP BY xid ORDER BY count(*) DESC LIMIT {}"
            ).format(
                target.relation, sql.Literal(_SAMPLED_PERCENT), self.settled(sql.Identifier("source")),
                sql.Literal(_MOST_SEEN), sql.Literal(_MOST_COMMON),
            )
        )  # fmt: skip
        return replace(self, common=tuple(xid for (xid,) in found))

    def document(self) -> dict[str, Any]:
        """As JSON for the registry."""
        return {"horizon": self.horizon, "parts": list(self.parts), "seen": list(self.seen)}

    @property
    def tells_rows(self) -> bool:
        """Whether it can be said of one row alone that it is as it was."""
        return self.now is not None

    def settled(self, row: sql.Identifier) -> sql.Composable:
        """Whether this row is as it was."""
        if self.now is None or self.horizon is None:
            return sql.SQL("false")
        older = sql.SQL("(({now} - {row}.xmin::text::int8) & 4294967295) > {age}").format(
            now=sql.Literal(self.now), row=row, age=sql.Literal(self.now - self.horizon)
        )
        for place, xids in enumerate((self.common, self.seen)):
            if xids:
                known = sql.SQL("{}.xmin = ANY ({}::xid[])").format(
                    row, sql.Literal("{" + ",".join(xids) + "}")
                )
                older = sql.SQL("({} OR {})").format(*((older, known) if place else (known, older)))
        if self.parts:
            parts = sql.Literal("{" + ",".join(map(str, self.parts)) + "}")
            older = sql.SQL("({} AND {}.tableoid = ANY ({}::oid[]))").format(older, row, parts)
        return older

    def hash(self, row: sql.Identifier) -> sql.Composable:
        """A number that tells a row from others of its block, where that is not said by when it was written."""
        if not self.tells_rows:
            return sql.SQL("hashtextextended(({}.*)::text, 0)").format(row)
        return sql.SQL("0::int8")


def _one(
    connection: Connection[Any], statement: str, values: dict[str, Any] | None = None
) -> tuple[Any, ...]:
    row = connection.execute(statement.encode(), values).fetchone()
    return tuple(row or ())
