"""Keeps the overview of a layer fresh: rows that changed are derived again, with the cells that they touch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg import Connection

from ...errors import NotFound
from ...layers.overview import merged_by
from .. import own_schema
from . import block_table, blocks, grants, keys, registry, superseded
from .administering import Report
from .build_faults import explained
from .dirty import Dirty
from .one_at_a_time import alone
from .plans import Plan
from .refresh_bands import Rewriting, Rewritten
from .row_filter import always
from .target import Target
from .trace import Trace

_MOST = 1 / 3
"""Part of a layer's rows in dirty blocks from which on a build is quicker."""
_FEW = 20_000
"""Rows in dirty blocks that are always derived again one by one."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did. `rebuilt` says why the whole overview was built instead; all numbers are 0 then. `has_left` says that
    an overview that it came in place of is being read, and is there yet."""

    layer: str
    grid: str
    rebuilt: str | None
    blocks: int = 0
    dirty_blocks: int = 0
    dirty_rows: int = 0
    tables: tuple[Rewritten, ...] = ()
    seconds: float = 0.0
    has_left: bool = False

    @property
    def rows(self) -> int:
        """Rows of bands and pieces that were taken out or put in."""
        return sum(each.deleted + each.inserted for each in self.tables)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"rows": self.rows}


def refresh(
    connection: Connection[Any], target: Target, rebuild: Callable[[Plan], object], report: Report
) -> Refreshed:
    """Bring the overview of a layer to what its rows are now: what it holds then is what a build would make.

    Readers see each band as it was, until all of them are done. Where too much changed, or the overview does not fit the
    layer any more, `rebuild` is called with the plan that it was built by. NotFound where there is no overview; OverviewError
    where a build or another refresh is under way.
    """
    layer, began = target.layer, time.monotonic()
    with explained(f"The overview of {layer.id}", layer), alone(connection, target):
        found = registry.newest(connection, layer, target.grid.key)
        if found is None:
            raise NotFound(
                f"Layer {layer.id} has no overview in {target.grid.id}. `flask overviews build {layer.id}` makes one."
            )
        number, document, reason = found
        if reason is None:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                done = _refreshed(connection, target, number, document, report)
            if isinstance(done, Refreshed):
                # What a build left over that was ended halfway: this one is served, and fresher.
                has_left = not superseded.drop_others(connection, target, number)
                return _timed(replace(done, has_left=has_left), began)
            reason = done
        report(f"build: {reason}", 0, 1)
        rebuild(Plan.parse(document["plan"]))
        now = registry.newest(connection, layer, target.grid.key)
        has_left = now is not None and bool(registry.others(connection, layer, target.grid.key, now[0]))
    return _timed(Refreshed(layer.id, target.grid.id, reason, has_left=has_left), began)


def _refreshed(
    connection: Connection[Any], target: Target, number: int, document: dict[str, Any], report: Report
) -> Refreshed | str:
    """In one transaction, which sees one instant; or why a build is to be preferred."""
    tables = registry.tables(connection, number)
    bands = [band for kind, band in tables if kind == "band"]
    noted = next((band.table for kind, band in tables if kind == "blocks"), None)
    known = document.get("blocks")
    if noted is None or known is None:
        return "the counts of the rows that it was made of are missing"
    if known["made_by"] != block_table.made_by(connection, target):
        return "it was made by another version of PostGIS, GEOS or PROJ"
    here = Trace.of(connection, target)
    trace = here.since(known)
    if trace is None:
        return "its rows cannot be compared with those that it was made of"
    steps = 3 + len(tables)
    report("counting rows", 0, steps)
    keys.tell_apart(connection, target.layer, always(connection, target))
    dirty = Dirty(connection, target, noted, blocks.read(noted, known), trace)
    count = dirty.count()
    if count.dirty_rows > max(_FEW, count.rows * _MOST):
        return f"{count.dirty_rows:,} of {count.rows:,} rows may have changed"
    done: list[Rewritten] = []
    if count.dirty and merged_by(target.layer):
        return "rows changed, and one that changed may change every line that it is part of: its lines are merged"
    if count.dirty:
        for kind, band in tables:
            if kind != "blocks":
                grants.writable(connection, target.layer, band.table)
        report("rows that changed", 1, steps)
        rewriting = Rewriting(connection, target, number)
        if bands:
            done = rewriting.bands(bands, dirty.cells(bands[0]))
        done += [rewriting.pieces(band, dirty, count.dirty) for kind, band in tables if kind == "pieces"]
        dirty.settle(bands[0].plan if bands else None)
    # Several at once grant rights on the schema.
    own_schema.alone(connection)
    for kind, band in tables:
        if kind != "blocks":
            grants.copy(connection, target.layer, band.table)
            grants.secure(connection, target.layer, band.table)
    registry.remember(connection, number, "blocks", known | here.document())
    registry.refreshed(connection, number)
    made = Refreshed(
        target.layer.id, target.grid.id, None, count.blocks, len(count.dirty), count.dirty_rows, tuple(done)
    )
    if made.rows:
        registry.touch(connection, number)
    report("done", steps, steps)
    return made


def _timed(done: Refreshed, began: float) -> Refreshed:
    return replace(done, seconds=round(time.monotonic() - began, 3))
