"""What stands behind FROM where a layer's overview answers: features in pieces become whole again, each once."""

from __future__ import annotations

from psycopg import sql

from ..layers.band_layer import BandLayer, PiecedLayer
from ..layers.overview import key_of, stored_columns
from .identifier import identifier

PIECED = "~pieced"
"""Column that says that a geometry was put together of pieces: it is in the grid's CRS, and as it is to be drawn."""
PIECE_SEARCH = "piece_search"
"""Parameter: the tile's buffered box in the grid's CRS."""


def joined(layer: BandLayer, found: sql.Composable, postgis: sql.Identifier) -> sql.Composed:
    """Features of a band, each put together of those of its pieces that were found: in the CRS in which they were cut,
    so that ST_AsMVTGeom leaves no inner edges."""
    columns = [identifier(column.name) for column in layer.columns]
    columns += [
        identifier(name) for name in layer.key if name not in {column.name for column in layer.columns}
    ]
    once = _once(
        identifier(layer.schema, layer.name),
        columns,
        layer.geometry.name,
        layer.geometry.name,
        layer.key,
        layer.piece,
        found,
        postgis,
    )
    return sql.SQL("({})").format(once)


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
    table: sql.Composable, columns: list[sql.Identifier], geometry: str, served_as: str, key: tuple[str, ...], piece: str,
    found: sql.Composable, postgis: sql.Identifier,
) -> sql.Composed:  # fmt: skip
    keys = sql.SQL(", ").join(sql.SQL("source.{}").format(identifier(name)) for name in key)
    return sql.SQL(
        "SELECT DISTINCT ON ({keys}) {columns}, {s}.ST_Collect(source.{geometry}) OVER (PARTITION BY {keys} ORDER BY source.{piece}"
        " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS {served_as}"
        " FROM {table} AS source WHERE {found} ORDER BY {keys}, source.{piece}"
    ).format(
        keys=keys, columns=sql.SQL(", ").join(sql.SQL("source.{}").format(name) for name in columns), s=postgis, table=table,
        geometry=identifier(geometry), served_as=identifier(served_as), piece=identifier(piece), found=found,
    )  # fmt: skip


def beside_pieces(layer: PiecedLayer, found: sql.Composable, postgis: sql.Identifier) -> sql.Composed:
    """The rows of the table that are not heavy, found as ever, and the heavy ones put together of their pieces."""
    names = stored_columns(layer)
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
        layer.names.geometry,
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
