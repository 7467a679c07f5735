"""Which attributes the layers of a tile carry."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..errors import BadParameter
from .column import Column
from .identity import Identity
from .layer import Layer, RowLayer
from .names import nearest
from .parameters import Arguments, comma_list, shown

_NAMES = ("columns", "properties")
"""TiMVT's name, and that of pg_tileserv and tipg, for the same list."""
COUNT = "feature_count"
"""The attribute of a feature that stands for several rows: how many. Not where the layer has a column of this name."""


def asked_columns(arguments: Arguments) -> tuple[str, str] | None:
    """The list of columns and the name it was given under; None where the request leaves it open."""
    given = [(name, set(_names(name, arguments[name]))) for name in _NAMES if name in arguments]
    if not given:
        return None
    if len(given) == 2 and given[0][1] != given[1][1]:
        raise BadParameter("properties", "columns and properties are the same parameter, and name different columns.")
    return given[0][0], ",".join(arguments[given[0][0]])


def chosen_columns(
    layers: Sequence[Layer], asked: tuple[str, str] | None, identity: Identity
) -> list[tuple[Column, ...]]:
    """For each layer the columns that its tile carries, in the table's order.

    `asked` is a parameter with its comma-separated list; an empty one means no attributes. Every name must be a column
    of at least one layer; to layers that return finished tiles alone they mean nothing.
    """
    readable = [layer.columns_for(identity) for layer in layers]
    if asked is None or not any(isinstance(layer, RowLayer) for layer in layers):
        return readable
    parameter, text = asked
    known = {column.name for columns in readable for column in columns}
    if any(has_count(layer) for layer in layers):
        known.add(COUNT)
    names = {known_name(name, known) for name in _names(parameter, [text])}
    for name in sorted(names - known):
        raise no_column(parameter, name, layers, known)
    return [tuple(column for column in columns if column.name in names) for columns in readable]


def has_count(layer: Layer) -> bool:
    """Whether a feature of the layer may carry the number of rows that it stands for."""
    return isinstance(layer, RowLayer) and all(column.name != COUNT for column in layer.columns)


def counts(arguments: Arguments) -> bool:
    """Whether the attributes that a request wants are all there are, or this number among them."""
    asked = asked_columns(arguments)
    return asked is None or COUNT in {name.strip(" ") for name in _names(asked[0], [asked[1]])}


def known_name(name: str, known: Collection[str]) -> str:
    """The name as the table has it: blanks around it do not count, unless they are its own."""
    return name if name in known else name.strip(" ")


def no_column(
    parameter: str, name: str, layers: Sequence[Layer], known: Collection[str], *, of: str = ""
) -> BadParameter:
    """What is said where no layer has the column that a parameter names, or none `of` the kind that it needs."""
    close = nearest(name, known)
    hint = f" Did you mean {', '.join(close)}?" if close else ""
    return BadParameter(parameter, f"There is no column{of and f' {of}'} {shown(name)} in {', '.join(layer.id for layer in layers)}.{hint}")


def _names(parameter: str, values: Sequence[str]) -> list[str]:
    text = ",".join(values)
    return comma_list(parameter, text) if text else []
