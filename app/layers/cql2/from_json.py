"""CQL2 JSON to syntax. Places are paths in the document, as `$.args[1]`."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple, NoReturn

from ..parameters import shown
from .syntax import (
    DEEPEST,
    Coordinates,
    FilterError,
    Name,
    Number,
    Shape,
    Syntax,
    Word,
    call,
    checked_length,
    checked_text,
    items,
    negative,
    number,
)

_MOST_NESTED = 4 * DEEPEST
_GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)


class _Written(NamedTuple):
    """A number as it was written."""

    text: str


def read(text: str) -> Syntax:
    """What the document says; FilterError with the path, or where it is no JSON the character, that is at fault."""
    checked_length(text)
    try:
        found = json.loads(text, parse_int=_Written, parse_float=_Written, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise FilterError(f"character {error.pos + 1}", "this is not JSON.") from None
    except RecursionError:
        raise FilterError("$", f"brackets stand in one another more than {_MOST_NESTED} deep.") from None
    return _Reader().read(found, "$", 0)


def _no_number(word: str) -> NoReturn:
    raise FilterError("$", f"{word} is no number that can be compared with.")


class _Reader:
    def read(self, found: Any, place: str, level: int) -> Syntax:
        """The syntax of one value, and of those in it."""
        if level > _MOST_NESTED:
            raise FilterError("$", f"brackets stand in one another more than {_MOST_NESTED} deep.")
        match found:
            case bool():
                return Word(place, found)
            case _Written(text):
                return number(place, text)
            case str():
                return Word(place, checked_text(place, found))
            case None:
                raise FilterError(place, "nothing compares with null; the operator isNull asks for it.")
            case list():
                return items(place, *self._all(found, place, level))
            case dict():
                return self._object(found, place, level)
        raise FilterError(place, f"{shown(str(found))} cannot stand here.")

    def _all(self, found: list[Any], place: str, level: int) -> list[Syntax]:
        return [self.read(each, f"{place}[{number}]", level + 1) for number, each in enumerate(found)]

    def _object(self, found: dict[str, Any], place: str, level: int) -> Syntax:
        match found:
            case {"op": str(operator), "args": list(args)}:
                return _call(place, operator, self._all(args, f"{place}.args", level))
            case {"property": str(name)}:
                return Name(f"{place}.property", name)
            case {"date": str(value)}:
                return call(place, "date", Word(f"{place}.date", checked_text(place, value)))
            case {"timestamp": str(value)}:
                return call(place, "timestamp", Word(f"{place}.timestamp", checked_text(place, value)))
            case {"interval": list(ends)}:
                return call(place, "interval", *self._all(ends, f"{place}.interval", level))
            case {"bbox": list(edges)}:
                return call(place, "bbox", *self._all(edges, f"{place}.bbox", level))
            case {"type": str(kind)} if kind in _GEOMETRIES:
                return _shape(found, kind, place)
        known = "op with args, property, date, timestamp, interval, bbox or a GeoJSON geometry"
        raise FilterError(place, f"an object must have {known}.")


def _call(place: str, operator: str, args: list[Syntax]) -> Syntax:
    if operator in ("+", "-") and len(args) == 1 and isinstance(args[0], Number):
        return args[0] if operator == "+" else negative(place, args[0])
    return call(place, operator, *args)


def _shape(found: dict[str, Any], kind: str, place: str, *, within: bool = False) -> Shape:
    if kind == "GeometryCollection":
        parts = found.get("geometries")
        if within or not isinstance(parts, list) or not parts:
            raise FilterError(place, "a GeometryCollection must have geometries that are no collections.")
        return Shape(place, "GEOMETRYCOLLECTION", parts=tuple(_part(part, f"{place}.geometries[{n}]") for n, part in enumerate(parts)))
    return Shape(place, kind.upper(), _coordinates(found.get("coordinates"), f"{place}.coordinates", 0))


def _part(found: Any, place: str) -> Shape:
    match found:
        case {"type": str(kind)} if kind in _GEOMETRIES:
            return _shape(found, kind, place, within=True)
    raise FilterError(place, "this is no GeoJSON geometry.")


def _coordinates(found: Any, place: str, level: int) -> Coordinates:
    if not isinstance(found, list) or not found or level > 4:
        raise FilterError(place, "these are not the coordinates of a GeoJSON geometry.")
    if all(isinstance(each, _Written) for each in found):
        if not 2 <= len(found) <= 4:
            raise FilterError(place, "a position has two to four coordinates.")
        values = tuple(float(each.text) for each in found)
        if not all(map(math.isfinite, values)):
            raise FilterError(place, "a coordinate must be finite.")
        return values
    return tuple(_coordinates(each, f"{place}[{number}]", level + 1) for number, each in enumerate(found))
