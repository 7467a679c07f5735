"""What may be compared with what: all else is refused before a connection is borrowed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyproj import Transformer
from shapely import Point, from_wkt

from app.errors import BadParameter
from app.layers.cql2.asked import asked_filter
from app.layers.cql2.syntax import FilterError
from app.layers.cql2.tree import Comparison, GeometryLiteral, In, Literal, Spatial
from app.layers.crs import Crs
from app.layers.identity import ANONYMOUS
from app.layers.layer import GeometryColumn
from tests.cql2_layers import TABLE, accepted, refusal

_SAMPLES = {
    "tiny": "1", "whole": "1", "huge": "1", "part": "1", "double": "1", "price": "1", "name": "'a'", "short": "'a'",
    "fixed": "'a'", "size": "'a'", "yes": "TRUE", "day": "DATE('2024-02-29')", "moment": "TIMESTAMP('2024-02-29T12:00:00Z')",
    "instant": "TIMESTAMP('2024-02-29T12:00:00Z')", "clock": "'12:00'", "code": "'00000000-0000-0000-0000-00000000000a'",
}  # fmt: skip
_NUMBERS = {"tiny", "whole", "huge", "part", "double", "price"}
_TEXTS = {"name", "short", "fixed", "size"}
_MOMENTS = {"day", "moment", "instant"}


def _alike(one: str, other: str) -> bool:
    return one == other or any({one, other} <= group for group in (_NUMBERS, _TEXTS, _MOMENTS))


@pytest.mark.parametrize("one", list(_SAMPLES))
@pytest.mark.parametrize("other", list(_SAMPLES))
def test_columns_compare_with_their_like(one: str, other: str) -> None:
    if _alike(one, other):
        accepted(f"{one} = {other}")
    else:
        assert "cannot be compared with" in refusal(f"{one} = {other}").said


@pytest.mark.parametrize("name", [column.name for column in TABLE.columns])
@pytest.mark.parametrize("sample", sorted(set(_SAMPLES.values())))
@pytest.mark.parametrize("form", ["{0} = {1}", "{1} <> {0}", "{0} IN ({1})", "{0} BETWEEN {1} AND {1}"])
def test_literals_compare_with_their_like(name: str, sample: str, form: str) -> None:
    like = [column for column, value in _SAMPLES.items() if value == sample]
    from_text = name in ("day", "moment", "instant", "clock", "code") and sample.startswith("'")
    fits = name in _SAMPLES and any(_alike(name, each) for each in like)
    unordered = name in ("size", "yes") and "BETWEEN" in form
    if from_text:
        # Text beside a date, a time or a UUID is read as one.
        fits = _SAMPLES[name] == sample
    if name in _TEXTS and sample.startswith("'"):
        fits = True
    if fits and not unordered:
        accepted(form.format(name, sample))
    else:
        refusal(form.format(name, sample))


@pytest.mark.parametrize("name", ["tree", "zoned", "span", "net", "cash"])
def test_types_that_filters_do_not_look_into_can_be_asked_for_null(name: str) -> None:
    accepted(f"{name} IS NOT NULL")
    assert "can only be asked for with IS NULL" in refusal(f"{name} = 'x'").said
    assert "can only be asked for with IS NULL" in refusal(f"1 = {name}").said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("yes > FALSE", "has no order"),
        ("size < 'a'", "has no order"),
        ("whole LIKE '1%'", "LIKE compares text"),
        ("name LIKE 1", "LIKE compares text"),
        ("name LIKE name", "must be text in quotes"),
        ("name LIKE CASEI(name)", "must be text in quotes"),
        (r"name LIKE 'a\\'", "is not closed"),
        ("name + 1 = 2", "+ takes numbers"),
        ("yes + 1 = 2", "+ takes numbers"),
        ("day + 1 = day", "+ takes numbers"),
        ("day = DATE('99999-01-01')", "the value must be a date"),
        ("day = DATE('2024-1-1')", "the value must be a date"),
        ("day = DATE('0000-01-01')", "the value must be a date"),
        ("day = DATE('2023-02-29')", "the value must be a date"),
        ("day = DATE('infinity')", "the value must be a date"),
        ("day = DATE('2024-02-29T00:00:00Z')", "DATE takes a day"),
        ("instant = TIMESTAMP('2024-02-29')", "TIMESTAMP takes a time"),
        ("instant = TIMESTAMP('2024-02-29T25:00:00Z')", "the value must be a date"),
        ("instant = TIMESTAMP('0001-01-01T00:00:00+14:00')", "the value must be a date"),
        ("instant = TIMESTAMP('9999-12-31T23:59:59-14:00')", "the value must be a date"),
        ("day = 'now'", "the value must be a date"),
        ("code = 'x'", "the value must be a UUID"),
        ("clock = '25:00'", "the value must be a time of day"),
        ("clock = '24:00'", "the value must be a time of day"),
        ("whole = 1e999", "a number may have 300 digits"),
        ("whole = 1e9999999999999999999999", "a number may have 300 digits"),
        ("whole = 1e-9999999999999999999999", "a number may have 300 digits"),
        ("T_AFTER(whole, DATE('2024-01-01'))", "neither a date nor a timestamp"),
        ("T_AFTER(clock, DATE('2024-01-01'))", "neither a date nor a timestamp"),
        ("T_AFTER(day, '2024-01-01')", "neither a date nor a timestamp"),
        ("T_AFTER(day, INTERVAL('2024-01-02', '2024-01-01'))", "ends before it begins"),
        ("T_AFTER(day, INTERVAL('2024-01-02'))", "INTERVAL takes a begin and an end"),
        ("T_AFTER(day, INTERVAL('2024-01-02', 'x'))", "the value must be a date"),
        ("INTERVAL('2024-01-02', '..') = day", "INTERVAL cannot stand here"),
        ("tags = 'a'", "is compared by A_CONTAINS"),
        ("A_CONTAINS(tags, (1, 2))", "cannot be compared with the number 1"),
        ("A_CONTAINS(numbers, (1.5))", "cannot be an element of int4[]"),
        ("A_CONTAINS(numbers, (2147483648))", "cannot be an element of int4[]"),
        ("A_CONTAINS(numbers, tags)", "cannot look into"),
        ("A_CONTAINS(name, ('a'))", "cannot look into"),
        ("A_CONTAINS(('a'), ('a'))", "must be a column of arrays"),
        ("A_CONTAINS(tags, (name, 'b'))", "literals only"),
        ("A_CONTAINS(tags)", "takes 2 arguments"),
        ("tags", "is no condition"),
        ("A_CONTAINS(tags, ('a', 'b'))", ""),
        ("DWITHIN(geom, POINT(0 0), -1)", "takes a distance"),
        ("DWITHIN(geom, POINT(0 0), whole)", "takes a distance"),
        ("DWITHIN(geom, POINT(0 0))", "takes 3 arguments"),
        ("DWITHIN(geom, geom, 1)", "the layer's geometry and a literal"),
        ("whole ILIKE 'x'", "CASEI takes text"),
        ("S_INTERSECTS(geom, POINT(0 91000))", ""),
    ],
)
def test_what_cannot_be_is_refused(text: str, said: str) -> None:
    if said:
        assert said in refusal(text).said
    else:
        accepted(text)


@pytest.mark.parametrize(
    ("text", "value", "bound"),
    [
        ("whole = 1", 1, "int8"),
        ("whole = 1.0", 1, "int8"),
        ("whole = 1e3", 1000, "int8"),
        ("whole = -0", 0, "int8"),
        ("whole = 1.5", "1.5", "numeric"),
        ("huge = 9223372036854775807", 2**63 - 1, "int8"),
        ("huge = 9223372036854775808", "9223372036854775808", "numeric"),
        ("price = 0.10", "0.1", "numeric"),
        ("price = 1e-5", "0.00001", "numeric"),
        ("double = 1", 1.0, "float8"),
        ("part = 0.1", 0.10000000149011612, "float8"),
        ("name = '1'", "1", "text"),
        ("short = 'x'", "x", "text"),
        ("fixed = 'x'", "x", "bpchar"),
        ("yes = TRUE", True, "bool"),
        ("day = '2024-02-29'", "2024-02-29", "date"),
        ("moment = TIMESTAMP('2024-02-29T12:00:00+02:00')", "2024-02-29T10:00:00", "timestamp"),
        ("instant = TIMESTAMP('2024-02-29T12:00:00.25Z')", "2024-02-29T12:00:00.250000+00:00", "timestamptz"),
        ("instant = DATE('2024-02-29')", "2024-02-29T00:00:00+00:00", "timestamptz"),
        ("day = TIMESTAMP('2024-02-29T12:00:00Z')", "2024-02-29T12:00:00", "timestamp"),
        (f"code = '{'0' * 32}'", "00000000-0000-0000-0000-000000000000", "uuid"),
    ],
)  # fmt: skip
def test_literal_takes_the_type_that_leaves_the_column_as_it_is(text: str, value: object, bound: str) -> None:
    found = accepted(text)
    assert isinstance(found, Comparison)
    assert found.right == Literal(value, bound)  # type: ignore[arg-type]
    assert type(found.right.value) is type(value)


def test_lists_are_sorted_and_bound_as_one_type() -> None:
    found = accepted("whole IN (3, 1, 2, 2, 99999999999999999999)")
    assert isinstance(found, In)
    assert (found.type, set(found.values)) == ("numeric", {"1", "2", "3", "99999999999999999999"})
    assert accepted("name IN ('b', 'a')") == accepted("name IN ('a', 'b', 'a')")


def test_coordinates_are_turned_into_the_layers_system() -> None:
    found = accepted("S_INTERSECTS(POINT(1 2), geom)")
    assert isinstance(found, Spatial)
    assert found.left == GeometryLiteral("POINT(1.0 2.0)", 4326)


def test_a_system_that_only_the_database_knows_is_named_by_its_srid() -> None:
    hall = replace(TABLE, geometry=GeometryColumn("geom", "POINT", Crs(900913001, 'LOCAL_CS["plan of the hall"]')))
    asked = {"filter": ["S_INTERSECTS(geom, POINT(1 2))"]}
    with pytest.raises(BadParameter, match="cannot be transformed to the layer's reference system"):
        asked_filter(hall, asked, ANONYMOUS)
    found = asked_filter(hall, {**asked, "filter-crs": ["900913001"]}, ANONYMOUS)
    assert isinstance(found, Spatial)
    assert found.right == GeometryLiteral("POINT(1.0 2.0)", 900913001)


def test_boxes_follow_parallels_in_another_system() -> None:
    polar = replace(TABLE, geometry=GeometryColumn("geom", "POINT", Crs(3995, "EPSG:3995")))
    found = asked_filter(polar, {"filter": ["S_INTERSECTS(geom, BBOX(0, 60, 90, 80))"]}, ANONYMOUS)
    assert isinstance(found, Spatial) and isinstance(found.right, GeometryLiteral)
    # A quarter of a ring, not the trapezium of its four corners.
    ring = from_wkt(found.right.wkt)
    x, y = Transformer.from_crs("EPSG:4326", "EPSG:3995", always_xy=True).transform(45, 60.5)
    assert ring.contains(Point(x, y))


def test_a_box_across_the_date_line_is_two() -> None:
    found = accepted("S_INTERSECTS(geom, BBOX(170, -10, -170, 10))")
    assert isinstance(found, Spatial) and isinstance(found.right, GeometryLiteral)
    assert from_wkt(found.right.wkt).bounds == (-180, -10, 180, 10)
    assert from_wkt(found.right.wkt).area == 400
    for box, wkt in (
        ("180, 1, -170, 2", "POLYGON((-180 1, -170 1, -170 2, -180 2, -180 1))"),
        ("170, 1, -180, 2", "POLYGON((170 1, 180 1, 180 2, 170 2, 170 1))"),
        ("180, 1, -180, 2", "LINESTRING(180 1, 180 2)"),
        ("170, 1, -170, 1", "MULTILINESTRING((170 1, 180 1), (-180 1, -170 1))"),
    ):
        found = accepted(f"S_INTERSECTS(geom, BBOX({box}))")
        assert isinstance(found, Spatial) and isinstance(found.right, GeometryLiteral)
        assert from_wkt(found.right.wkt).equals(from_wkt(wkt))
    with pytest.raises(FilterError, match="begins west and ends east of it"):
        accepted("S_INTERSECTS(geom, BBOX(190, -10, -170, 10))")
