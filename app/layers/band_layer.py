"""A layer as its overview holds it: the band of a zoom in place of the table, or heavy polygons in pieces beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .cql2.tree import columns_of
from .crs import Crs
from .layer import POINTS, GeometryColumn
from .overview import (
    Band,
    BandNames,
    BandPlan,
    Lattice,
    Overview,
    count_column,
    key_of,
    merged_by,
    pixel,
    stored_columns,
)
from .relation import RelationLayer
from .request import LayerRequest
from .single_rows import single_row_band
from .totals import Total, totals

_MOST_FEATURES = 100_000
"""Features of a band's tile: several times the number of its cells."""


@dataclass(frozen=True, slots=True)
class Dot:
    """The columns of a band by which an area below a pixel is drawn: its middle, its width; and a pixel, in units of the
    grid's CRS."""

    x: str
    y: str
    width: str
    pixel: float


@dataclass(frozen=True, kw_only=True)
class BandLayer(RelationLayer):
    """The rows of one band: at one zoom they are the layer. Where `in_pieces` shapes of some are packed, and `piece` numbers
    those of one feature.

    `single_rows` is its plan where it holds every row of the layer, each once.
    """

    in_pieces: bool
    piece: str
    shape: str
    """The column with what is served of a piece, packed on `lattice`."""
    lattice: Lattice
    counted: str = ""
    """The column with the number of rows that a row stands for; empty where each stands for itself."""
    summed: tuple[Total, ...] = ()
    dot: Dot | None = None
    """How areas below a pixel are drawn; None where none are, or where it takes more than that."""
    single_rows: BandPlan | None = None

    def _definition(self) -> tuple[object, ...]:
        """With all that the text of a statement is made of: a refresh changes a band, and not its table's number."""
        return (*super()._definition(), self.schema, self.name, *(getattr(self, name) for name in _OF_BAND))


@dataclass(frozen=True, kw_only=True)
class PiecedLayer(RelationLayer):
    """A layer whose heavy polygons lie in `pieces`, in the grid's CRS: what they hold is not read from its own table."""

    pieces: Band
    names: BandNames
    lattice: Lattice
    grid_srid: int

    def _definition(self) -> tuple[object, ...]:
        return (*super()._definition(), self.pieces.oid, self.pieces.table, self.names, self.lattice, self.grid_srid)


_OF_BAND = tuple(name for name in BandLayer.__dataclass_fields__ if name not in RelationLayer.__dataclass_fields__)


def stored(request: LayerRequest, zoom: int, grid_srid: int) -> LayerRequest:
    """The request as the layer's overview answers it at a zoom; the request itself where it cannot.

    It cannot where the request chooses rows or their order by itself: cells have their winners by the layer's own filter
    and rank. `grid_srid` is the database's number of the grid's CRS.
    """
    layer = request.layer
    if not isinstance(layer, RelationLayer) or not layer.overviews:
        return request
    overview = layer.filtered_overview(request.grid.key, request.filter)
    if overview is None or not _as_built(request, layer) or not _may_read(request, layer, overview):
        return request
    if overview.single_rows:
        single = single_row_band(layer, overview, zoom)
        return request if single is None else _of_single_rows(request, layer, overview, single, zoom, grid_srid)
    band = overview.band_for(zoom)
    if band is not None:
        return _of_band(request, layer, overview, band, zoom, grid_srid)
    if overview.pieces is not None and (not overview.bands or zoom > max(overview.bands)):
        return _beside_pieces(request, layer, overview.pieces, grid_srid)
    return request


def _as_built(request: LayerRequest, layer: RelationLayer) -> bool:
    return request.order == layer.options.rank and request.clip and request.simplify


def _may_read(request: LayerRequest, layer: RelationLayer, overview: Overview) -> bool:
    role = request.identity.role or layer.login
    if role not in overview.readers:
        return False
    # Lines that are one tell that they have equal values.
    needed = {*(column.name for column in request.columns), *key_of(layer), *merged_by(layer)}
    # The key is read in the table itself too, where a policy of the band looks for the row.
    of_table, of_bands = layer.readers[role], overview.readers[role]
    if of_table is not None and not of_table >= needed | columns_of(request.filter):
        return False
    return of_bands is None or of_bands >= needed | _added(request, layer, overview)


def _added(request: LayerRequest, layer: RelationLayer, overview: Overview) -> set[str]:
    """What tiles read of its tables beside the layer's own columns."""
    names = BandNames.beside(stored_columns(layer))
    added = {names.geometry, names.piece}
    if overview.bands:
        added |= {names.count, names.x, names.y, names.width}
    if overview.pieces is not None or any(band.in_pieces for band in overview.bands.values()):
        added.add(names.shape)
    asked = {column.name for column in request.columns}
    for each in totals(layer):
        if each.column.name in asked:
            added |= {each.total, each.rows, *(column.name for column in each.served)}
    return added


def _of_band(
    request: LayerRequest, layer: RelationLayer, overview: Overview, band: Band, zoom: int, grid_srid: int
) -> LayerRequest:
    made = _band_layer(request, layer, overview, band, grid_srid)
    count = count_column(BandNames.beside(stored_columns(layer)))
    added = totals(layer)
    made = replace(made, counted=count.name, summed=added)
    summed = {each.column.name: each.served for each in added}
    if made.geometry.type == "MULTIPOLYGON":
        names = BandNames.beside(stored_columns(layer))
        below = band.plan.pixel if zoom == band.plan.zoom else pixel(request.grid, zoom)
        made = replace(made, dot=Dot(names.x, names.y, names.width, below))
    made = replace(made, columns=(*layer.columns, count, *(column for each in summed.values() for column in each)))
    columns = (*request.columns, count) if request.count_name == count.name else request.columns
    columns += tuple(column for asked in request.columns for column in summed.get(asked.name, ()))
    # Its cells bound a tile of a band. The server's own limit would cut it where its neighbours are whole.
    limit = request.limit if request.limit_is_asked else max(request.limit, _MOST_FEATURES)
    # It is simplified already, so that neighbours meet: each simplified by itself would leave gaps.
    return replace(request, layer=made, columns=columns, filter=None, limit=limit, simplify=False)


def _of_single_rows(
    request: LayerRequest, layer: RelationLayer, overview: Overview, band: Band, zoom: int, grid_srid: int
) -> LayerRequest:
    """Nothing bounds a tile of such a band but the choice that is made when it is asked for."""
    made = _band_layer(request, layer, overview, band, grid_srid)
    made = replace(made, has_ctid=True, single_rows=band.plan)
    # At its own zoom it is simplified already; it serves coarser ones too.
    return replace(request, layer=made, filter=None, simplify=zoom < band.plan.zoom)


def _band_layer(
    request: LayerRequest, layer: RelationLayer, overview: Overview, band: Band, grid_srid: int
) -> BandLayer:
    names = BandNames.beside(stored_columns(layer))
    return BandLayer(
        id=layer.id, schema="flagstone", name=band.table, oid=band.oid, kind="r", login=layer.login,
        geometry=GeometryColumn(names.geometry, _kind(layer), Crs(grid_srid, request.grid.crs.definition)),
        columns=layer.columns, key=key_of(layer), readers=dict(overview.readers),
        options=replace(layer.options, filter=None), estimated_rows=band.rows, in_pieces=band.in_pieces, piece=names.piece,
        shape=names.shape, lattice=Lattice.of_band(request.grid, band.plan),
        # A policy may call anything; so may a type that is written as text.
        runs_code=layer.runs_code,
    )  # fmt: skip


def _kind(layer: RelationLayer) -> str:
    """The type of a band's geometries: several parts, as what a tile shows of them may be."""
    kind = layer.geometry.type
    if kind in POINTS:
        return kind
    if kind in ("LINESTRING", "MULTILINESTRING", "CIRCULARSTRING", "COMPOUNDCURVE", "MULTICURVE"):
        return "MULTILINESTRING"
    return "GEOMETRYCOLLECTION" if kind in ("GEOMETRY", "GEOMETRYCOLLECTION") else "MULTIPOLYGON"


def _beside_pieces(request: LayerRequest, layer: RelationLayer, pieces: Band, grid_srid: int) -> LayerRequest:
    values = {name: getattr(layer, name) for name in RelationLayer.__dataclass_fields__}
    # Its rows are those of a query, which have no place of their own.
    values |= {"key": key_of(layer), "has_ctid": False}
    names, lattice = BandNames.beside(stored_columns(layer)), Lattice.of_pieces(request.grid)
    made = PiecedLayer(**values, pieces=pieces, names=names, lattice=lattice, grid_srid=grid_srid)
    return replace(request, layer=made)
