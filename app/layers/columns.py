"""Which attributes the layers of a tile carry."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..errors import BadParameter
from .column import Column
from .identity import Identity
from .layer import Layer
from .names import nearest
from .parameters import Arguments, comma_list, shown

_NAMES = ("columns", "properties")
"""TiMVT's name, and that of pg_tileserv and tipg, for the same list."""


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
    of at least one layer.
    """
    readable = [layer.columns_for(identity) for layer in layers]
    if asked is None:
        return readable
    parameter, text = asked
    known = {column.name for columns in readable for column in columns}
    names = {known_name(name, known) for name in _names(parameter, [text])}
    for name in sorted(names - known):
        raise no_column(parameter, name, layers, known)
    return [tuple(column for column in columns if column.name in names) for columns in readable]


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
