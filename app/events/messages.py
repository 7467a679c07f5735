"""One change as those who listen get it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from .places import Places

ANYWHERE = '"boxes":null,"tiles":null'
_DIGITS = 7
"""Of a degree: a centimetre."""


@dataclass(frozen=True, slots=True)
class Change:
    """A layer changed at places, as `where_text` writes them. `again`: it was told before, to maps that were too fast.

    A few objects and one text, which layers of the same table share: many of these wait to be told again.
    """

    layer: str
    grid: str
    where: str
    everybody: bool = True
    """Whether everybody sees every row of the layer, and so may know where they lie."""
    again: bool = False

    def for_anybody(self) -> Change:
        """What may be told to whoever asks: of some layers only that they changed."""
        return self if self.everybody else replace(self, where=ANYWHERE)


def where_text(where: Places | None, first_zoom: int, last_zoom: int) -> str:
    """Two members of a JSON object: boxes as [west, south, east, north], tiles as [zoom, first and last column, first and
    last row]. Both are null where it may be anywhere (None)."""
    if where is None:
        return ANYWHERE
    boxes = [[round(each, _DIGITS) for each in box.as_list()] for box in where.boxes]
    tiles = [each for each in where.tiles if first_zoom <= each.z <= last_zoom]
    return f'"boxes":{_json(boxes)},"tiles":{_json(tiles)}'


class Event:
    """A change with its number, written once for all who get it."""

    __slots__ = ("encoded", "layer")

    def __init__(self, change: Change, number: str) -> None:
        self.layer = change.layer
        text = (
            f'{{"layer":{_json(change.layer)},"grid":{_json(change.grid)},{change.where},'
            f'"again":{_json(change.again)}}}'
        )
        self.encoded = _server_sent("change", text, number)
        """As a server-sent event."""

    def __len__(self) -> int:
        """Bytes that it holds."""
        return len(self.encoded)

    @property
    def told(self) -> dict[str, Any]:
        """What it says."""
        told: dict[str, Any] = json.loads(self.encoded.partition(b"\ndata: ")[2])
        return told


def server_sent(kind: str, data: Any, number: str) -> bytes:
    """An event of a stream (WHATWG HTML §9.2.6). JSON has no line breaks of its own."""
    return _server_sent(kind, _json(data), number)


def _server_sent(kind: str, text: str, number: str) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {text}\n\n".encode()


def _json(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"))
