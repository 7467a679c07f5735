"""Outlines of the countries from the Digital Chart of the World, as `gmt coast -M` writes them.

A line `>  -ZFR France Segment 0` begins a ring, `> -Ph -ZZA South Africa Segment 4` a hole; the points follow, a line
each. Longitudes go from 0 to 360.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np
from shapely import MultiPolygon

from .rings import Ring, unwrapped, with_holes, within_the_world
from .rows import Row

_ALL = "-E=AF,=AN,=AS,=EU,=OC,=NA,=SA+z"
_HEADER = re.compile(r">\s+(?P<hole>-Ph\s+)?-Z(?P<code>\S+)\s+(?P<name>.*\S)\s+Segment \d+\s*$")


def lines() -> Iterator[str]:
    """What GMT writes for all continents."""
    # GMT leaves a history of its commands where it runs.
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            ["gmt", "coast", _ALL, "-M"], stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=folder
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - asked for above
        yield from process.stdout
    if process.returncode != 0:
        raise RuntimeError(f"gmt coast ended with {process.returncode}")


def countries(written: Iterable[str]) -> Iterator[Row]:
    """A row for each country, in the order in which they are written."""
    for number, (code, name, shells, holes) in enumerate(_by_country(written), start=1):
        polygons = [part for polygon in with_holes(shells, holes) for part in within_the_world(polygon)]
        yield Row((number, code, name), MultiPolygon(polygons))


def _by_country(written: Iterable[str]) -> Iterator[tuple[str, str, list[Ring], list[Ring]]]:
    code, name = "", ""
    shells, holes = list[Ring](), list[Ring]()
    for header, points in _segments(written):
        found = _HEADER.match(header)
        if found is None:
            raise ValueError(f"not the beginning of a ring of gmt coast: {header!r}")
        if shells and found["code"] != code:
            yield code, name, shells, holes
            shells, holes = [], []
        code, name = found["code"], found["name"]
        if len(points) >= 8:  # four points: three corners and the first again
            ring = unwrapped(_closed(np.array(points, dtype=np.float64).reshape(-1, 2)))
            (holes if found["hole"] else shells).append(ring)
    if shells:
        yield code, name, shells, holes


def _segments(written: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    header, points = "", list[str]()
    for line in written:
        if line.startswith(">"):
            if header:
                yield header, points
            header, points = line, []
        else:
            points += line.split()
    if header:
        yield header, points


def _closed(ring: Ring) -> Ring:
    return ring if np.array_equal(ring[0], ring[-1]) else np.vstack((ring, ring[:1]))
