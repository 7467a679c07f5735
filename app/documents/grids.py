"""The list of tile matrix sets, as TiMVT and OGC API have it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .addresses import Addresses
from .ogc_links import JSON, link


def tile_matrix_sets(ids: Iterable[str], addresses: Addresses) -> dict[str, Any]:
    """Ids and addresses. The titles are in the documents themselves: reading all of them takes a second."""
    return {
        "tileMatrixSets": [
            {
                "id": grid_id,
                "title": grid_id,
                # The standard's relation (OGC 17-083r4), and TiMVT's.
                "links": [link(addresses.grid(grid_id), rel, JSON, grid_id) for rel in ("self", "item")],
            }
            for grid_id in ids
        ]
    }
