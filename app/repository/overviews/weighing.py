"""The fullest tiles of a band, made as the server makes them: what a plan has foreseen is weighed before it is served."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from isal import isal_zlib
from psycopg import Connection, sql

from ...layers.identity import Identity
from ...layers.member import Member
from ...layers.overview import Band, Overview, has_row_security
from ...layers.overview_definition import definition
from ...layers.relation import RelationLayer
from ...layers.request import LayerRequest, layer_requests
from ...layers.tile import Tile
from ...settings import Settings
from ..identifier import identifier
from ..tile_questions import Questions, tile_rows
from .target import Target

_EACH = 3
"""So many tiles with most features are made, and so many with most bytes."""


@dataclass(frozen=True, slots=True)
class Weight:
    """The heaviest tile of a band: features, and bytes when it is compressed."""

    tile: Tile
    features: int
    bytes: int
    fits: bool


def request_of(target: Target, settings: Settings) -> LayerRequest:
    """What a map asks that asks for no more than the layer, as somebody who may read all of it: that tile is the heaviest."""
    role, layer = _reader(target.layer), _read_by_all(target.layer)
    [request] = layer_requests([Member(layer.id, layer)], target.grid, {}, settings, Identity(role=role))
    return request


def _reader(layer: RelationLayer) -> str | None:
    """Somebody who may read the layer; None is the login itself."""
    return None if layer.login in layer.readers else next(iter(sorted(layer.readers)), None)


def _read_by_all(layer: RelationLayer) -> RelationLayer:
    """The layer as if that one might read all of its columns."""
    return replace(layer, readers={**layer.readers, _reader(layer) or layer.login: None})


def heaviest(connection: Connection[Any], target: Target, band: Band, settings: Settings, zoom: int) -> Weight | None:
    """The heaviest tile of a band at a zoom that it serves; None where it is empty, or where single rows are thinned when a tile is asked for.
    In a transaction of the caller."""
    if has_row_security(target.layer):
        return None
    request = request_of(target, settings)
    overview = Overview(
        0, target.grid.id, target.grid.key, definition(target.layer, target.grid.key), "weighed", {band.plan.zoom: band},
        readers={request.identity.role or target.layer.login: None},
    )  # fmt: skip
    request = replace(request, layer=replace(_read_by_all(target.layer), overviews=(overview,)))
    # The budget is that of whoever asks for everything: `limit` above the most is the most.
    questions = Questions(keeps_prepared=False, most_bytes=settings.max_tile_bytes)
    found: list[Weight] = []
    for tile in _fullest(connection, target, band, zoom):
        rows = tile_rows(request, tile, target.postgis, target.grid_srid, lambda _: False, settings.max_tile_bytes)
        asked = questions.whole(rows, request.limit)
        raw, features = connection.execute(asked.text, asked.values, prepare=False).fetchone() or (b"", 0)
        size = len(isal_zlib.compress(bytes(raw or b""), 1, wbits=31)) if raw else 0
        fits = features <= request.limit and (not request.budget or size <= request.budget)
        found.append(Weight(tile, int(features), size, fits))
    return max(found, key=lambda each: (not each.fits, each.bytes), default=None)


def _fullest(connection: Connection[Any], target: Target, band: Band, zoom: int) -> list[Tile]:
    """The tiles in which most rows of the band have their middle, and those in which they are largest."""
    matrix, names = target.grid.matrices[zoom], target.sql.names
    s, geometry = target.sql.shapes.s, identifier(names.geometry)
    column = sql.SQL("floor((({s}.ST_XMin({g}) + {s}.ST_XMax({g})) / 2 - {origin}) / {span})").format(
        s=s, g=geometry, origin=sql.Literal(matrix.origin_x), span=sql.Literal(matrix.span_x)
    )
    upwards = sql.SQL("(({s}.ST_YMin({g}) + {s}.ST_YMax({g})) / 2 - {origin}) / {span}").format(
        s=s, g=geometry, origin=sql.Literal(matrix.origin_y), span=sql.Literal(matrix.span_y)
    )
    row = sql.SQL("floor(-({}))" if matrix.from_top else "floor({})").format(upwards)
    found = connection.execute(
        sql.SQL(
            "WITH tiles AS MATERIALIZED (SELECT {column} AS x, {row} AS y, count(*) AS features, sum(pg_column_size(band.*)) AS bytes"
            " FROM {table} AS band GROUP BY 1, 2)"
            " (SELECT x, y FROM tiles ORDER BY features DESC, x, y LIMIT {each})"
            " UNION (SELECT x, y FROM tiles ORDER BY bytes DESC, x, y LIMIT {each})"
        ).format(column=column, row=row, table=identifier("flagstone", band.table), each=sql.Literal(_EACH))
    ).fetchall()
    return [Tile(zoom, _inside(x, matrix.width), _inside(y, matrix.height)) for x, y in found]


def _inside(place: float, tiles: int) -> int:
    """A place on the edge of the grid is in the last tile."""
    return min(max(int(place), 0), tiles - 1)
