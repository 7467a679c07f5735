"""Each drawn tile from three servers in turns, nothing cached: plain, Flagstone without and with overviews."""

from __future__ import annotations

import gzip
import re
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mapbox_vector_tile.Mapbox import vector_tile_pb2

from ..drawing import DrawnTile
from ..line import Line

PLAIN, WITHOUT, WITH = "plain", "without overviews", "with overviews"
_SLOW_S = 2.0
"""What takes longer is read once and not again."""
_ENOUGH_S, _FEWEST = 4.0, 3
"""A tile that took so long in all is not read again, once there are so many rounds."""
_TENTH = 1.1
_HOW = re.compile(rb"\r\nflagstone-tile: *(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one server said of one tile: median of the times in ms, status, bytes as sent, features, `Flagstone-Tile`."""

    ms: float
    status: int
    sent_bytes: int
    features: int
    said: str = ""

    @property
    def is_tile(self) -> bool:
        return self.status in (200, 204)


@dataclass(frozen=True, slots=True)
class Figures:
    """One tile from each of the servers that ran."""

    tile: DrawnTile
    answers: Mapping[str, Answer]
    is_heavy: bool = False
    """Whether it is the tile of the layer's heaviest shape."""

    def ratio(self, way: str) -> float | None:
        """How many times faster than plain; None where one of them gave no tile, or did not run.

        A plain tile that was given up counts with the time until then: it would have taken longer.
        """
        ours = self.answers.get(way)
        return self.answers[PLAIN].ms / ours.ms if ours is not None and ours.is_tile else None

    def is_slower(self, way: str) -> bool:
        """Slower than plain by more than a tenth."""
        return self.answers[way].ms > self.answers[PLAIN].ms * _TENTH


def read(lines: Mapping[str, Line], tile: DrawnTile, rounds: int) -> Figures:
    """Figures of one tile. Where Flagstone looks slower it is read again, three times as often, before that counts."""
    found = _once(lines, tile, rounds)
    if any(found.is_slower(way) for way in found.answers if way != PLAIN):
        found = _once(lines, tile, rounds * 3)
    return found


def _once(lines: Mapping[str, Line], tile: DrawnTile, rounds: int) -> Figures:
    times, answers = dict[str, list[float]](), dict[str, Answer]()
    for name, line in lines.items():
        took, status, body = _timed(line, tile.path)
        answers[name] = Answer(took * 1000, status, len(body), _count(body), _said(line))
        times[name] = [took] if took > _SLOW_S else []
    quick = [name for name, taken in times.items() if not taken]
    spent = 0.0
    for number in range(rounds if quick else 0):
        if number >= _FEWEST and spent > _ENOUGH_S:
            break
        # Each round begins with another one: who comes after a slow neighbour finds colder caches.
        turn = number % len(quick)
        for name in quick[turn:] + quick[:turn]:
            took = _timed(lines[name], tile.path)[0]
            times[name].append(took)
            spent += took
    medians = {name: statistics.median(taken) * 1000 for name, taken in times.items()}
    return Figures(tile, {name: replace(answer, ms=medians[name]) for name, answer in answers.items()})


def _timed(line: Line, path: str) -> tuple[float, int, bytes]:
    began = time.perf_counter()
    status, body = line.get(path)
    return time.perf_counter() - began, status, body


def _said(line: Line) -> str:
    """The header of the last answer."""
    found = _HOW.search(line.head)
    return found[1].decode() if found else ""


def _count(body: bytes) -> int:
    """Features of a tile as it was sent."""
    if not body.startswith(b"\x1f\x8b"):
        return 0
    # The messages alone: the decoder makes a Python object of each vertex.
    tile = vector_tile_pb2.tile()
    tile.ParseFromString(gzip.decompress(body))
    return sum(len(layer.features) for layer in tile.layers)
