"""The options of scripts/bench. Only the standard library: they are read before .venv exists."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from .revisions import exists

PARTS = ("tiles", "parameters", "composites", "throughput", "memory", "start")

_DESCRIPTION = """\
Measures Flagstone on this machine with a PostgreSQL, a Redis and an nginx of its own, over the loopback interface.
It makes .venv and installs what is missing (wrk, Redis, nginx, PostGIS) with apt where that is allowed. The whole
run takes about twelve minutes, --quick about one and a half.

TEST_DATABASE_URL names a server for the databases that are made; without it a private one runs as long as this.
docs/benchmark.md says how to read what is printed.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured. `parts` is a subset of PARTS, in its order."""

    quick: bool
    tiles: int
    seed: int
    parts: tuple[str, ...]
    against: str | None
    json: Path | None

    @property
    def seconds(self) -> int:
        """How long one run of wrk takes."""
        return 1 if self.quick else 2

    @property
    def rounds(self) -> int:
        """How often the runs of wrk come round: many short ones, so that what disturbs one round disturbs all of it."""
        return 3 if self.quick else 15

    @property
    def starts(self) -> int:
        return 3 if self.quick else 5

    @property
    def repeats(self) -> int:
        """How often each tile is read in each way."""
        return 5 if self.quick else 9

    @property
    def many_tables(self) -> int:
        return 1000 if self.quick else 5000

    @property
    def many_tiles(self) -> int:
        """Tiles that a worker answers before its memory is read."""
        return 2000 if self.quick else 10_000


def read(arguments: list[str]) -> Options:
    """The options on a command line; ends the program with a message where they cannot be used."""
    parser = argparse.ArgumentParser("scripts/bench", description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--quick", action="store_true",
                        help="fewer tiles, repeats and tables (1,000 for 5,000): a look, not a judgement")  # fmt: skip
    parser.add_argument("--tiles", type=int, metavar="N", help="tiles to draw; default 272, with --quick 68")
    parser.add_argument("--seed", type=int, default=1, help="of the drawn tiles; default 1")
    parser.add_argument("--only", choices=PARTS, action="append", metavar="PART",
                        help=f"measure one part alone: {', '.join(PARTS)}; may be repeated")  # fmt: skip
    parser.add_argument("--against", metavar="REVISION",
                        help="no part, but this checkout's tiles beside those of an older revision of it")  # fmt: skip
    parser.add_argument("--scale", action="store_true",
                        help="layers of millions of rows, and overviews; `--scale --help` says more")  # fmt: skip
    parser.add_argument("--fresh", action="store_true",
                        help="how fresh tiles are, and what that costs; `--fresh --help` says more")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file too")
    given = parser.parse_args(arguments)
    tiles = given.tiles if given.tiles is not None else 68 if given.quick else 272
    if not 1 <= tiles <= 5000:
        parser.error("--tiles must be 1 to 5000")
    if given.against is not None and given.only:
        parser.error("--against measures no part: leave --only out")
    if given.against is not None and not exists(given.against):
        parser.error(f"--against: git knows no revision {given.against!r} here")
    parts = () if given.against else tuple(part for part in PARTS if given.only is None or part in given.only)
    return Options(given.quick, tiles, given.seed, parts, given.against, given.json.resolve() if given.json else None)
