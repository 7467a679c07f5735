"""The addresses of Flagstone's documents and tiles, as clients see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

ZXY = "{z}/{x}/{y}"
_ROW_BEFORE_COLUMN = "{tileMatrix}/{tileRow}/{tileCol}"


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

    def function(self, layer_id: str) -> str:
        return f"{self.root}/function/{layers_part([layer_id])}.json"

    def pg_tileserv_tiles(self, ids: Sequence[str], query: str = "") -> str:
        return f"{self.root}/{layers_part(ids)}/{ZXY}.pbf{_question(query)}"

    def pg_tileserv_detail(self, layer_id: str) -> str:
        return f"{self.root}/{layers_part([layer_id])}.json"

    def martin_tiles(self, source_ids: Sequence[str], query: str = "") -> str:
        return f"{self.root}/{layers_part(source_ids)}/{ZXY}{_question(query)}"

    def collection(self, layer_id: str) -> str:
        return f"{self.root}/collections/{layers_part([layer_id])}"

    def tilesets(self, layer_id: str | None, query: str = "") -> str:
        """The list of a collection's tilesets; None is the dataset."""
        return f"{self.root}/tiles{_question(query)}" if layer_id is None else f"{self.collection(layer_id)}/tiles{_question(query)}"

    def tileset(self, layer_id: str | None, grid: str, query: str = "") -> str:
        return f"{self.tilesets(layer_id)}/{quote(grid, safe='')}{_question(query)}"

    def tileset_tiles(self, layer_id: str | None, grid: str, query: str = "") -> str:
        """OGC 20-057's template, with `{tileMatrix}`, `{tileRow}` and `{tileCol}`."""
        return f"{self.tileset(layer_id, grid)}/{_ROW_BEFORE_COLUMN}{_question(query)}"

    def tileset_zxy(self, layer_id: str, grid: str, query: str = "") -> str:
        """The same tiles as a template with `{z}`, `{x}` and `{y}`: the row comes first."""
        return f"{self.tileset(layer_id, grid)}/{{z}}/{{y}}/{{x}}{_question(query)}"

    def grid(self, grid: str) -> str:
        return f"{self.root}/tileMatrixSets/{quote(grid, safe='')}"


def layers_part(ids: Sequence[str]) -> str:
    """Layer ids as one part of a path. An id holds no comma and no slash of its own (`layers/names.py`)."""
    return ",".join(quote(layer_id, safe="") for layer_id in ids)


def _prefix(grid: str | None) -> str:
    return "" if grid is None else f"{quote(grid, safe='')}/"


def _question(query: str) -> str:
    return f"?{query}" if query else ""
