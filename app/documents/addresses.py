"""The addresses of Flagstone's documents and tiles, as clients see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

ZXY = "{z}/{x}/{y}"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Absolute addresses below `root`, which has no slash at its end. Several ids make a composite.

    `query` is a query string that may stand in an address as it is (`query.py`).
    """

    root: str

    def home(self) -> str:
        return f"{self.root}/"

    def path(self, path: str) -> str:
        """Any other address of ours, without the first slash."""
        return f"{self.root}/{path}"

    def tiles(self, ids: Sequence[str], grid: str | None = None, query: str = "") -> str:
        """A template with `{z}`, `{x}` and `{y}`; `grid` None is the default one."""
        return f"{self.root}/tiles/{_prefix(grid)}{layers_part(ids)}/{ZXY}{_question(query)}"

    def tilejson(self, ids: Sequence[str], query: str = "") -> str:
        return f"{self.root}/{layers_part(ids)}/tilejson.json{_question(query)}"

    def style(self, ids: Sequence[str], query: str = "") -> str:
        return f"{self.root}/{layers_part(ids)}/style.json{_question(query)}"

    def viewer(self, ids: Sequence[str], query: str = "") -> str:
        return f"{self.root}/{layers_part(ids)}/viewer{_question(query)}"

    def table(self, layer_id: str) -> str:
        return f"{self.root}/table/{layers_part([layer_id])}.json"

    def grid(self, grid: str) -> str:
        return f"{self.root}/tileMatrixSets/{quote(grid, safe='')}"


def layers_part(ids: Sequence[str]) -> str:
    """Layer ids as one part of a path. An id holds no comma and no slash of its own (`layers/names.py`)."""
    return ",".join(quote(layer_id, safe="") for layer_id in ids)


def _prefix(grid: str | None) -> str:
    return "" if grid is None else f"{quote(grid, safe='')}/"


def _question(query: str) -> str:
    return f"?{query}" if query else ""
