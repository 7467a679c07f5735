"""In which type attributes are served, where there is a choice: settings, then the layer's options, then the request."""

from __future__ import annotations

from dataclasses import replace

from ..errors import BadParameter
from ..settings import Settings
from .column import Cast, Column
from .options import LayerOptions
from .parameters import Arguments, only, shown


def served(
    columns: tuple[Column, ...], options: LayerOptions, settings: Settings, arguments: Arguments | None = None
) -> tuple[Column, ...]:
    """The columns with the casts that were chosen for them.

    `numeric` is a double or text; objects (json, jsonb, hstore, composite types) are text or their keys are attributes.
    """
    numeric_as = options.numeric_as or settings.numeric_as
    json_as = _asked(arguments) or options.json_as or settings.json_as
    if numeric_as == "double" and json_as == "text":
        return columns
    return tuple(_with_cast(column, numeric_as, json_as) for column in columns)


def _asked(arguments: Arguments | None) -> str | None:
    text = None if arguments is None else only(arguments, "json")
    if text is not None and text not in ("text", "open"):
        raise BadParameter("json", f"json must be text or open, not {shown(text)}.")
    return text


def _with_cast(column: Column, numeric_as: str, json_as: str) -> Column:
    if numeric_as == "text" and column.base_type == "numeric":
        return replace(column, configured=Cast.TEXT)
    if json_as == "open" and column.may_be_object:
        return replace(column, configured=Cast.OPEN)
    return column
