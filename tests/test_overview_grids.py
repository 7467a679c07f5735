"""Overviews in other grids than WebMercatorQuad: every row counted, winners in cells of the grid, tiles that hold them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.layers.grid_files import read_directory
from app.layers.grids import BUILT_IN, Grids
from app.layers.tile import Tile
from tests.conftest import MakeApp
from tests.overview_builds import band, overview
from tests.tile_decoding import decoded, get

CELL_PIXELS = 4


def _filled(dsn: str) -> None:
    """Points, lines and squares some tenths of a degree apart over Western Europe and thinly over the world."""
    with psycopg.connect(dsn) as connection:
        for name, shape in (
            ("dots", "ST_Point(x, y, 4326)"),
            ("squares", "ST_MakeEnvelope(x, y, x + size, y + size, 4326)"),
            (
                "strokes",
                "ST_SetSRID(ST_MakeLine(ST_MakePoint(x, y), ST_MakePoint(x + size, y + size)), 4326)",
            ),
        ):
            connection.execute(
                f"CREATE TABLE {name} AS SELECT row_number() OVER ()::int AS id, {shape} AS geom FROM ("
                " SELECT 0.4 * i AS x, 44 + 0.4 * j AS y, 0.001 * (1 + (i * j) % 400) AS size FROM generate_series(0, 20) i, generate_series(0, 20) j"
                " UNION ALL SELECT -180 + 20 * i, -75 + 15 * j, 5 FROM generate_series(0, 17) i, generate_series(0, 10) j) AS made".encode()
            )
            connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (id)".encode())


def _by_thirds(directory: Path) -> None:
    """A grid of Web Mercator whose zooms are three times as fine as the one before."""
    half = 20037508.342789244
    matrices = [
        {"id": str(zoom), "scaleDenominator": 2 * half / 512 / 3**zoom / 0.00028, "cellSize": 2 * half / 512 / 3**zoom,
         "cornerOfOrigin": "topLeft", "pointOfOrigin": [-half, half], "tileWidth": 512, "tileHeight": 512,
         "matrixWidth": 3**zoom, "matrixHeight": 3**zoom}
        for zoom in range(7)
    ]  # fmt: skip
    document = {"id": "Thirds", "crs": "http://www.opengis.net/def/crs/EPSG/0/3857", "tileMatrices": matrices}
    (directory / "Thirds.json").write_text(json.dumps(document))


def _inside(connection: psycopg.Connection[Any], layer: str, grid: Any) -> int:
    """Rows whose geometry meets the grid, as PostGIS says by itself."""
    box = grid.extent
    row = connection.execute(
        f"SELECT count(*) FROM {layer} WHERE ST_Intersects(ST_Transform(ST_ClipByBox2D(geom, 'BOX(-180 -90,180 90)'), %s),"
        " ST_MakeEnvelope(%s, %s, %s, %s, %s))".encode(),
        [grid.crs.srid, *box.as_list(), grid.crs.srid],
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    ("grid_id", "zooms"),
    [
        ("WGS1984Quad", range(6)),
        ("EuropeanETRS89_LAEAQuad", range(5)),
        ("UTM31WGS84Quad", range(1, 7)),
        ("Thirds", range(5)),
        ("CDB1GlobalGrid", range(-10, 1, 2)),
    ],
)
def test_a_grid_has_its_own_cells_and_loses_no_row(
    database: str, make_app: MakeApp, tmp_path: Path, grid_id: str, zooms: range
) -> None:
    _filled(database)
    _by_thirds(tmp_path)
    settings: dict[str, Any] = {"FLAGSTONE_TMS_DIRECTORY": str(tmp_path)} if grid_id == "Thirds" else {}
    grid = Grids(read_directory(str(tmp_path), BUILT_IN) if settings else None).get(grid_id)
    finest = max(zooms)
    for layer in ("dots", "squares", "strokes"):
        number = overview(database, f"public.{layer}", zooms, grid=grid_id, **settings)
        expected = band(database, number, finest, "sum(feature_count)")[0][0]
        with psycopg.connect(database) as connection:
            if grid_id in ("WGS1984Quad", "Thirds", "CDB1GlobalGrid"):
                assert expected == _inside(connection, layer, grid)
            assert expected >= 441
        for zoom in zooms:
            matrix = grid.matrices[zoom]
            cell = matrix.span_x / 512 * CELL_PIXELS
            rows = band(database, number, zoom, '"~x", "~y", feature_count, "~width", id')
            assert sum(row[2] for row in rows) == expected, zoom
            cells = [(math.floor((x - matrix.origin_x) / cell), math.floor((matrix.origin_y - y) / cell))
                     for x, y, _, width, _ in rows if width < matrix.span_x / 512]  # fmt: skip
            assert len(cells) == len(set(cells)), "one winner for a cell"
    app = make_app(database, **settings)
    for zoom in zooms:
        held: set[int] = set()
        for tile in _tiles(grid, zoom):
            answer = get(app, f"/tiles/{grid_id}/public.squares/{tile.z}/{tile.x}/{tile.y}")
            assert answer.status_code in (200, 204), answer.get_data(as_text=True)
            assert answer.status_code == 204 or answer.headers["Flagstone-Tile"] == "overview"
            held |= {
                feature["properties"]["id"]
                for each in decoded(answer).values()
                for feature in each["features"]
            }
        placed = band(database, 2, zoom, 'DISTINCT id, "~x", "~y"')
        tiles = _tiles(grid, zoom)
        shown = {number for number, x, y in placed if any(_holds(grid, tile, x, y) for tile in tiles)}
        assert shown and shown <= held, (zoom, sorted(shown - held)[:5])


def _tiles(grid: Any, zoom: int) -> list[Tile]:
    """At most sixteen tiles around 4° east, 48° north, and those beside them."""
    matrix = grid.matrices[zoom]
    if matrix.width * matrix.height <= 16:
        return [Tile(zoom, x, y) for x in range(matrix.width) for y in range(matrix.height)]
    from pyproj import Transformer

    x, y = Transformer.from_crs("EPSG:4326", grid.crs.definition, always_xy=True).transform(4.0, 48.0)
    column, row = int((x - matrix.origin_x) / matrix.span_x), int((matrix.origin_y - y) / matrix.span_y)
    return [Tile(zoom, column + dx, row + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
            if 0 <= column + dx < matrix.width and 0 <= row + dy < matrix.height]  # fmt: skip


def _holds(grid: Any, tile: Tile, x: float, y: float) -> bool:
    box = grid.bounds(tile)
    return bool(box.xmin < x < box.xmax and box.ymin < y < box.ymax)
