"""What stands behind FROM where a layer's overview answers: features in pieces become whole again, each once."""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from ..layers.band_layer import BandLayer, PiecedLayer
from ..layers.overview import key_of
from .identifier import identifier
from .packed_sql import unpacked

PIECED = "~pieced"
"""Column that says that a geometry was put together of pieces: it is in the grid's CRS, and as it is to be drawn."""
PIECE_SEARCH = "piece_search"
"""Parameter: the tile's buffered box in the grid's CRS."""


def joined(
    layer: BandLayer, names: Collection[str], found: sql.Composable, postgis: sql.Identifier
) -> sql.Composed:
    """Features of a band, each put together of those of its pieces that were found: in the CRS in which they were cut,
    so that ST_AsMVTGeom leaves no inner edges. `names` are the columns that are asked for: a role need not read others."""
    totals = [name for each in layer.summed if each.mean in names or each.total in names for name in (each.total, each.rows)]
    dot = () if layer.dot is None else (layer.dot.x, layer.dot.y, layer.dot.width)
    columns = [identifier(name) for name in dict.fromkeys((*names, *totals, *dot))]
    source = sql.SQL("source.{}")
    piece, stored = source.format(identifier(layer.piece)), source.format(identifier(layer.geometry.name))
    shape = source.format(identifier(layer.shape))
    geometry = unpacked(shape, layer.lattice, layer.geometry.crs.srid, postgis)
    table = identifier(layer.schema, layer.name)
    once = _once(
        table, columns, geometry, layer.geometry.name, layer.key, layer.piece,
        sql.SQL("{} AND {} > 0").format(found, piece), postgis,
    )  # fmt: skip
    # Most features are one row: to sort these with the pieces took longer than to look twice.
    return sql.SQL(
        "(SELECT {columns}, CASE WHEN {shape} IS NULL THEN {stored} ELSE {geometry} END AS {served_as}"
        " FROM {table} AS source WHERE {found} AND {piece} = 0 UNION ALL ({once}))"
    ).format(
        columns=sql.SQL(", ").join(source.format(name) for name in columns), shape=shape, stored=stored, geometry=geometry,
        served_as=identifier(layer.geometry.name), table=table, found=found, piece=piece, once=once,
    )  # fmt: skip


def added_up(layer: BandLayer) -> dict[str, sql.Composable]:
    """Where a tile of a band shows one feature of each cell after all: what the others stood for goes over to it.

    Columns by their names, over `source` and its `cell`.
    """

    def whole(column: str) -> sql.Composed:
        return sql.SQL(
            "(CASE WHEN cell.small THEN pg_catalog.sum(source.{0}) OVER (PARTITION BY cell.x, cell.y, cell.small) ELSE source.{0} END)"
        ).format(identifier(column))

    found: dict[str, sql.Composable] = {}
    if layer.counted:
        found[layer.counted] = sql.SQL("{}::pg_catalog.int8").format(whole(layer.counted))
    for each in layer.summed:
        found[each.total] = whole(each.total)
        if each.mean is not None:
            found[each.mean] = sql.SQL("({} / NULLIF({}, 0))::pg_catalog.float8").format(
                whole(each.total), whole(each.rows)
            )
    return found


def _once(
    table: sql.Composable, columns: list[sql.Identifier], geometry: sql.Composable, served_as: str, key: tuple[str, ...], piece: str,
    found: sql.Composable, postgis: sql.Identifier,
) -> sql.Composed:  # fmt: skip
    keys = sql.SQL(", ").join(sql.SQL("source.{}").format(identifier(name)) for name in key)
    return sql.SQL(
        "SELECT DISTINCT ON ({keys}) {columns}, {s}.ST_Collect({geometry}) OVER (PARTITION BY {keys} ORDER BY source.{piece}"
        " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS {served_as}"
        " FROM {table} AS source WHERE {found} ORDER BY {keys}, source.{piece}"
    ).format(
        keys=keys, columns=sql.SQL(", ").join(sql.SQL("source.{}").format(name) for name in columns), s=postgis, table=table,
        geometry=geometry, served_as=identifier(served_as), piece=identifier(piece), found=found,
    )  # fmt: skip


def beside_pieces(
    layer: PiecedLayer, names: Collection[str], found: sql.Composable, postgis: sql.Identifier
) -> sql.Composed:
    """The rows of the table that are not heavy, found as ever, and the heavy ones put together of their pieces. `names` are
    the columns that are asked for."""
    columns = [identifier(name) for name in names]
    pieces = identifier("flagstone", layer.pieces.table)
    same = sql.SQL(" AND ").join(
        sql.SQL("piece.{0} OPERATOR(pg_catalog.=) source.{0}").format(identifier(name))
        for name in key_of(layer)
    )
    box = sql.SQL("source.{} OPERATOR({}.&&) {}::{}.geometry").format(
        identifier(layer.names.geometry), postgis, sql.Placeholder(PIECE_SEARCH), postgis
    )
    heavy = _once(
        pieces,
        columns,
        unpacked(sql.SQL("source.{}").format(identifier(layer.names.shape)), layer.lattice, layer.grid_srid, postgis),
        layer.geometry.name,
        key_of(layer),
        layer.names.piece,
        box,
        postgis,
    )
    return sql.SQL(
        "(SELECT {columns}, source.{geometry}, false AS {pieced} FROM {table} AS source"
        " WHERE {found} AND NOT EXISTS (SELECT FROM {pieces} AS piece WHERE {same})"
        " UNION ALL SELECT {plain}, heavy.{geometry}, true FROM ({heavy}) AS heavy)"
    ).format(
        columns=sql.SQL(", ").join(sql.SQL("source.{}").format(name) for name in columns),
        plain=sql.SQL(", ").join(sql.SQL("heavy.{}").format(name) for name in columns),
        geometry=identifier(layer.geometry.name), pieced=identifier(PIECED), table=identifier(layer.schema, layer.name),
        found=found, pieces=pieces, same=same, heavy=heavy,
    )  # fmt: skip
