"""What the map page shows and what its script has to know."""

from __future__ import annotations

from typing import Any

from .addresses import Addresses, layers_part
from .functions import inside
from .query import without
from .sheet import Sheet
from .style import color, is_raster

DRAWN_GRID = "WebMercatorQuad"
"""The grid that MapLibre draws by itself; others it draws only with a projection library beside it."""


def viewer(sheet: Sheet, addresses: Addresses, *, library: bool, events_url: str | None = None) -> dict[str, Any]:
    """The values of the page's template. `library` says whether MapLibre is there to be served, `events_url` where
    changes are told.
    """
    elsewhere = without(sheet.query, {"tilematrixsetid"})
    return {
        "title": ", ".join(sheet.ids),
        "grid": sheet.grid.id,
        "zooms": sheet.zooms,
        "library": library,
        "drawn": library and sheet.grid.id == DRAWN_GRID,
        "mercator_query": "&".join(filter(None, (elsewhere, f"TileMatrixSetId={DRAWN_GRID}"))),
        "layers": [
            {"name": each.id, "geometry": (each.geometry_type or "GEOMETRY").lower(), "color": color(index)}
            for index, part in enumerate(sheet.parts)
            for each in ([] if is_raster(sheet) else inside(part))
        ],
        "facts": {
            "tilejson": addresses.tilejson(sheet.ids, sheet.query),
            "style": addresses.style(sheet.ids, sheet.query),
            "events": None if events_url is None else f"{events_url}?layers={layers_part(sheet.ids)}",
        },
    }
