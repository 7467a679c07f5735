"""The list of tile matrix sets, as TiMVT and OGC API have it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .addresses import Addresses


def tile_matrix_sets(ids: Iterable[str], addresses: Addresses) -> dict[str, Any]:
    """Ids and addresses. The titles are in the documents themselves: reading all of them takes a second."""
    return {
        "tileMatrixSets": [
            {
                "id": grid_id,
                "title": grid_id,
                "links": [{"href": addresses.grid(grid_id), "rel": "item", "type": "application/json"}],
            }
            for grid_id in ids
        ]
    }
