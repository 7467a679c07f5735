"""Overviews: what the tiles of low zooms need, stored ahead, one band for each zoom of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from .column import Column
from .tile import PIXELS

if TYPE_CHECKING:
    from .grid import Grid
    from .relation import RelationLayer

VERSION = 1
"""Raised whenever the same rows give other bands: those of an older version are not served any more."""

CELL_PIXELS = 4
"""Width of a cell in pixels of its zoom. A tile has 128 x 128 of them: the most features that are too small to be seen
as they are."""


@dataclass(frozen=True, slots=True)
class BandNames:
    """Columns that a band has beside the layer's own; none of them is a name that the layer has.

    `geometry` is what is served, in the grid's CRS. `count` is the number of rows that it stands for. `x` and `y` are
    the middle of the row's box, `width` the longer side of that box and `size` the row's area (or length), all of the
    whole geometry in units of the grid's CRS: by them rows compete for cells. `piece` numbers the rows of a feature that
    is stored in pieces, from 1, and `whole` is such a feature in one, beside its first piece; 0 and NULL for all others.
    """

    geometry: str
    count: str
    x: str
    y: str
    width: str
    size: str
    piece: str
    whole: str

    @classmethod
    def beside(cls, names: Iterable[str]) -> BandNames:
        taken = set(names)

        def free(name: str) -> str:
            while name in taken:
                name += "_"
            return name

        return cls(
            free("~geometry"), free("feature_count"), free("~x"), free("~y"), free("~width"), free("~size"), free("~piece"),
            free("~whole"),
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
    """A band in the database: its table in schema `flagstone`, and whether some features are several rows of it."""

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

    def __hash__(self) -> int:
        return hash((self.id, self.build))


def pixel(grid: Grid, zoom: int) -> float:
    """Width of a pixel of this zoom in units of the grid's CRS: 1/512 of a tile."""
    return grid.matrices[zoom].span_x / PIXELS


def key_of(layer: RelationLayer) -> tuple[str, ...]:
    """The columns that tell rows of the layer apart: its key, or else the column that gives its ids; () for none."""
    if layer.key and layer.key_is_never_null:
        return layer.key
    return layer.key or ((layer.options.id_column.name,) if layer.options.id_column else ())


def stored_columns(layer: RelationLayer) -> tuple[str, ...]:
    """The layer's columns that a band has: those that are served, its key, its rank and its ids."""
    chosen = layer.options.id_column
    names = [column.name for column in layer.columns]
    further = [*key_of(layer), *(key.column.name for key in layer.options.rank), *([] if chosen is None else [chosen.name])]
    return (*names, *dict.fromkeys(name for name in further if name not in names))


@dataclass(frozen=True, slots=True)
class Total:
    """A number of the layer that is added up over the rows that a feature stands for: in `total`, of the `rows` in which
    it is not NULL, with its `mean` where that is wanted. `is_sum` says whether the total is served."""

    column: Column
    total: str
    rows: str
    mean: str | None
    is_sum: bool

    @property
    def served(self) -> tuple[Column, ...]:
        """Its attributes."""
        name = self.column.name
        made = [Column(self.total, "numeric", "numeric", "N", f"Sum of {name} over the rows that this feature stands for.")] if self.is_sum else []
        if self.mean is not None:
            made.append(Column(self.mean, "double precision", "float8", "N", f"Mean of {name} over the rows that this feature stands for."))
        return tuple(made)


def totals(layer: RelationLayer) -> tuple[Total, ...]:
    """What is added up; nothing where rows are secured: a sum tells of rows that not everybody may see."""
    options = layer.options
    if has_row_security(layer):
        return ()
    stored = stored_columns(layer)
    names = BandNames.beside(stored)
    taken = {*stored, *(getattr(names, each) for each in BandNames.__dataclass_fields__)}

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    return tuple(
        Total(
            column, free(f"{column.name}_sum" if column in options.overview_sum else f"~{column.name} total"),
            free(f"~{column.name} rows"), free(f"{column.name}_mean") if column in options.overview_mean else None,
            column in options.overview_sum,
        )
        for column in dict.fromkeys((*options.overview_sum, *options.overview_mean))
    )  # fmt: skip


def count_column(names: BandNames) -> Column:
    """The number of rows that a feature stands for, as an attribute."""
    return Column(names.count, "bigint", "int8", "N", "Number of rows that this feature stands for at this zoom.")


def has_row_security(layer: RelationLayer) -> bool:
    """Whether which of its rows somebody sees depends on who asks, as far as its table says so."""
    return layer.kind in "rp" and bool(layer.definition)


def definition(layer: RelationLayer, grid_key: str) -> str:
    """A digest of all that decides what the layer's bands hold, but for its rows.

    What a policy says is asked at each reading; that there is one is not.
    """
    columns = sorted((column.name, column.type) for column in layer.columns)
    secured = has_row_security(layer)
    # By name: a description may change.
    rank = [(key.column.name, key.descending) for key in layer.options.rank]
    chosen = None if layer.options.id_column is None else layer.options.id_column.name
    said = (VERSION, grid_key, layer.oid, layer.kind, layer.geometry, columns, key_of(layer), layer.options.filter,
            rank, chosen, [(each.total, each.rows, each.mean) for each in totals(layer)], secured or layer.definition)  # fmt: skip
    return blake2b(repr(said).encode(), digest_size=16).hexdigest()
