"""Where the rows of a layer come from: what stands behind FROM in its tile query."""

from __future__ import annotations

from psycopg import sql

from ..layers.layer import RowLayer
from ..layers.relation import RelationLayer
from .identifier import identifier


def rows_of(layer: RowLayer) -> sql.Composable:
    """The relation of a layer; TypeError for a kind of layer that nobody taught it."""
    if isinstance(layer, RelationLayer):
        return identifier(layer.schema, layer.name)
    raise TypeError(f"{type(layer).__name__} has no rows")
