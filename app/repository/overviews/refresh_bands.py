"""Bands made again where it has to be: the rows of some cells are derived anew, and what came out otherwise is replaced.

Which cells of a coarser band are touched is read off the rows of the finer one that came or went, by their own middles:
so one cell after the other, whatever the grids of the two are to each other.

Temporary tables of the transaction, beside those of `dirty`: derived (rows as they have to be), found (rows of the band
in these cells, by their place in it), same (pairs of these two that are equal), changed (middles of rows that came or went).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql

from ...layers.overview import Band, BandPlan, key_of
from ..identifier import identifier
from . import registry, winners
from .blocks import named
from .dirty import Dirty
from .row_filter import always
from .target import Target
from .touched import outline, places

_COMPETING = sql.SQL("SELECT * FROM pg_temp.flagstone_competing")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was done to a table: `zoom` None for that of pieces. Rows that came out as they were are in neither count."""

    zoom: int | None
    cells: int
    deleted: int
    inserted: int


@dataclass
class Rewriting:
    """One refresh of the bands of an overview, from the finest to the coarsest."""

    connection: Connection[Any]
    target: Target
    number: int

    def bands(self, bands: Iterable[Band], cells: int) -> list[Rewritten]:
        """Make the cells in flagstone_cells, those of the first band, again, and of each next one what that touched.

        In light cells of the first band only the winner competes again, and rows that are gone.
        """
        done: list[Rewritten] = []
        finer: Band | None = None
        for band in bands:
            if finer is None:
                self._prepare(band)
                features: sql.Composable = _COMPETING
            else:
                cells = self._next(band.plan)
                features = self.target.sql.features_of_band(
                    self._rows_in_cells(finer, band.plan), finer.plan, None
                )
            if cells == 0:
                done.append(Rewritten(band.plan.zoom, 0, 0, 0))
            else:
                done.append(self._rewritten(band, features, cells, winners.PLACES if finer is None else None))
            finer = band
        return done

    def pieces(self, pieces: Band, dirty: Dirty, blocks: tuple[int, ...]) -> Rewritten:
        """Make the pieces of rows that changed again. Those of rows that are gone go too."""
        keys = key_of(self.target.layer)
        same = sql.SQL(" AND ").join(
            sql.SQL("source.{0} = piece.{0}").format(identifier(key)) for key in keys
        )
        deleted = self._execute(
            sql.SQL(
                "DELETE FROM {table} AS piece WHERE NOT EXISTS (SELECT FROM {relation} AS source WHERE {same} AND {as_it_was})"
            ).format(
                table=named(pieces.table),
                relation=self.target.relation,
                same=same,
                as_it_was=dirty.is_as_it_was(blocks),
            )
        ).rowcount
        chosen = sql.SQL("NOT source.{}").format(identifier("flagstone~settled"))
        filtered = always(self.connection, self.target)
        condition = chosen if filtered is None else sql.SQL("{} AND {}").format(chosen, filtered)
        inserted = self._execute(
            sql.SQL("INSERT INTO {} {}").format(
                named(pieces.table), self.target.sql.heavy(condition, dirty.rows())
            )
        ).rowcount
        registry.counted(
            self.connection, self.number, pieces.table, inserted - deleted, in_pieces=inserted > 0
        )
        return Rewritten(None, 0, deleted, inserted)

    # --- one band -------------------------------------------------------------------------------------------------

    def _prepare(self, band: Band) -> None:
        names = self.target.sql.names
        self._execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE flagstone_derived (LIKE {band}) ON COMMIT DROP;"
                "CREATE TEMPORARY TABLE flagstone_found (place tid) ON COMMIT DROP;"
                "CREATE TEMPORARY TABLE flagstone_same (place tid, derived tid) ON COMMIT DROP;"
                "CREATE TEMPORARY TABLE flagstone_changed ON COMMIT DROP AS SELECT {x}, {y} FROM {band} WHERE false"
            ).format(band=named(band.table), x=identifier(names.x), y=identifier(names.y))
        )

    def _rewritten(self, band: Band, features: sql.Composable, cells: int, standing: str | None) -> Rewritten:
        names, table = self.target.sql.names, named(band.table)
        piece, x, y = identifier(names.piece), identifier(names.x), identifier(names.y)
        execute = self._execute
        execute(
            "TRUNCATE pg_temp.flagstone_derived, pg_temp.flagstone_found, pg_temp.flagstone_same, pg_temp.flagstone_changed"
        )
        execute(
            sql.SQL("INSERT INTO pg_temp.flagstone_derived {}").format(
                self.target.sql.band(features, band.plan)
            )
        )
        execute(
            sql.SQL("INSERT INTO pg_temp.flagstone_found {}").format(places(self.target, band, band.plan))
        )
        if standing:
            execute(standing)
        execute("ANALYZE pg_temp.flagstone_derived")
        same_key = sql.SQL(" AND ").join(
            sql.SQL("d.{0} = band.{0}").format(name)
            for name in (*map(identifier, key_of(self.target.layer)), piece)
        )
        execute(
            sql.SQL(
                "INSERT INTO pg_temp.flagstone_same SELECT band.ctid, d.ctid FROM {band} AS band"
                " JOIN pg_temp.flagstone_derived AS d ON {same_key}"
                " WHERE band.ctid = ANY (ARRAY(SELECT place FROM pg_temp.flagstone_found)) AND (band.*) *= (d.*)"
            ).format(band=table, same_key=same_key)
        )
        row = execute(
            sql.SQL(
                "WITH gone AS (DELETE FROM {band} AS band WHERE ctid = ANY (ARRAY(SELECT place FROM pg_temp.flagstone_found"
                " EXCEPT SELECT place FROM pg_temp.flagstone_same)) RETURNING {x}, {y}),\n"
                "come AS (INSERT INTO {band} SELECT d.* FROM pg_temp.flagstone_derived AS d"
                " WHERE d.ctid NOT IN (SELECT derived"
                " FROM pg_temp.flagstone_same) RETURNING {x}, {y}, {in_pieces} AS in_pieces),\n"
                "changed AS (INSERT INTO pg_temp.flagstone_changed SELECT * FROM gone UNION SELECT {x}, {y} FROM come)\n"
                "SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM come), EXISTS (SELECT FROM come WHERE in_pieces)"
            ).format(band=table, x=x, y=y, in_pieces=self.target.sql.in_pieces())
        ).fetchone()
        deleted, inserted, in_pieces = row or (0, 0, False)
        registry.counted(self.connection, self.number, band.table, inserted - deleted, in_pieces=in_pieces)
        return Rewritten(band.plan.zoom, cells, deleted, inserted)

    def _next(self, plan: BandPlan) -> int:
        """Put the cells of the next band that rows came to or went from into flagstone_cells; gives their number."""
        self._execute("TRUNCATE pg_temp.flagstone_cells")
        made = self._execute(
            sql.SQL(
                "INSERT INTO pg_temp.flagstone_cells (cells, removed, is_heavy)"
                " SELECT box(point(cx, cy), point(cx, cy)), 0, true FROM"
                " (SELECT DISTINCT cell.* FROM pg_temp.flagstone_changed"
                " CROSS JOIN LATERAL (SELECT {cell}) AS cell (cx, cy)) AS cell"
            ).format(cell=self.target.sql.cell(plan))
        ).rowcount
        outline(self.connection, self.target, plan)
        return int(made)

    def _rows_in_cells(self, band: Band, plan: BandPlan) -> sql.Composed:
        return sql.SQL("(SELECT * FROM {} WHERE ctid = ANY (ARRAY({})))").format(
            named(band.table), places(self.target, band, plan)
        )

    def _execute(self, statement: str | sql.Composed) -> Any:
        return self.connection.execute(statement)
