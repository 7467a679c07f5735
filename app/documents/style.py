"""A MapLibre style (specification version 8) that draws layers by their geometry type, on a plain ground."""

from __future__ import annotations

from typing import Any

from ..layers.function import TileFunctionLayer
from .functions import inside
from .sheet import Sheet

SOURCE = "flagstone"
GROUND = "#f5f3ee"
COLORS = ("#1f6f8b", "#c2552d", "#5b7f2b", "#7b4ea3", "#a8741a", "#b03060")
"""For the layers of a composite in turn; each is told from the ground at a contrast of at least 3 to 1."""

_POINTS = frozenset({"POINT", "MULTIPOINT"})
_LINES = frozenset({"LINESTRING", "MULTILINESTRING", "CIRCULARSTRING", "COMPOUNDCURVE", "MULTICURVE"})
_POLYGONS = frozenset({
    "POLYGON", "MULTIPOLYGON", "CURVEPOLYGON", "MULTISURFACE", "POLYHEDRALSURFACE", "TIN", "TRIANGLE",
})  # fmt: skip


def style(sheet: Sheet, tilejson_address: str) -> dict[str, Any]:
    """The style of the sheet: first the areas, then the lines, then the points, so that none hides another."""
    if is_raster(sheet):
        return _pictures(sheet, tilejson_address)
    drawn = [
        layer
        for index, part in enumerate(sheet.parts)
        for each in inside(part)
        for layer in _layers(each.id, each.geometry_type or "GEOMETRY", color(index))
    ]
    drawn.sort(key=lambda layer: ("fill", "line", "circle").index(layer["type"]))
    return {
        "version": 8,
        "name": sheet.name,
        "sources": {SOURCE: {"type": "vector", "url": tilejson_address}},
        "layers": [{"id": "ground", "type": "background", "paint": {"background-color": GROUND}}, *drawn],
    }


def is_raster(sheet: Sheet) -> bool:
    """Whether its tiles are pictures; those are never one of several layers."""
    layer = sheet.parts[0].layer
    return isinstance(layer, TileFunctionLayer) and layer.is_raster


def _pictures(sheet: Sheet, tilejson_address: str) -> dict[str, Any]:
    return {
        "version": 8,
        "name": sheet.name,
        "sources": {SOURCE: {"type": "raster", "url": tilejson_address, "tileSize": 256}},
        "layers": [{"id": "pictures", "type": "raster", "source": SOURCE}],
    }


def color(index: int) -> str:
    """The colour of the sheet's layer at this index."""
    return COLORS[index % len(COLORS)]


def _layers(name: str, geometry_type: str, color: str) -> list[dict[str, Any]]:
    if geometry_type in _POINTS:
        return [_points(name, color)]
    if geometry_type in _LINES:
        return [_lines(name, color)]
    if geometry_type in _POLYGONS:
        return [_areas(name, color), _edges(name, color)]
    # GEOMETRY and GEOMETRYCOLLECTION may hold all three.
    return [
        _areas(name, color) | _only("Polygon"),
        _edges(name, color) | _only("Polygon"),
        _lines(name, color) | _only("LineString"),
        _points(name, color) | _only("Point"),
    ]


def _only(geometry_type: str) -> dict[str, Any]:
    # MapLibre told single from multiple geometries only from version 5 on.
    return {"filter": ["in", ["geometry-type"], ["literal", [geometry_type, f"Multi{geometry_type}"]]]}


def _layer(name: str, part: str, kind: str, paint: dict[str, Any]) -> dict[str, Any]:
    return {"id": f"{name} {part}", "type": kind, "source": SOURCE, "source-layer": name, "paint": paint}


def _areas(name: str, color: str) -> dict[str, Any]:
    return _layer(name, "area", "fill", {"fill-color": color, "fill-opacity": 0.3})


def _edges(name: str, color: str) -> dict[str, Any]:
    width = ["interpolate", ["linear"], ["zoom"], 4, 0.5, 14, 1.2]
    return _layer(name, "edge", "line", {"line-color": color, "line-width": width})


def _lines(name: str, color: str) -> dict[str, Any]:
    width = ["interpolate", ["linear"], ["zoom"], 8, 0.6, 14, 1.6, 18, 4]
    layout = {"line-cap": "round", "line-join": "round"}
    return _layer(name, "line", "line", {"line-color": color, "line-width": width}) | {"layout": layout}


def _points(name: str, color: str) -> dict[str, Any]:
    paint = {
        "circle-color": color,
        "circle-radius": ["interpolate", ["linear"], ["zoom"], 0, 1.5, 8, 3.5, 16, 6],
        "circle-stroke-color": "#ffffff",
        "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 4, 0, 8, 1],
    }
    return _layer(name, "point", "circle", paint)
