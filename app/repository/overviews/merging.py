"""What merging saves, for `plan`: the lines of one tile, counted and merged."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import Connection, sql
from psycopg.errors import QueryCanceled

from ...errors import OverviewError
from ...layers.overview import BandPlan, merged_by
from ...layers.overview_sample import Sample
from ...layers.request import LayerRequest
from ...layers.tile import Tile
from ..identifier import identifier
from ..tile_search import Way, polygon, search
from .band_sql import DIMENSION
from .merged_sql import merged
from .row_filter import always
from .target import Target

_ROWS = 50_000
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Merging:
    """The lines of the fullest tile of the finest band's zoom, and how many are left of them when they are merged by
    `columns`."""

    columns: tuple[str, ...]
    zoom: int
    lines: int
    merged: int

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def saved(
    connection: Connection[Any],
    target: Target,
    request: LayerRequest,
    sample: Sample,
    finest: BandPlan | None,
) -> Merging | None:
    """What merging makes of the lines of one tile, of some ten thousand at most; None where nothing is merged. OverviewError
    where that takes too long."""
    columns = merged_by(target.layer)
    if not columns or finest is None or not sample.rows:
        return None
    made, rows = target.sql, _rows_of(target, request, _fullest(target, sample, finest.zoom))
    features = made.features_of_table(0.0, always(connection, target), rows)
    counted = sql.SQL("SELECT pg_catalog.count(*) FILTER (WHERE {} = 1) FROM ({}) AS features")
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{_SECONDS}s"])
            connection.execute("SET LOCAL enable_nestloop = off")
            lines, left = (
                (connection.execute(counted.format(DIMENSION, each)).fetchone() or (0,))[0]
                for each in (features, merged(made, features, finest))
            )
    except QueryCanceled as error:
        raise OverviewError(
            f"To merge lines of {target.layer.id} took more than {_SECONDS} seconds."
        ) from error
    return Merging(columns, finest.zoom, int(lines), int(left))


def _fullest(target: Target, sample: Sample, zoom: int) -> Tile:
    matrix = target.grid.matrices[zoom]
    tiles = Counter(
        (
            math.floor((row.x - matrix.origin_x) / matrix.span_x),
            math.floor((matrix.origin_y - row.y) / matrix.span_y * (1 if matrix.from_top else -1)),
        )
        for row in sample.rows
    )  # fmt: skip
    [((x, y), _)] = tiles.most_common(1)
    return Tile(zoom, min(max(x, 0), matrix.width - 1), min(max(y, 0), matrix.height - 1))


def _rows_of(target: Target, request: LayerRequest, tile: Tile) -> sql.Composed:
    """Rows of the layer that a tile shows, found by the layer's own index; any rows where no box is certain to hold them."""
    found = search(request, target.layer, tile, grid_srid=target.grid_srid)
    s, column = target.sql.shapes.s, target.sql.shapes.column()
    where: sql.Composable = sql.SQL("true")
    if found.way is Way.INDEX:
        srid = target.layer.geometry.crs.srid
        where = sql.SQL(" OR ").join(
            sql.SQL("{} OPERATOR({}.&&) {}::{}.geometry").format(
                column, s, sql.Literal(polygon(box, srid)), s
            )
            for box in found.boxes
        )
    return sql.SQL("(SELECT * FROM {} AS source WHERE {} LIMIT {})").format(
        identifier(target.layer.schema, target.layer.name), where, sql.Literal(_ROWS)
    )
