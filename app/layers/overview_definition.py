"""Whether bands still are those of their layer."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from .overview import has_row_security, key_of, merged_by
from .totals import totals

if TYPE_CHECKING:
    from .relation import RelationLayer

VERSION = 3
"""Raised whenever the same rows give other bands: those of an older version are not served any more."""


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
            rank, chosen, [(each.total, each.rows, each.mean) for each in totals(layer)], secured or layer.definition,
            merged_by(layer))  # fmt: skip
    return blake2b(repr(said).encode(), digest_size=16).hexdigest()
