"""Feature ids by the name of a column, for layers whose rows no key tells apart: views, above all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..layers.layer import Layer, RowLayer

_INTEGERS = frozenset({"int2", "int4", "int8"})


def with_id(layer: Layer, names: Sequence[str]) -> Layer:
    """The layer, with the first of these integer columns that it has as its id where it has no id by itself."""
    if not names or not isinstance(layer, RowLayer) or layer.options.id_column is not None:
        return layer
    columns = {column.name: column for column in layer.columns if column.base_type in _INTEGERS}
    if len(layer.key) == 1 and layer.key[0] in columns:
        return layer
    chosen = next((columns[name] for name in names if name in columns), None)
    return layer if chosen is None else replace(layer, options=replace(layer.options, id_column=chosen))
