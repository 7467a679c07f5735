"""Which rows a request wants beyond its filter: `?column=value`, `ids`, `datetime`, `bbox`.

Each becomes a part of one expression, so that there is one compiler for all of them, and one canonical text in the key.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadParameter
from . import values
from .bbox import box_condition
from .column import Column
from .columns import no_column
from .composite import MemberArguments
from .cql2.kinds import TEXTS, kind_of
from .cql2.tree import Comparison, Expression, Literal, Property, both
from .finished_tiles import no_rows
from .function import TakesArguments
from .identity import Identity
from .instants import Instant, interval
from .layer import Layer, RowLayer
from .member import Member
from .parameters import KNOWN, Arguments, comma_list, only
from .together import asked_together

_IN_ANY_CASE = frozenset({"tilematrixsetid", "minzoom", "maxzoom"})
"""Names that TiMVT takes in any case, and so do documents."""
_MOMENTS = ("timestamptz", "timestamp", "date")


Asked = tuple[tuple[str, Expression], ...]
"""Conditions, each with the parameter that asks for it, by the name that the request writes it with."""


def conditions_of(members: Sequence[Member], given: Sequence[MemberArguments], identity: Identity) -> list[Asked]:
    """For each member what its rows have to fulfil. Where only some members have what a parameter is about, it is
    theirs; where none has, BadParameter."""
    found = [
        asked_together(members, given, names, lambda layers, arguments: read(layers, arguments, identity))  # noqa: B023  # called at once
        for names, read in _READERS
    ]
    conditions: list[Asked] = []
    for place, (member, own) in enumerate(zip(members, given, strict=True)):
        with own.named_as_written():
            asked = column_values(member.layer, own.all, identity)
        others = [(names[0], each[place]) for (names, _), each in zip(_READERS, found, strict=True)]
        asked += [(name, condition) for name, condition in others if condition is not None]
        conditions.append(tuple((own.own.get(name, name), condition) for name, condition in asked))
    return conditions


def column_values(layer: Layer, arguments: Arguments, identity: Identity) -> list[tuple[str, Expression]]:
    """`?column=value`: that each column named so has the value, or one of them where it is repeated.

    Other names are nobody's: columns that this identity may not read are among them.
    """
    columns = {column.name: column for column in layer.columns_for(identity)}
    if isinstance(layer, TakesArguments):
        for argument in layer.arguments:
            columns.pop(argument.name, None)  # what a function is called with is no filter of its rows
    asked = sorted(name for name in arguments if name in columns and not is_known(name))
    return [(name, values.equals(name, columns[name], arguments[name])) for name in asked]


def is_known(name: str) -> bool:
    """Whether it is a parameter's name, which wins over a column of that name."""
    return name in KNOWN or name.lower() in _IN_ANY_CASE


def ids(layers: Sequence[Layer], arguments: Arguments, identity: Identity) -> list[Expression | None]:
    """`ids`: for each layer that the column that tells its rows apart has one of these values."""
    text = ",".join(arguments.get("ids", ()))
    if not text:
        return [None] * len(layers)
    _refuse_finished("ids", layers)
    columns = [layer.row_id_for(identity) if isinstance(layer, RowLayer) else None for layer in layers]
    if not any(columns):
        raise BadParameter("ids", f"{_named(layers)} no single column that tells rows apart, so ids cannot be used.")
    wanted = comma_list("ids", text)
    return [None if column is None else values.equals("ids", column, _trimmed(column, wanted)) for column in columns]


def _trimmed(column: Column, wanted: list[str]) -> list[str]:
    """Blanks around a number mean nothing; those of a text are its own."""
    return wanted if kind_of(column) in TEXTS else [each.strip(" ") for each in wanted]


def moments(layers: Sequence[Layer], arguments: Arguments, identity: Identity) -> list[Expression | None]:
    """`datetime`: for each layer that its column of dates or times lies in the interval, both ends included."""
    text = only(arguments, "datetime")
    if not text:
        return [None] * len(layers)
    _refuse_finished("datetime", layers)
    begin, end = interval("datetime", text)
    wanted = only(arguments, "datetime-column")
    columns = [_moment_columns(layer, wanted, identity) for layer in layers]
    if not any(columns):
        if wanted:
            raise no_column("datetime-column", wanted, layers, _all_moments(layers, identity), of="of dates or times")
        raise BadParameter("datetime", f"{_named(layers)} no column of dates or times, so datetime cannot be used.")
    return [_within(found[0], begin, end) if found else None for found in columns]


def box(layers: Sequence[Layer], arguments: Arguments, _identity: Identity) -> list[Expression | None]:
    """`bbox`: for each layer that the row's geometry meets the box."""
    text = only(arguments, "bbox")
    if not text:
        return [None] * len(layers)
    _refuse_finished("bbox", layers)
    system = only(arguments, "bbox-crs")
    return [box_condition(layer.geometry, text, system) if isinstance(layer, RowLayer) else None for layer in layers]


def _refuse_finished(name: str, layers: Sequence[Layer]) -> None:
    """BadParameter where none of them has rows."""
    if not any(isinstance(layer, RowLayer) for layer in layers):
        raise no_rows(layers[0], name)


def _moment_columns(layer: Layer, wanted: str | None, identity: Identity) -> list[Column]:
    return [
        column for column in layer.columns_for(identity)
        if column.base_type in _MOMENTS and (not wanted or column.name == wanted)
    ]  # fmt: skip


def _all_moments(layers: Sequence[Layer], identity: Identity) -> list[str]:
    return [column.name for layer in layers for column in _moment_columns(layer, None, identity)]


def _within(column: Column, begin: Instant | None, end: Instant | None) -> Expression | None:
    def compared(operator: str, moment: str) -> Comparison:
        return Comparison(operator, Property(column), Literal(moment, column.base_type))

    return both(
        None if begin is None else compared(">=", values.moment_text(begin.start, column)),
        None if end is None else compared("<=", values.moment_text(end.last, column)),
    )


def _named(layers: Sequence[Layer]) -> str:
    names = ", ".join(layer.id for layer in layers)
    return f"Layer {names} has" if len(layers) == 1 else f"None of {names} has"


_READERS = (
    (("ids",), ids),
    (("datetime", "datetime-column"), moments),
    (("bbox", "bbox-crs"), box),
)
