"""Expressions in the style of the standard's own examples (OGC 21-065r2), on a layer that has such columns."""

from __future__ import annotations

import pytest

from app.layers.column import Column
from app.layers.cql2.asked import parse_for
from app.layers.cql2.syntax import FilterError
from app.layers.crs import Crs
from app.layers.layer import GeometryColumn, RowLayer
from tests.cql2_examples import EXAMPLES

_COLUMNS = {
    "int4": ("floors", "category", "depth", "landsat:wrs_row", "vegetation"),
    "float8": ("eo:cloud_cover", "balance", "value", "field", "vehicle_height", "bridge_clearance", "windSpeed"),
    "text": ("city", "name", "road_class", "material", "beamMode", "polarization", "geophys:SURVEY_NAME", "eo_instruments", "étât_vol"),
    "bool": ("swimming_pool", "boolean"),
    "_text": ("layer:ids",),
    "date": ("built", "date", "cropDate"),
    "timestamptz": ("updated", "touchdown", "liftOff", "starts_at", "ends_at", "event_time", "timestamp"),
}  # fmt: skip
_CATEGORIES = {"_text": "A", "int4": "N", "float8": "N", "text": "S", "bool": "B", "date": "D", "timestamptz": "D"}
_LAYER = RowLayer(
    id="public.examples", schema="public", name="examples", login="x", readers={"x": None},
    geometry=GeometryColumn("footprint", "POLYGON", Crs(4326, "EPSG:4326")),
    columns=tuple(Column(name, kind, kind, _CATEGORIES[kind]) for kind, names in _COLUMNS.items() for name in names),
)  # fmt: skip


@pytest.mark.parametrize("text", EXAMPLES)
def test_example_is_a_filter(text: str) -> None:
    parse_for(_LAYER, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("avg(windSpeed) < 4", "there is no function 'avg'"),
        ("road_class = 7", "cannot be compared"),
    ],
)
def test_what_is_not_built_is_told(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        parse_for(_LAYER, text)
