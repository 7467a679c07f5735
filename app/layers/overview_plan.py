"""Which bands a layer needs, from a sample of its rows. Estimates: a build counts and weighs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .grid import Grid
from .overview import CELL_PIXELS, SHARED, BandPlan, pixel
from .overview_sample import Attribute, Sample, SampledRow
from .sampled_cells import cells
from .tile import PIXELS

SIZES = (1, 2, 4, 8, 16, 32, 64)
"""Widths in pixels below which rows may compete for cells: each one doubles the one before."""
_ZOOMS = 23
_VERTICES = 150_000
"""Vertices of a tile, those of light geometries not counted, that the table itself is quick and small enough for."""
_CROWDED = 1.5
"""So many times the features that it may hold has a tile for which a zoom gets a band. With fewer it is thinned when it is
asked for: few tiles of such a zoom are as full, and its band would be as large as all others together."""
_MOST_DISK = 0.35
"""Part of the table's disk that all bands together shall take. The goal is under half; of rows in towns and villages samples
see too few cells, by a third."""
_LITTLE_DISK = 20_000_000
"""What they may take of any table."""
_COARSEST_FOR_DISK = 16
_SMALLEST_SEEN_WELL = 4
"""Width of cells, and of rows that compete for them, in pixels, up to which bands are made coarser to stay within that."""
_LARGE_PART = 0.04
"""Part of that disk that a band takes which is worth making coarser for it."""
_WORTH_IT = 0.97
"""Part of a band's disk that has to be left at most, where its cells become wider for that."""
_LIGHT_POINTS = 64
"""Vertices up to which a geometry costs no more than its attributes."""
_TILE_BYTES_OF_SHAPE = 6.0
_TILE_BYTES_OF_VERTEX = 1.6
"""What a feature and a vertex come to in a compressed tile."""
_DISK_OF_ROW = 142
_DISK_OF_SHAPE = 85
"""Bytes of a band's row without its attributes: measures, a point, and its entry in an index; and what a square of a
pixel adds to that."""
_DISK_OF_VERTEX = 6
"""Of each vertex of an area, packed, as far as the sides of its box tell how many are left: of two tables of coasts bands took 5 to 7."""
_DISK_OF_LINE_VERTEX = 16
_NO_MORE_ROWS = 1.3
"""So many times the rows of a zoom's own band may a finer one have that serves that zoom too."""
_ROWS_READ_PER_S = 100_000
_ROWS_MADE_PER_S = 100_000
_BYTES_CUT_PER_S = 6_000_000
"""How fast two cores are, about."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a tile may hold: features, and bytes when it is compressed (0 for any number). `buffer` is what is drawn on
    each side of it, as a part of its edge."""

    features: int
    bytes: int
    buffer: float = 0.0

    @property
    def area(self) -> float:
        """The tile with its buffer, in tiles."""
        return (1 + 2 * self.buffer) ** 2

    def holds(self, features: float, weight: float) -> bool:
        """Whether it has room for so many features and bytes."""
        return features <= self.features and (self.bytes == 0 or weight <= self.bytes)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is expected at one zoom.

    `features`, `vertices` (of the heavier ones) and `bytes` (compressed) are those of the table's fullest tile; `band` is
    the plan for it, where it needs one, with the rows, the bytes on disk and the seconds of the build, and
    `band_features` and `band_bytes` of its fullest tile. `why` says what the table's tile has too much of.
    """

    zoom: int
    features: int
    vertices: int
    bytes: int
    why: tuple[str, ...] = ()
    band: BandPlan | None = None
    rows: int = 0
    disk: int = 0
    seconds: float = 0.0
    band_features: int = 0
    band_bytes: int = 0


def estimates(sample: Sample, grid: Grid, allowance: Allowance) -> tuple[Estimate, ...]:
    """One estimate for each zoom from the coarsest to one above the finest band; only the coarsest where none needs a band."""
    zooms = sorted(grid.matrices)[:_ZOOMS]
    seen = {zoom: _of_table(sample, grid, zoom, allowance) for zoom in zooms}
    needed = [zoom for zoom, estimate in seen.items() if estimate.why]
    if not needed:
        return (seen[zooms[0]],)
    last = max(needed)
    bands = _within_disk(sample, grid, _bands(sample, grid, seen, last, allowance), allowance)
    found = [seen[zoom] for zoom in zooms if zoom == last + 1]
    rows_read: float = sample.table_rows
    for band, own in zip(_shared(sample, grid, bands, allowance), bands, strict=True):
        made = _estimate(sample, seen[own.plan.zoom], band, rows_read, is_finest=own is bands[0])
        is_shared = band.plan.zoom != own.plan.zoom
        found.append(replace(made, disk=0, seconds=0.0) if is_shared else made)
        rows_read = band.rows
    return tuple(reversed(found))


def coarser(finer_pixels: int, ratio: float) -> int:
    """The least width below which rows compete, in pixels, above a band where they do below `finer_pixels`; `ratio` is
    that of the finer pixel to the coarser one."""
    return max(1, math.ceil(finer_pixels * ratio - 1e-9))


def _of_table(sample: Sample, grid: Grid, zoom: int, allowance: Allowance) -> Estimate:
    """The fullest tile of this zoom, made of the table."""
    matrix = grid.matrices[zoom]
    one = matrix.span_x / PIXELS
    features: Counter[tuple[int, int]] = Counter()
    vertices: dict[tuple[int, int], float] = defaultdict(float)
    drawn: dict[tuple[int, int], float] = defaultdict(float)
    invisible = 0
    for row in sample.rows:
        tile = (math.floor((row.x - matrix.origin_x) / matrix.span_x), math.floor((row.y - matrix.origin_y) / matrix.span_y))
        features[tile] += 1
        drawn[tile] += _drawn(row, one)
        invisible += not row.is_point and row.width < one
        # Of what is wider than a tile, one tile shows a part.
        if row.points > _LIGHT_POINTS:
            vertices[tile] += row.points * (1.0 if row.width <= matrix.span_x else matrix.span_x / row.width)
    most = max(features.values(), default=0)
    # One row alone of a sample says nothing of how many lie beside it.
    factor = sample.factor * allowance.area if most > 1 else 1.0
    rows = math.ceil(min(most * factor, sample.table_rows))
    heavy = math.ceil(max(vertices.values(), default=0) * max(1.0, factor))
    weight = math.ceil(rows * sample.attribute_bytes + max(drawn.values(), default=0) * max(1.0, factor))
    why = []
    if rows > allowance.features * _CROWDED:
        why.append("features")
    if heavy > _VERTICES:
        why.append("vertices")
    if not allowance.holds(0, weight):
        why.append("bytes")
    if why and invisible > len(sample.rows) / 2:
        why.append("too small to be seen")
    return Estimate(zoom, rows, heavy, weight, tuple(why))


def _drawn(row: SampledRow, one: float) -> float:
    """Bytes of its shape in a compressed tile, without vertices that are closer than a pixel."""
    return _TILE_BYTES_OF_SHAPE + _TILE_BYTES_OF_VERTEX * min(row.points, 4 * min(row.width / one, 2 * PIXELS))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is left of a table at a zoom: rows and the bytes of their vertices; features and bytes of the fullest tile."""

    plan: BandPlan
    rows: float
    of_large: float
    """Rows that do not compete."""
    vertex_bytes: float
    features: float
    bytes: float

    def disk(self, sample: Sample) -> float:
        """Bytes of the band."""
        stored = _DISK_OF_ROW + sum(each.stored for each in sample.attributes)
        shapes = 0 if all(row.is_point for row in sample.rows) else _DISK_OF_SHAPE
        return self.rows * (stored + shapes) + self.vertex_bytes


def _bands(sample: Sample, grid: Grid, seen: Mapping[int, Estimate], last: int, allowance: Allowance) -> list[_Kept]:
    """For each zoom up to the last one, from there on, the finest cells with which no tile holds more than it may."""
    found: list[_Kept] = []
    for zoom in sorted((zoom for zoom in seen if zoom <= last), reverse=True):
        least = 1 if not found else coarser(found[-1].plan.small_pixels, found[-1].plan.pixel / pixel(grid, zoom))
        for size in [size for size in SIZES if size >= least] or SIZES[-1:]:
            kept = _kept(sample, grid, BandPlan(zoom, pixel(grid, zoom), size, max(CELL_PIXELS, size)), allowance)
            if allowance.holds(kept.features, kept.bytes):
                break
        found.append(_no_more_than(kept, found))
    return found


def _shared(sample: Sample, grid: Grid, bands: Sequence[_Kept], allowance: Allowance | None) -> list[_Kept]:
    """For each band itself, or the finer one that serves its zoom too: that has few more rows, and its fullest tile of
    this zoom has room for them. Not where shapes are heavy: each zoom simplifies them further.

    Features and bytes are those of the zoom. Without `allowance` tiles are not looked at.
    """
    if any(row.points > _LIGHT_POINTS for row in sample.rows):
        return list(bands)
    found: list[_Kept] = []
    for band in bands:
        finer = found[-1] if found else band
        if 0 < finer.plan.zoom - band.plan.zoom <= SHARED and finer.rows <= band.rows * _NO_MORE_ROWS:
            shown = finer if allowance is None else _kept(sample, grid, finer.plan, allowance, band.plan.zoom)
            if allowance is None or allowance.holds(shown.features, shown.bytes):
                band = replace(finer, features=min(shown.features, finer.rows), bytes=shown.bytes)
        found.append(band)
    return found


def _no_more_than(kept: _Kept, finer: Sequence[_Kept]) -> _Kept:
    """Only what won at the finer zoom is there to compete."""
    return replace(kept, rows=min(kept.rows, finer[-1].rows)) if finer else kept


def _within_disk(sample: Sample, grid: Grid, bands: list[_Kept], allowance: Allowance) -> list[_Kept]:
    """The bands with wider cells where they are largest, until all together take no more disk than they may."""
    row = _DISK_OF_ROW + sum(each.stored for each in sample.attributes)
    most = max(_LITTLE_DISK, _MOST_DISK * max(sample.table_bytes, sample.table_rows * row))
    settled: set[int] = set()
    while True:
        made = {band.plan.zoom: place for place, band in reversed([*enumerate(_shared(sample, grid, bands, None))])}
        if sum(bands[place].disk(sample) for place in made.values()) + sample.blocks_bytes <= most:
            break
        large = [place for place in made.values() if place not in settled and bands[place].disk(sample) > most * _LARGE_PART]
        if not large:
            break
        place = max(large, key=lambda place: bands[place].disk(sample))
        wider = min((_kept(sample, grid, plan, allowance) for plan in _wider(bands[place].plan)), key=lambda kept: kept.disk(sample), default=None)
        if wider is None or wider.disk(sample) > bands[place].disk(sample) * _WORTH_IT:
            settled.add(place)
            continue
        bands[place] = wider
        for after in range(place, len(bands)):
            least = 1 if after == 0 else coarser(bands[after - 1].plan.small_pixels, bands[after - 1].plan.pixel / bands[after].plan.pixel)
            if bands[after].plan.small_pixels < least:
                size = next((size for size in SIZES if size >= least), SIZES[-1])
                plan = replace(bands[after].plan, small_pixels=size, cell_pixels=max(size, bands[after].plan.cell_pixels))
                bands[after] = _kept(sample, grid, plan, allowance)
            bands[after] = _no_more_than(bands[after], bands[:after])
    return bands


def _wider(plan: BandPlan) -> list[BandPlan]:
    """The plan with wider cells, and with more rows that compete for them: what can be seen well never does for disk."""
    found = []
    if plan.cell_pixels < _COARSEST_FOR_DISK:
        found.append(replace(plan, cell_pixels=plan.cell_pixels * 2))
    if plan.small_pixels < _SMALLEST_SEEN_WELL:
        found.append(replace(plan, small_pixels=plan.small_pixels * 2, cell_pixels=max(plan.cell_pixels, plan.small_pixels * 2)))
    return found


def _estimate(sample: Sample, seen: Estimate, band: _Kept, rows_read: float, *, is_finest: bool) -> Estimate:
    seconds = rows_read / _ROWS_READ_PER_S + band.rows / _ROWS_MADE_PER_S + 0.05
    if is_finest:
        seconds += sample.heavy_bytes / _BYTES_CUT_PER_S
    return replace(
        seen, why=seen.why or ("the zoom below has one",), band=band.plan, rows=math.ceil(band.rows),
        disk=math.ceil(band.disk(sample)), seconds=seconds, band_features=math.ceil(band.features), band_bytes=math.ceil(band.bytes),
    )  # fmt: skip


def _kept(sample: Sample, grid: Grid, plan: BandPlan, allowance: Allowance, zoom: int | None = None) -> _Kept:
    """What a band of this plan keeps, in tiles of its own zoom or of a coarser one."""
    matrix = grid.matrices[plan.zoom if zoom is None else zoom]
    small: list[tuple[int, int]] = []
    by_tile: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    large: Counter[tuple[int, int]] = Counter()
    shapes: dict[tuple[int, int], float] = defaultdict(float)
    vertices = 0.0
    for row in sample.rows:
        tile = (math.floor((row.x - matrix.origin_x) / matrix.span_x), math.floor((row.y - matrix.origin_y) / matrix.span_y))
        if row.is_point or row.width < plan.small:
            cell = (math.floor((row.x - matrix.origin_x) / plan.cell), math.floor((row.y - matrix.origin_y) / plan.cell))
            small.append(cell)
            by_tile[tile].append(cell)
        else:
            large[tile] += 1
            shapes[tile] += _drawn(row, plan.pixel)
            vertices += min(row.points, 4 * row.width / plan.pixel) * (_DISK_OF_LINE_VERTEX if row.is_line else _DISK_OF_VERTEX)
    winners = cells(small, sample.factor)
    fullest = max(by_tile.values(), key=len, default=[])
    of_tile = min(cells(fullest, sample.factor), winners, (matrix.span_x / plan.cell) ** 2)
    factor = sample.factor if max(large.values(), default=0) > 1 else 1.0
    rows = sum(large.values()) * sample.factor + winners
    features = min((max(large.values(), default=0) * factor + of_tile) * allowance.area, rows)
    shown = max(shapes.values(), default=0) * factor + of_tile * _TILE_BYTES_OF_SHAPE
    weight = features * sample.attribute_bytes + shown * allowance.area
    return _Kept(plan, rows, sum(large.values()) * sample.factor, vertices * sample.factor, features, weight)


def weighty(sample: Sample, allowance: Allowance) -> tuple[Attribute, ...]:
    """The attributes, the heaviest first, that alone break the budget of a tile as full as it may be: those without which
    the rest would fit."""
    if allowance.bytes == 0 or sample.attribute_bytes * _fullest_possible(sample, allowance) <= allowance.bytes:
        return ()
    named: list[Attribute] = []
    rest = sample.attribute_bytes
    for each in sorted(sample.attributes, key=lambda each: -each.in_tile):
        if rest * _fullest_possible(sample, allowance) <= allowance.bytes:
            break
        named.append(each)
        rest -= each.in_tile
    return tuple(named)


def _fullest_possible(sample: Sample, allowance: Allowance) -> float:
    return min(sample.table_rows, allowance.features)


def total(sample: Sample, expected: Iterable[Estimate]) -> tuple[int, float]:
    """Bytes on disk, and seconds, of all bands and of what is kept to find rows that changed; 0 for no band."""
    found = list(expected)
    kept = sample.blocks_bytes if any(each.band for each in found) else 0
    return math.ceil(sum(each.disk for each in found) + kept), sum(each.seconds for each in found)
