"""Overviews: what the tiles of low zooms need, stored ahead, one band for each zoom of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from .column import Column
from .cql2.tree import both, columns_of
from .tile import PIXELS

if TYPE_CHECKING:
    from .grid import Grid
    from .relation import RelationLayer

CELL_PIXELS = 4
"""Width of a cell in pixels of its zoom. A tile has 128 x 128 of them: the most features that are too small to be seen
as they are."""

SHARED = 2
"""Coarser zooms that a band serves too, where they have none of their own: that would hold the same rows once more."""


@dataclass(frozen=True, slots=True)
class BandNames:
    """Columns that a band has beside the layer's own; none of them is a name that the layer has.

    `geometry` is what is served, in the grid's CRS. `count` is the number of rows that it stands for. `x` and `y` are
    the middle of the row's box, `width` the longer side of that box and `size` the row's area (or length), all of the
    whole geometry in units of the grid's CRS: by them rows compete for cells. `piece` numbers the rows of a feature that
    is stored in pieces, from 1; 0 for all others. Of a piece, and of other polygons with more than a few vertices, `geometry` is
    a line across the box, and `shape` what is served, packed on a `Lattice`. `whole` is the feature in one, packed too,
    beside the first of several pieces.
    """

    geometry: str
    count: str
    x: str
    y: str
    width: str
    size: str
    piece: str
    whole: str
    shape: str

    @classmethod
    def beside(cls, names: Iterable[str]) -> BandNames:
        taken = set(names)

        def free(name: str) -> str:
            while name in taken:
                name += "_"
            return name

        return cls(
            free("~geometry"), free("feature_count"), free("~x"), free("~y"), free("~width"), free("~size"), free("~piece"),
            free("~whole"), free("~shape"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class BandPlan:
    """How one band is made. `pixel` is in units of the grid's CRS.

    What is narrower than `small_pixels` competes for a cell of `cell_pixels`; everything else is drawn as it is.
    """

    zoom: int
    pixel: float
    small_pixels: int = 1
    cell_pixels: int = CELL_PIXELS

    @property
    def cell(self) -> float:
        """Width of a cell in units of the grid's CRS."""
        return self.pixel * self.cell_pixels

    @property
    def small(self) -> float:
        """Width below which a row competes, in units of the grid's CRS."""
        return self.pixel * self.small_pixels


@dataclass(frozen=True, slots=True)
class Band:
    """A band in the database: its table in schema `flagstone`, and whether some features are several rows of it, or packed."""

    plan: BandPlan
    table: str
    oid: int
    in_pieces: bool
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """The bands of a layer in one grid.

    `definition` is that of the layer that it was built for. `build` names the build, and changes with each refresh: it is part of the key of cached tiles. `pieces` is the table
    of heavy polygons in pieces, for zooms above the bands. `single_rows` says that the bands hold every row, as those of
    tables with row security do: cells and counts would tell of rows that not everybody may see. `readers` are as the
    layer's.
    """

    id: int
    grid: str
    grid_key: str
    definition: str
    build: str
    bands: Mapping[int, Band]
    pieces: Band | None = None
    single_rows: bool = False
    readers: Mapping[str, frozenset[str] | None] = field(default_factory=dict)

    def band_for(self, zoom: int) -> Band | None:
        """The band whose rows a tile of this zoom shows: its own, or one that is a little finer."""
        fine_enough = [each for each in self.bands if zoom <= each <= zoom + SHARED]
        return self.bands[min(fine_enough)] if fine_enough else None

    def __hash__(self) -> int:
        return hash((self.id, self.build))


def pixel(grid: Grid, zoom: int) -> float:
    """Width of a pixel of this zoom in units of the grid's CRS: 1/512 of a tile."""
    return grid.matrices[zoom].span_x / PIXELS


class Lattice(NamedTuple):
    """Where packed geometries have their vertices: whole numbers of `step` from (x, y), in units of the grid's CRS.

    As the differences of whole numbers (TWKB) a vertex of a coast takes 3 to 5 bytes. As PostGIS stores it, it takes 16,
    which PostgreSQL's own compression leaves nearly as they are.
    """

    x: float
    y: float
    step: float

    @classmethod
    def of_band(cls, grid: Grid, plan: BandPlan) -> Lattice:
        """Of a band: each point of the lattice that its vertices lie on is one of this lattice too, as the same numbers."""
        origin = grid.matrices[grid.minzoom]
        return cls(origin.origin_x, origin.origin_y, plan.pixel / 32)

    @classmethod
    def of_pieces(cls, grid: Grid) -> Lattice:
        """Of the pieces above all bands: a quarter of a pixel of the finest zoom that there is, a millimetre."""
        origin = grid.matrices[grid.minzoom]
        return cls(origin.origin_x, origin.origin_y, pixel(grid, max(grid.matrices)) / 4)


def key_of(layer: RelationLayer) -> tuple[str, ...]:
    """The columns that tell rows of the layer apart: its key, or else the column that gives its ids; () for none.

    A key that may be NULL (of a materialized view) goes behind that column. Neither is sure then: who builds looks at it.
    """
    chosen = layer.options.id_column
    if layer.key and (layer.key_is_never_null or chosen is None):
        return layer.key
    return () if chosen is None else (chosen.name,)


def stored_columns(layer: RelationLayer) -> tuple[str, ...]:
    """The layer's columns that a band has: those that are served, its key, its rank and its ids."""
    chosen = layer.options.id_column
    names = [column.name for column in layer.columns]
    further = [*key_of(layer), *(key.column.name for key in layer.options.rank), *([] if chosen is None else [chosen.name])]
    return (*names, *dict.fromkeys(name for name in further if name not in names))


def merged_by(layer: RelationLayer) -> tuple[str, ...]:
    """The columns by whose values lines are merged; none where rows are secured: each is there by itself then."""
    return () if has_row_security(layer) else tuple(column.name for column in layer.options.overview_merge)


def told_by(layer: RelationLayer) -> frozenset[str]:
    """The columns of which a band tells by which rows are in it, or which of them won: who may not read these must not read it."""
    rank = {key.column.name for key in layer.options.rank}
    return columns_of(layer.options.filter) | rank | frozenset(merged_by(layer))


def with_filters(layer: RelationLayer) -> tuple[RelationLayer, ...]:
    """What overviews are built of: the layer, and the layer with each further condition that has one of its own."""
    options = layer.options
    return (layer, *(
        replace(layer, options=replace(options, filter=both(options.filter, each.condition), overview_filter=each))
        for each in options.overview_filters
    ))  # fmt: skip


def variant(layer: RelationLayer) -> str:
    """Which of these a layer is: empty for the layer itself, else a digest of the further condition."""
    chosen = layer.options.overview_filter
    return "" if chosen is None else blake2b(repr(chosen.condition).encode(), digest_size=16).hexdigest()


def named(layer: RelationLayer) -> str:
    """The layer's id for people, with the further condition of its overview."""
    chosen = layer.options.overview_filter
    return layer.id if chosen is None else f"{layer.id} where {chosen.text}"


def count_column(names: BandNames) -> Column:
    """The number of rows that a feature stands for, as an attribute."""
    return Column(names.count, "bigint", "int8", "N", "Number of rows that this feature stands for at this zoom.")


def has_row_security(layer: RelationLayer) -> bool:
    """Whether which of its rows somebody sees depends on who asks, as far as its table says so."""
    return layer.kind in "rp" and bool(layer.definition)
