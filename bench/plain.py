"""The plain tile query on a connection of its own: what a simple tile server runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from app.layers.identity import ANONYMOUS
from app.layers.relation import RelationLayer

from .drawing import DrawnTile

_TEXT = (Path(__file__).parent / "plain.sql").read_text()
_ID = "feature id"
"""No column of a layer has this name."""
LIMIT = 10_000
"""Rows, as many as Flagstone's own default: else the two would not encode the same."""


class Plain:
    """The plain statement over one connection, prepared as Flagstone's own."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._texts: dict[str, bytes] = {}

    def read(self, layer: RelationLayer, tile: DrawnTile) -> bytes:
        """The encoded tile."""
        text = self._texts.get(layer.id)
        if text is None:
            text = self._texts[layer.id] = statement(layer).as_bytes(None)
        values = {"name": layer.id, "z": tile.z, "x": tile.x, "y": tile.y, "limit": LIMIT}
        row = self._connection.execute(text, values, prepare=True, binary=True).fetchone()
        return bytes(row[0] or b"") if row else b""


def statement(layer: RelationLayer) -> sql.Composed:
    """The statement for one layer."""
    geometry = sql.Identifier(layer.geometry.name)
    column = sql.SQL("source.{}").format(geometry)
    columns = [sql.SQL(", source.{}").format(sql.Identifier(each.name)) for each in layer.columns]
    feature_id = layer.id_column_for(ANONYMOUS)
    named = sql.Identifier(_ID)
    column_of_id = sql.SQL("") if feature_id is None else sql.SQL(", source.{} AS {}").format(sql.Identifier(feature_id.name), named)
    is_geography = layer.geometry.is_geography
    return sql.SQL(_TEXT).format(
        geometry=geometry,
        geometry_name=sql.Literal(layer.geometry.name),
        source=sql.SQL("{}::geometry").format(column) if is_geography else column,
        columns=sql.SQL("").join(columns),
        id=column_of_id,
        id_name=sql.SQL("") if feature_id is None else sql.SQL(", {}").format(sql.Literal(_ID)),
        relation=sql.Identifier(layer.schema, layer.name),
        indexed=column,
        srid=sql.Literal(layer.geometry.crs.srid),
        cast=sql.SQL("::geography") if is_geography else sql.SQL(""),
    )
