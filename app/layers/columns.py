"""Which attributes the layers of a tile carry."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadParameter
from .column import Column
from .identity import Identity
from .layer import Layer
from .names import nearest
from .parameters import comma_list, shown


def chosen_columns(layers: Sequence[Layer], asked: str | None, identity: Identity) -> list[tuple[Column, ...]]:
    """For each layer the columns that its tile carries, in the table's order.

    `asked` is a comma-separated list; empty means no attributes. Every name must be a column of at least one layer.
    """
    if asked is None:
        return [layer.columns_for(identity) for layer in layers]
    names = set(comma_list("columns", asked)) if asked else set()
    readable = [layer.columns_for(identity) for layer in layers]
    known = {column.name for columns in readable for column in columns}
    for name in sorted(names - known):
        close = nearest(name, known)
        hint = f" Did you mean {', '.join(close)}?" if close else ""
        raise BadParameter("columns", f"There is no column {shown(name)} in {', '.join(layer.id for layer in layers)}.{hint}")
    return [tuple(column for column in columns if column.name in names) for columns in readable]
