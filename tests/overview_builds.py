"""Overviews for tests: built as the command builds them, with bands that the test chooses."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any

import psycopg
import shapely
from psycopg import sql
from shapely.geometry.base import BaseGeometry

from app import create_app
from app.layers.overview import CELL_PIXELS, BandPlan, pixel
from app.repository.overviews.administering import administering
from app.repository.overviews.build import build
from app.repository.overviews.plans import Plan
from app.repository.overviews.target import Target, target
from app.settings import Settings

EXTENT = 4096


def plan_of(there: Target, zooms: Iterable[int], *, pieces: bool = False, small: int = 1) -> Plan:
    """Bands for these zooms, all with the same thresholds in pixels."""
    made = [
        BandPlan(zoom, pixel(there.grid, zoom), small, max(small, CELL_PIXELS))
        for zoom in sorted(zooms, reverse=True)
    ]
    return Plan(tuple(made), pieces)


def overview(
    dsn: str,
    layer: str,
    zooms: Iterable[int],
    *,
    grid: str = "WebMercatorQuad",
    pieces: bool = False,
    small: int = 1,
    **settings: Any,
) -> int:
    """Build the overview of a layer as the login of `dsn` (needs rights to create schema `flagstone`); gives its number."""
    given = Settings.of(DATABASE_URL=dsn, **settings)
    app = create_app(given)
    with closing(app.extensions["flagstone"]), app.app_context():
        backend = app.extensions["flagstone"]
        backend.open()
        catalog = backend.catalog.reload()
        # Who builds need not be who may read it.
        found = next(each for each in catalog.layers if each.id == layer)
        there = target(backend.pool, found, backend.grids.get(grid), catalog.postgis)
        with administering(given) as connection:
            return build(
                connection,
                there,
                plan_of(there, zooms, pieces=pieces, small=small),
                catalog.login,
                lambda *_: None,
            )


def band(dsn: str, number: int, zoom: int, columns: str) -> list[tuple[Any, ...]]:
    """What a band holds: `columns` is a select list over the alias `band`."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET search_path = public, gis")
        return connection.execute(
            sql.SQL("SELECT {} FROM flagstone.{} AS band").format(
                sql.SQL(columns), sql.Identifier(f"overview_{number}_z{zoom}")
            )
        ).fetchall()


def land(dsn: str, zoom: int, x: int, y: int) -> BaseGeometry:
    """All countries as one, of the tables themselves, in units of the tile, y downwards."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT ST_AsBinary(ST_Union(ST_Intersection(ST_Transform(ST_ClipByBox2D(geom, 'BOX(-180 -85.06,180 85.06)'), 3857), tile))),"
            " ST_XMin(tile), ST_YMax(tile), ST_XMax(tile) - ST_XMin(tile)"
            " FROM sample.countries, ST_TileEnvelope(%s, %s, %s) AS tile WHERE ST_Transform(tile, 4326) && geom GROUP BY tile",
            [zoom, x, y],
        ).fetchone()
    assert row is not None
    body, west, north, span = row
    scale = EXTENT / span
    return shapely.transform(shapely.from_wkb(bytes(body)), lambda xy: (xy - [west, north]) * [scale, -scale])
