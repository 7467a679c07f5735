"""What a refresh has to make again: the blocks whose rows changed, and the cells of the finest band that they touch.

Of rows that are gone nothing is left but the count and the sums of their block. Where one row of a block is gone, the
sums less those of the rows that stayed give its cell; where more are, it is any cell of the block's box. Too many cells
are never wrong.

Temporary tables of the transaction (all named flagstone_...):

    seen       blocks that are dirty, as they are now
    blocks     blocks whose rows are read, with the rectangle in the layer's CRS that leads to them; is_dirty
    features   features of their rows
    cells      what is to be made again: a box of cells, its area in the grid's CRS, and of a single cell how many rows of it
               are gone; is_heavy where all rows in it have to compete again (see `winners`)
    meeting    blocks with rows in these cells
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg import Connection, sql

from ...layers.overview import Band, BandPlan
from ..identifier import identifier
from . import winners
from .block_table import inside, seen
from .blocks import BLOCK, SETTLED, Blocks, named
from .row_filter import always
from .spatial_index import leads
from .target import Target
from .touched import outline
from .trace import Trace

CELLS = "CREATE TEMPORARY TABLE flagstone_cells (cells box, area {s}.geometry, removed int, is_heavy bool) ON COMMIT DROP"


@dataclass
class Dirty:
    """One look at a layer's rows, in one transaction (REPEATABLE READ). `table` is that of the blocks, `trace` since it was
    written."""

    connection: Connection[Any]
    target: Target
    table: str
    blocks: Blocks
    trace: Trace

    def count(self) -> Count:
        """Count the rows of all blocks, and compare."""
        self.trace = self.trace.with_common(self.connection, self.target)
        self._execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE flagstone_seen ON COMMIT DROP AS\n"
                "SELECT b.block, b.rows AS rows_before, COALESCE(now.rows, 0) AS rows, COALESCE(now.digest, 0) AS digest\n"
                "FROM {blocks} AS b LEFT JOIN ({seen}) AS now ON now.block = b.block\n"
                "WHERE b.digest IS NULL OR b.rows <> COALESCE(now.settled, 0)"
                " OR COALESCE(now.rows, 0) <> COALESCE(now.settled, 0)"
                " OR b.digest <> COALESCE(now.settled_digest, 0)"
            ).format(blocks=named(self.table), seen=seen(self.target, self.blocks, self.trace))
        )
        self._execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE flagstone_blocks (block int4 PRIMARY KEY, bound float8, ends float8,"
                " rectangle {s}.geometry, is_dirty bool) ON COMMIT DROP"
            ).format(s=self.target.sql.shapes.s)
        )
        before = self._execute(
            sql.SQL("SELECT count(*) FILTER (WHERE rows > 0), COALESCE(sum(rows), 0)::int8 FROM {}").format(
                named(self.table)
            )
        ).fetchone()
        found = self._execute("SELECT block, rows_before, rows FROM pg_temp.flagstone_seen").fetchall()
        self._wanted([block for block, _, _ in found], is_dirty=True)
        blocks, rows = before or (0, 0)
        return Count(
            blocks + sum(1 for _, then, now in found if now and not then),
            tuple(block for block, _, _ in found),
            rows + sum(max(0, now - then) for _, then, now in found),
            sum(max(then, now) for _, then, now in found),
        )

    def cells(self, band: Band) -> int:
        """Find the cells of the finest band to make again and read the features that compete in them; gives the number of
        boxes of cells."""
        finest = band.plan
        block, settled = identifier(BLOCK), identifier(SETTLED)
        features = self.target.sql.features_of_table(
            finest.pixel,
            self._always,
            self.rows(),
            sql.SQL("source.{}").format(block),
            sql.SQL("source.{}").format(settled),
        )
        self._execute(
            sql.SQL("CREATE TEMPORARY TABLE flagstone_features ON COMMIT DROP AS {}").format(features)
        )
        self._execute(sql.SQL(CELLS).format(s=self.target.sql.shapes.s))
        self._touched(finest)
        winners.judge(self.connection, self.target, band, self.trace)
        self._execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE flagstone_meeting ON COMMIT DROP AS SELECT b.block, c.cells"
                " FROM pg_temp.flagstone_cells AS c JOIN {} AS b ON b.cells && c.cells WHERE c.is_heavy"
            ).format(named(self.table))
        )
        others = self._execute(
            "SELECT DISTINCT block FROM pg_temp.flagstone_meeting WHERE block NOT IN (SELECT block FROM pg_temp.flagstone_blocks)"
        )
        self._wanted([number for (number,) in others], is_dirty=False)
        features = self.target.sql.features_of_table(
            finest.pixel,
            self._always,
            self.rows(is_dirty=False),
            sql.SQL("source.{}").format(block),
            sql.SQL("true"),
        )
        self._execute(sql.SQL("INSERT INTO pg_temp.flagstone_features {}").format(features))
        # Rows that stayed as they were, elsewhere.
        self._execute("ANALYZE pg_temp.flagstone_meeting")
        self._execute(sql.SQL("ANALYZE pg_temp.flagstone_features ({}, {})").format(block, settled))
        self._execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE flagstone_competing ON COMMIT DROP AS SELECT f.* FROM pg_temp.flagstone_features AS f"
                " WHERE NOT f.{settled}\nUNION ALL\nSELECT f.* FROM pg_temp.flagstone_features AS f"
                " CROSS JOIN LATERAL (SELECT {cell})"
                " AS cell (cx, cy) WHERE f.{settled} AND EXISTS (SELECT FROM"
                " pg_temp.flagstone_meeting AS m WHERE m.block = f.{block} AND m.cells @> point(cell.cx, cell.cy))"
            ).format(cell=self.target.sql.cell(finest), settled=settled, block=block)
        )
        winners.compete(self.connection, self.target, finest)
        row = self._execute("SELECT count(*) FROM pg_temp.flagstone_cells").fetchone()
        return int(row[0]) if row else 0

    def rows(self, *, is_dirty: bool = True) -> sql.Composed:
        """The table's rows in the dirty blocks, or in the others that are read too: as the table has them, with their block
        and whether they are as they were."""
        settled = self.trace.settled(sql.Identifier("source")) if is_dirty else sql.SQL("true")
        shapes, which = self.target.sql.shapes, sql.SQL("wanted.is_dirty" if is_dirty else "NOT wanted.is_dirty")
        given = {
            "block": identifier(BLOCK), "settled": identifier(SETTLED), "relation": self.target.relation,
            "is_settled": settled, "which": which,
        }  # fmt: skip
        if not self.is_led:
            # Compared with the bounds of each block, every row would be as often as there are blocks.
            return sql.SQL(
                "(SELECT source.* FROM (SELECT source.*, {number} AS {block}, {is_settled} AS {settled}"
                " FROM {relation} AS source OFFSET 0) AS source"
                " JOIN pg_temp.flagstone_blocks AS wanted ON wanted.block = source.{block} WHERE {which})"
            ).format(number=self.blocks.number(self.target, shapes.column()), **given)
        return sql.SQL(
            "(SELECT source.*, wanted.block AS {block}, {is_settled} AS {settled} FROM pg_temp.flagstone_blocks AS wanted"
            " JOIN {relation} AS source ON {geom} OPERATOR({s}.&&) wanted.rectangle AND {key} >= wanted.bound"
            " AND {key} < wanted.ends"
            " WHERE {which})"
        ).format(
            geom=sql.SQL("source.{}").format(identifier(self.target.layer.geometry.name)), s=shapes.s,
            key=self.blocks.key(self.target, shapes.column()), **given,
        )  # fmt: skip

    @cached_property
    def is_led(self) -> bool:
        """Whether an index leads from the rectangle of a block to its rows."""
        return leads(self.connection, self.target)

    def is_as_it_was(self, dirty: Iterable[int]) -> sql.Composed:
        """Whether a row of `source` is in a clean block, or is known by itself to be as it was. NULL without a geometry."""
        if self.trace.tells_rows:
            return sql.SQL("({})").format(self.trace.settled(sql.Identifier("source")))
        listed = sql.Literal("{" + ",".join(map(str, dirty)) + "}")
        number = self.blocks.number(self.target, self.target.sql.shapes.column())
        return sql.SQL("({} <> ALL ({}::int4[]))").format(number, listed)

    def settle(self, finest: BandPlan | None) -> None:
        """Write down how the dirty blocks are now; without a band their rows alone."""
        if finest is None:
            self._execute(
                sql.SQL(
                    "UPDATE {table} AS b SET rows = COALESCE(now.rows, 0), digest = COALESCE(now.digest, 0)\n"
                    "FROM pg_temp.flagstone_blocks AS d LEFT JOIN pg_temp.flagstone_seen AS now ON now.block = d.block"
                    " WHERE d.is_dirty AND b.block = d.block"
                ).format(table=named(self.table))
            )
            return
        only = sql.SQL("(SELECT * FROM pg_temp.flagstone_features WHERE {} IN (SELECT block FROM pg_temp.flagstone_blocks"
                       " WHERE is_dirty))").format(
            identifier(BLOCK)
        )  # fmt: skip
        self._execute(
            sql.SQL(
                "UPDATE {table} AS b SET rows = COALESCE(now.rows, 0), digest = COALESCE(now.digest, 0),"
                " inside = COALESCE(lying.inside, 0), cells = lying.cells, sum_x = lying.sum_x, sum_y = lying.sum_y\n"
                "FROM pg_temp.flagstone_blocks AS d LEFT JOIN pg_temp.flagstone_seen AS now ON now.block = d.block\n"
                "LEFT JOIN ({lying}) AS lying ON lying.block = d.block WHERE d.is_dirty AND b.block = d.block"
            ).format(table=named(self.table), lying=inside(self.target, finest, only))
        )

    # --- steps ----------------------------------------------------------------------------------------------------

    def _touched(self, finest: BandPlan) -> None:
        """Cells that rows which came or changed lie in, and those that rows lay in which are gone."""
        settled, block, cell = identifier(SETTLED), identifier(BLOCK), self.target.sql.cell(finest)
        self._execute(
            sql.SQL(
                "INSERT INTO pg_temp.flagstone_cells (cells, removed, is_heavy)\n"
                "WITH placed AS MATERIALIZED (SELECT f.{block} AS block, f.{settled} AS settled, cell.*"
                " FROM pg_temp.flagstone_features AS f"
                " CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy)),\n"
                "kept AS (SELECT block, count(*) AS inside, sum(cx::int8) AS sum_x, sum(cy::int8) AS sum_y FROM placed"
                " WHERE settled GROUP BY block),\n"
                "gone AS (SELECT b.cells, b.inside - COALESCE(kept.inside, 0) AS rows,"
                " point((b.sum_x - COALESCE(kept.sum_x, 0))::float8, (b.sum_y - COALESCE(kept.sum_y, 0))::float8) AS place"
                " FROM {blocks} AS b JOIN pg_temp.flagstone_blocks AS d ON d.block = b.block LEFT JOIN kept"
                " ON kept.block = b.block"
                " WHERE b.inside > 0)\n"
                "SELECT box(point(cx, cy), point(cx, cy)), sum(removed), false FROM (SELECT cx, cy, 0 AS removed FROM placed"
                " WHERE NOT settled"
                " UNION ALL SELECT place[0], place[1], 1 FROM gone WHERE rows = 1 AND cells @> place) AS touched"
                " GROUP BY cx, cy\n"
                "UNION ALL\nSELECT cells, 0, true FROM gone WHERE rows <> 0 AND NOT (rows = 1 AND cells @> place)"
            ).format(block=block, settled=settled, cell=cell, blocks=named(self.table))
        )
        outline(self.connection, self.target, finest)

    def _wanted(self, numbers: Iterable[int], *, is_dirty: bool) -> None:
        srid = self.target.layer.geometry.crs.srid
        found = self.connection.execute(
            sql.SQL(
                "SELECT b.block, b.bound, COALESCE(next.bound, 'infinity') FROM {blocks} AS b LEFT JOIN {blocks} AS next"
                " ON next.block = b.block + 1 WHERE b.block = ANY (%s)"
            ).format(blocks=named(self.table)),
            [list(numbers)],
        ).fetchall()
        with (
            self.connection.cursor() as cursor,
            cursor.copy("COPY pg_temp.flagstone_blocks FROM STDIN") as copy,
        ):
            for number, bound, end in found:
                xmin, ymin, xmax, ymax = self.blocks.rectangle(bound, end)
                copy.write_row(
                    (
                        number,
                        bound,
                        end,
                        f"SRID={srid};LINESTRING({xmin!r} {ymin!r},{xmax!r} {ymax!r})",
                        is_dirty,
                    )
                )
        self._execute("ANALYZE pg_temp.flagstone_blocks")

    @property
    def _always(self) -> sql.Composable | None:
        return always(self.connection, self.target)

    def _execute(self, statement: str | sql.Composed) -> Any:
        return self.connection.execute(statement)


@dataclass(frozen=True, slots=True)
class Count:
    """Blocks that have rows, numbers of the dirty ones among them, and the rows of all and of these."""

    blocks: int
    dirty: tuple[int, ...]
    rows: int
    dirty_rows: int
