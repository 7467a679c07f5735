"""How many tiles of a city one changed building makes stale."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import psycopg

from app.layers.regions import FINEST
from app.repository.changes.log import ChangeLog
from app.repository.pool import Pool
from app.settings import Settings

from ..report import Goal
from ..stand import Stand
from . import city
from .report import Part
from .servers import follow

_MOST, _KEPT = 4, 0.998


def measure(stand: Stand, buildings: int, seed: int, tick: Callable[[], object]) -> Part:
    """Real edits with the real triggers; of the tiles none is drawn: their cells say which are stale."""
    dsn = stand.fresh()
    rows = city.make(dsn)
    follow(dsn, city.LAYER)
    settings = Settings.of(DATABASE_URL=dsn)
    tiles = city.Tiles(settings.max_buffer_ratio)
    pool = Pool(settings)
    found: list[city.Stale] = []
    try:
        log = ChangeLog(pool)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for number, building in enumerate(city.some(buildings, rows, seed)):
                before = connection.execute("SELECT pg_current_snapshot()::text").fetchone()
                # Every second one is moved by some metres too: it counts where it was and where it is.
                moved = "ST_Translate(geom, 0.0001, 0.00005)" if number % 2 else "geom"
                connection.execute(
                    f"UPDATE public.building SET counter = counter + 1, geom = {moved} WHERE id = %s".encode(),
                    [building],
                )
                changes = log.read(before[0] if before else "", "public").changes
                if not changes or any(change.boxes is None for change in changes):
                    raise RuntimeError(
                        f"the log has no boxes of the change of building {building}: {changes}"
                    )
                found.append(tiles.stale([box for change in changes for box in change.boxes or ()]))
                tick()
    finally:
        pool.close()
    most = max(each.most_of_a_zoom for each in found)
    kept = min(each.kept for each in found)
    part = Part(
        f"One changed building of {rows:,}, {buildings} times; the city's {found[0].tiles:,} tiles of zooms 0 to {city.DEEPEST}"
    )
    part.lines = [
        (f"stale tiles of zoom {zoom}: median, most", f"{statistics.median(each.by_zoom[zoom] for each in found):g}, {max(each.by_zoom[zoom] for each in found)}")
        for zoom in range(10, city.DEEPEST + 1)
    ]  # fmt: skip
    part.lines.append(
        ("stay current: median, fewest", f"{statistics.median(each.kept for each in found):.4%}, {kept:.4%}")
    )
    part.goals = [
        Goal(
            f"one changed building makes at most {_MOST} tiles of a zoom stale, zooms 0 to {FINEST}",
            f"{most} at most",
            most <= _MOST,
        ),
        Goal(f"of the city's tiles at least {_KEPT:.1%} stay current", f"{kept:.3%} at least", kept >= _KEPT),
    ]
    part.figures = {
        "tiles": found[0].tiles,
        "stale_by_zoom": [each.by_zoom for each in found],
        "kept": [each.kept for each in found],
    }
    return part
