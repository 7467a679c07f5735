"""The options of scripts/bench --fresh. Only the standard library: they are read before .venv exists."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

PARTS = ("delay", "never-wrong", "stampede", "hits", "regions", "writers")

_DESCRIPTION = """\
How fresh tiles are: from COMMIT to the first correct tile; whether any answer was older than is allowed while Redis, lines
and workers fail; one query for many clients; what a 304 and a hit in Redis cost; how few tiles a change makes stale; what
the triggers cost those who write.

It installs what is missing (PostGIS, Redis, nginx, wrk) with apt where that is allowed. TEST_DATABASE_URL names a server
for the databases that are made; without it a private one runs as long as this. About twenty minutes, of which ten look for
an answer that is too old. docs/freshness-benchmark.md says how to read it.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured. `parts` is a subset of PARTS, in its order; `minutes` are those of never-wrong."""

    quick: bool
    minutes: float
    seed: int
    parts: tuple[str, ...]
    json: Path | None

    @property
    def edits(self) -> int:
        return 20 if self.quick else 200

    @property
    def rounds(self) -> int:
        """How often the runs of wrk, and those of the writers, come round."""
        return 3 if self.quick else 9

    @property
    def seconds(self) -> int:
        """How long one run of wrk or pgbench takes."""
        return 1 if self.quick else 4

    @property
    def copied_rows(self) -> int:
        return 100_000 if self.quick else 1_000_000

    @property
    def copies(self) -> int:
        return 3 if self.quick else 5


def read(arguments: list[str]) -> Options:
    """The options on a command line; ends the program with a message where they cannot be used."""
    parser = argparse.ArgumentParser("scripts/bench --fresh", description=_DESCRIPTION,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "--fresh", action="store_true", required=True, help="this benchmark, not the other ones"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few edits, short runs, half a minute: a look, not a judgement"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="of never-wrong; default 10, with --quick 0.5"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="of the edits, of the tiles and of what fails when; default 1"
    )
    parser.add_argument("--only", choices=PARTS, action="append", metavar="PART",
                        help=f"measure one part alone: {', '.join(PARTS)}; may be repeated")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file too")
    given = parser.parse_args(arguments)
    minutes = given.minutes if given.minutes is not None else 0.5 if given.quick else 10.0
    if not (math.isfinite(minutes) and 0.1 <= minutes <= 1440):
        parser.error("--minutes must be 0.1 to 1440")
    parts = tuple(part for part in PARTS if given.only is None or part in given.only)
    return Options(given.quick, minutes, given.seed, parts, given.json.resolve() if given.json else None)
