"""Expressions in the style of the standard's own examples (OGC 21-065r2), on a layer that has such columns."""

from __future__ import annotations

import pytest

from app.layers.column import Column
from app.layers.cql2.asked import parse_for
from app.layers.cql2.syntax import FilterError
from app.layers.crs import Crs
from app.layers.layer import GeometryColumn, RowLayer

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


@pytest.mark.parametrize(
    "text",
    [
        "city='Toronto'",
        "balance-150.0 > 0",
        "updated >= TIMESTAMP('1970-01-01T00:00:00Z')",
        "footprint IS NOT NULL",
        "name LIKE 'Smith%'",
        "name NOT LIKE 'Smith.%'",
        "NOT \"name\" LIKE 'foo%'",
        "depth BETWEEN 100.0 and 150.0",
        "depth not between 100.0 and 150.0",
        "city IN ('Toronto','Frankfurt','Tokyo','New York')",
        "category NOT IN (1,2,3,4)",
        "eo:cloud_cover BETWEEN 0.1 AND 0.2 AND landsat:wrs_row=28",
        "eo_instruments LIKE 'OLI%' AND S_INTERSECTS(footprint,POLYGON((43.58 -79.54,43.60 -79.48,43.85 -79.17,43.58 -79.54)))",
        "S_INTERSECTS(geometry,POINT(36.319836 32.288087))",
        "S_CROSSES(footprint,LINESTRING(43.7286 -79.2986, 43.7311 -79.2996, 43.7323 -79.2972))",
        "S_CONTAINS(footprint, BBOX(0.00,40.00,10.00,60.00))",
        "S_DISJOINT(footprint, MULTILINESTRING((0 0,1 1),(2 2,3 3)))",
        "CASEI(road_class) IN (CASEI('Οδος'),CASEI('Straße'))",
        "CASEI(name) LIKE casei('FOO%')",
        "T_AFTER(built,DATE('2012-06-05'))",
        "T_BEFORE(updated, TIMESTAMP('2012-08-10T05:30:00Z'))",
        "T_DURING(INTERVAL(touchdown, liftOff), INTERVAL('1969-07-16T13:32:00Z', '1969-07-24T16:50:35Z'))",
        "T_DURING(INTERVAL('1969-07-20T20:17:40Z', '1969-07-21T17:54:00Z'), INTERVAL('1969-07-16T13:32:00Z', '1969-07-24T16:50:35Z'))",
        "T_DURING(INTERVAL(starts_at, ends_at), INTERVAL('2005-01-10', '2010-02-10'))",
        "T_INTERSECTS(event_time, INTERVAL('..', '2005-01-10T01:01:01.393216Z'))",
        "T_OVERLAPPEDBY(INTERVAL(starts_at, ends_at), INTERVAL('2005-01-10T01:01:01.393216Z', '..'))",
        "(floors>5 OR material LIKE 'brick%' OR material LIKE '%brick') AND swimming_pool=true",
        "NOT (floors<5) AND swimming_pool=true",
        "beamMode='ScanSAR Narrow' AND polarization='HH+VV+HV+VH'",
        "vehicle_height > (bridge_clearance-1)",
        "\"value\"=field^2",
        "\"value\" IS NULL OR \"value\" BETWEEN 10 AND 20",
        "geophys:SURVEY_NAME LIKE '%calcareous%' OR geophys:SURVEY_NAME LIKE '%sandstone%'",
        "\"date\"=DATE('1999-11-05') AND \"timestamp\"=TIMESTAMP('1999-11-05T08:15:45Z')",
        "boolean=true AND date < DATE('2000-01-01')",
        "A_CONTAINS(layer:ids, ('layers-ca','layers-us'))",
        "étât_vol = 'débárquér'",
        "vegetation + 1 * 2 - 3 / 4 % 5 div 6 > -1e2",
    ],
)  # fmt: skip
def test_example_is_a_filter(text: str) -> None:
    parse_for(_LAYER, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("avg(windSpeed) < 4", "there is no function 'avg'"),
        ("ACCENTI(étât_vol) = ACCENTI('débárquér')", "ACCENTI is not supported"),
        ("road_class = 7", "cannot be compared"),
    ],
)
def test_what_is_not_built_is_told(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        parse_for(_LAYER, text)
