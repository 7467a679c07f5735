"""Values of single parameters, checked: whole numbers, lists of columns, the size and limit of a tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import BadParameter
from ..settings import Settings

Arguments = Mapping[str, Sequence[str]]
"""A query string: each name with all its values."""

KNOWN = frozenset({
    "columns", "properties", "limit", "resolution", "buffer", "clip", "simplify", "sortby", "ids", "bbox", "bbox-crs",
    "datetime", "datetime-column", "geom-column", "filter", "filter-lang", "filter-crs", "collections", "minzoom",
    "maxzoom", "key", "f", "v", "json",
})  # fmt: skip
"""Names that mean something to a tile, to a document about it or to what stands in front: never a column's."""

_SHOWN = 60
"""Characters of a value that a message repeats."""


def shown(text: str) -> str:
    """A client's text as a message repeats it."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def only(arguments: Arguments, name: str) -> str | None:
    """The value of a parameter that has one; repeating it is no fault, contradicting it is."""
    values = arguments.get(name, ())
    if len(set(values)) > 1:
        raise BadParameter(name, f"{name} is given more than once, with different values.")
    return values[0] if values else None


def whole_number(name: str, text: str) -> int:
    """An integer in plain ASCII digits: `int` would also take `1_0`, ` 1`, `+1` and other scripts' digits."""
    digits = text[1:] if text[:1] == "-" else text
    if not (digits.isascii() and digits.isdigit()):
        raise BadParameter(name, f"{name} must be a whole number, not {shown(text)}.")
    if len(digits) <= 18:
        return int(text)
    # Python refuses to read thousands of digits; any of these is outside every range, so its sign and size will do.
    return -(10**18) if text[0] == "-" else 10**18


_YES = frozenset({"true", "t", "yes", "on", "1"})
_NO = frozenset({"false", "f", "no", "off", "0"})


def yes_or_no(name: str, text: str) -> bool:
    """A boolean in the words that PostgreSQL and TOML use, in any case."""
    word = text.lower() if text.isascii() else ""
    if word not in _YES | _NO:
        raise BadParameter(name, f"{name} must be true or false, not {shown(text)}.")
    return word in _YES


def flag(arguments: Arguments, name: str, *, usual: bool) -> bool:
    """A parameter that is true or false."""
    text = only(arguments, name)
    return usual if text is None else yes_or_no(name, text)


def comma_list(name: str, text: str, signs: str = "") -> list[str]:
    """Names between commas; one in double quotes may hold a comma, and a doubled quote stands for one.

    One of `signs` may stand before the name, quoted or not.
    """
    names, current, quoted, position = [], "", False, 0
    while position < len(text):
        character = text[position]
        if quoted and text[position : position + 2] == '""':
            current += '"'
            position += 1
        elif character == '"' and (quoted or not current or (current in signs and len(current) == 1)):
            quoted = not quoted
        elif character == "," and not quoted:
            names.append(current)
            current = ""
        else:
            current += character
        position += 1
    if quoted:
        raise BadParameter(name, f"The quote in {name}={shown(text)} is not closed.")
    return [*names, current]


def resolution(text: str | None, usual: int, settings: Settings) -> int:
    """Units along the tile's edge."""
    if text is None:
        return usual
    value = whole_number("resolution", text)
    if not 1 <= value <= settings.max_tile_extent:
        raise BadParameter("resolution", f"resolution must be 1 to {settings.max_tile_extent}, not {shown(text)}.")
    return value


def buffer(text: str | None, resolution: int, usual: float, settings: Settings) -> int:
    """Units around the tile; `usual` is a part of the tile's edge: a coarser tile gets as many fewer units."""
    most = int(resolution * settings.max_buffer_ratio)
    if text is None:
        return min(int(usual * resolution), most)
    value = whole_number("buffer", text)
    if not 0 <= value <= most:
        raise BadParameter("buffer", f"buffer must be 0 to {most} at resolution {resolution}, not {shown(text)}.")
    return value


def limit(text: str | None, most: int) -> int:
    """Most features of the layer in the tile; above the maximum and -1 mean the maximum."""
    if text is None:
        return most
    value = whole_number("limit", text)
    if value == -1:
        return most
    if value < 1:
        raise BadParameter("limit", f"limit must be 1 or more, or -1 for the most allowed, not {shown(text)}.")
    return min(value, most)
