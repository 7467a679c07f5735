"""Builds the overview of a layer: one band after the other, the finest first, each in a transaction of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from psycopg import Connection, sql

from ...layers.overview import SHARED, Band, BandPlan, has_row_security
from ...layers.overview_plan import SIZES, coarser
from ...layers.single_rows import single_row_plans
from ...settings import Settings
from .. import own_schema
from . import band_table, block_bounds, block_table, grants, keys, merged_sql, registry, superseded
from .administering import Report, silent
from .blocks import Blocks
from .build_faults import explained
from .one_at_a_time import alone
from .plans import Plan
from .row_filter import always
from .target import Target
from .weighing import heaviest

_LOAD_S = 1.0
"""Longer than most loads of a catalog take."""


def build(
    connection: Connection[Any], target: Target, plan: Plan, login: str, report: Report = silent,
    settings: Settings | None = None, *, again: bool = False,
) -> int:  # fmt: skip
    """Build the overview of a layer, or end the build that was interrupted; gives its number.

    Tiles go on with the overview that was there before, until the new one is whole. `login` is the role that serves.
    With `settings` the fullest tiles of each band are weighed, and a band whose tiles hold more than they may is built
    again with wider cells. `again` goes on with no build but one that was called so too. OverviewError where another build of the
    layer is under way, where the login may not read or create, or where the database ends it; what was built stays, and the next
    build goes on from there.
    """
    if has_row_security(target.layer):
        plan = Plan(single_row_plans(target.layer, plan.bands), pieces=False)
    with explained(f"The overview of {target.layer.id}", target.layer), alone(connection, target):
        with connection.transaction():
            registry.prepare(connection, login)
            left = registry.unfinished(connection, target.layer, target.grid.key, again=again)
            if left is not None and left.document.get("plan") == plan.document():
                number, done = left.number, left.bands
            else:
                document = {"plan": plan.document()} | ({"again": True} if again else {})
                number, done = registry.add(connection, target.layer, target.grid.id, target.grid.key, document), {}
        _Bands(connection, target, number, report, settings).make(plan, done)
        with connection.transaction():
            registry.complete(connection, number)
        if settings is not None and registry.others(connection, target.layer, target.grid.key, number):
            # A server that misses a table looks at the catalog again, if it did not just do so: none shall find the old
            # bands gone before it may look.
            report("the one before is dropped", 1, 1)
            time.sleep(settings.catalog_miss_interval_s + _LOAD_S)
        superseded.drop_others(connection, target, number)
    return number


@dataclass
class _Bands:
    """One build: its bands one after the other."""

    connection: Connection[Any]
    target: Target
    number: int
    report: Report
    settings: Settings | None

    def make(self, plan: Plan, done: dict[int, Band]) -> None:
        steps = len(plan.bands) + 1 + plan.pieces
        finer: Band | None = None
        for place, band in enumerate(plan.bands):
            self.report(f"zoom {band.zoom}", place, steps)
            made = self._above(band, finer)
            if finer is not None and band.zoom not in done and self._serves(finer, made):
                continue
            last = plan.bands[place + 1].zoom + 1 if place + 1 < len(plan.bands) else self.target.grid.minzoom
            finer = done.get(band.zoom) or self._band(made, finer, self._served(band.zoom, last)[0])
        if plan.pieces and not registry.has_pieces(self.connection, self.number):
            self.report("heavy polygons in pieces", len(plan.bands), steps)
            self._pieces(plan)
        self.report("the overview in its place", steps - 1, steps)

    def _above(self, band: BandPlan, finer: Band | None) -> BandPlan:
        """The plan, where it was foreseen that more rows compete below it."""
        least = 1 if finer is None else coarser(finer.plan.small_pixels, finer.plan.pixel / band.pixel)
        return band if band.small_pixels >= least else _wider(band, least)

    def _served(self, zoom: int, last: int) -> list[int]:
        """The zooms down to `last` that a band of this zoom serves, the coarsest first."""
        return sorted(each for each in self.target.grid.matrices if max(last, zoom - SHARED) <= each <= zoom)

    def _serves(self, finer: Band, plan: BandPlan) -> bool:
        """Whether the band of a finer zoom, which became coarser than it was planned to be, holds the same rows as this one
        would, and its tiles of this zoom have room for them."""
        same = finer.plan.cell > plan.cell * 0.999 and finer.plan.small > plan.small * 0.999
        if self.settings is None or not same or finer.in_pieces or finer.plan.zoom - plan.zoom > SHARED:
            return False
        with self.connection.transaction():
            weight = heaviest(self.connection, self.target, finer, self.settings, plan.zoom)
        return weight is not None and weight.fits

    def _band(self, plan: BandPlan, finer: Band | None, last: int) -> Band:
        """Make a band that serves the zooms from its own to `last`, the coarsest one, which has the fullest tiles."""
        name, began = f"overview_{self.number}_z{plan.zoom}", time.monotonic()
        with self.connection.transaction():
            if finer is None:
                self._one_instant()
            grants.see_every_row(self.connection, self.target.layer)
            if finer is None:
                keys.tell_apart(self.connection, self.target.layer, always(self.connection, self.target))
            if finer is None:
                divided = block_bounds.measured(self.connection, self.target)
                features = self._features(plan, divided)
            else:
                features = self.target.sql.features_of_band(sql.Identifier(own_schema.SCHEMA, finer.table), finer.plan, None)
            merges = merged_sql.merges(self.target.sql)
            if merges:
                merged_sql.write(self.connection, self._merged, self.target.sql, features, plan)
                features = sql.SQL("SELECT * FROM {}").format(self._merged)
            while True:
                band = band_table.make(self.connection, self.target, name, self.target.sql.band(features, plan), plan)
                weight = None if self.settings is None else heaviest(self.connection, self.target, band, self.settings, last)
                if weight is None or weight.fits or plan.cell_pixels >= SIZES[-1]:
                    break
                plan = _wider(plan, max(plan.small_pixels, plan.cell_pixels) + 1)
                self.connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(own_schema.SCHEMA, name)))
            if finer is None:
                block_table.write(self.connection, self.target, self.number, plan, divided, self._stage)
                self.connection.execute(sql.SQL("DROP TABLE {}").format(self._stage))
            if merges:
                self.connection.execute(sql.SQL("DROP TABLE {}").format(self._merged))
            band_table.publish(self.connection, self.target, self.number, "band", band)
            measured: dict[str, Any] = {"seconds": round(time.monotonic() - began, 3)}
            if weight is not None:
                measured |= {"tile": str(weight.tile), "features": weight.features, "bytes": weight.bytes, "fits": weight.fits}
            registry.note(self.connection, self.number, f"z{plan.zoom}", measured)
        return band

    def _pieces(self, plan: Plan) -> None:
        name, began = f"overview_{self.number}_pieces", time.monotonic()
        with self.connection.transaction():
            self._one_instant()
            keys.tell_apart(self.connection, self.target.layer, always(self.connection, self.target))
            if plan.bands:
                block_table.doubt(self.connection, self.target, self.number)
            else:
                grants.see_every_row(self.connection, self.target.layer)
                divided = block_bounds.measured(self.connection, self.target)
                block_table.write(self.connection, self.target, self.number, None, divided, None)
            heavy = self.target.sql.heavy(always(self.connection, self.target))
            pieces = band_table.make(self.connection, self.target, name, heavy, BandPlan(-1, 0.0))
            band_table.publish(self.connection, self.target, self.number, "pieces", pieces)
            registry.note(self.connection, self.number, "pieces", {"seconds": round(time.monotonic() - began, 3)})

    @property
    def _stage(self) -> sql.Identifier:
        return sql.Identifier(own_schema.SCHEMA, f"overview_{self.number}_features")

    @property
    def _merged(self) -> sql.Identifier:
        return sql.Identifier(own_schema.SCHEMA, f"overview_{self.number}_merged")

    def _one_instant(self) -> None:
        """What is made of the table, and what is written down of its rows, has to be of the same rows."""
        self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def _features(self, plan: BandPlan, divided: Blocks) -> sql.Composable:
        """What the finest band is made of: the table, read once by all cores."""
        # No temporary table: several processes cannot read one. It goes with the transaction.
        self.connection.execute(
            sql.SQL("CREATE UNLOGGED TABLE {} AS {}").format(
                self._stage,
                self.target.sql.features_of_table(
                    # Lines below a pixel may be part of one that is not.
                    0.0 if merged_sql.merges(self.target.sql) else plan.pixel, always(self.connection, self.target), None,
                    divided.column(self.target),
                ),
            )
        )
        return sql.SQL("SELECT * FROM {}").format(self._stage)


def _wider(plan: BandPlan, least: int) -> BandPlan:
    """The plan with the first size from `least` on."""
    size = next((size for size in SIZES if size >= least), max(least, SIZES[-1]))
    return replace(plan, small_pixels=size, cell_pixels=max(size, plan.cell_pixels))
