"""Each class of CQL2 that `/conformance` declares: expressions that need it choose the right rows, as text and as JSON.

The JSON is what another implementation makes of the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cql2 import Expr
from flask import Flask

from app.documents.ogc import CONFORMS_TO
from tests.cql2_filtered import application, filtered_database, ids
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import get

_SPEC = "http://www.opengis.net/spec/cql2/1.0/conf/"
_EUROPE = "POLYGON((0 40,20 40,20 60,0 60,0 40))"

# Rows of tests/oddities/filtered.sql; the layer of each class is `things` but for that of spatial functions.
_CLASSES: dict[str, list[tuple[str, list[int]]]] = {
    "basic-cql2": [
        ("whole = 10", [1]), ("whole <> 10", [2, 4]), ("whole < 10", [4]), ("whole > 10", [2]), ("whole <= 10", [1, 4]), ("whole >= 10", [1, 2]),
        ("price = 1.1", [1]), ("name = 'O''Brien'", [2]), ("name < 'P' AND name > 'N'", [2]), ("yes = TRUE", [1, 4]), ("yes", [1, 4]), ("yes = false", [2]),
        ("day = DATE('2024-02-29')", [1]), ("day > DATE('2024-02-29')", [2, 4]), ("day <= DATE('2024-02-29')", [1]),
        ("instant = TIMESTAMP('2024-02-29T12:00:00Z')", [1]), ("instant <> TIMESTAMP('2024-02-29T12:00:00Z')", [2, 4]),
        ("whole IS NULL", [3]), ("whole IS NOT NULL", [1, 2, 4]), ("geom IS NULL", []), ("NOT (whole = 10 OR whole = 20)", [4]),
        ("whole = 10 OR whole = 20 AND yes", [1]), ("(whole = 10 OR whole = 20) AND yes", [1]), ("TRUE", [1, 2, 3, 4]), ("FALSE", []),
    ],
    "advanced-comparison-operators": [
        ("name LIKE 'Z%'", [1]), ("name LIKE '_ürich'", [1]), ("name NOT LIKE 'Z%'", [2, 4]), ("whole BETWEEN 10 AND 20", [1, 2]),
        ("whole NOT BETWEEN 10 AND 20", [4]), ("whole IN (10, -10)", [1, 4]), ("name IN ('Zürich', 'x')", [1]), ("name NOT IN ('Zürich')", [2, 4]),
        ("yes IN (TRUE)", [1, 4]), ("day IN (DATE('2024-02-29'), DATE('2024-03-01'))", [1, 2]),
    ],
    "case-insensitive-comparison": [
        ("CASEI(name) = CASEI('zÜRICH')", [1]), ("CASEI(name) LIKE CASEI('O%RIEN')", [2]), ("CASEI(short) IN (CASEI('ONE'), CASEI('Two'))", [1, 2]),
        ("CASEI(name) <> CASEI('ZÜRICH')", [2, 4]),
    ],
    "accent-insensitive-comparison": [
        ("ACCENTI(name) = ACCENTI('Zurich')", [1]), ("ACCENTI(name) = ACCENTI('Źûrìch')", [1]), ("ACCENTI(name) LIKE ACCENTI('Zú%')", [1]),
        ("ACCENTI(name) IN (ACCENTI('zurich'), ACCENTI('Źurich'))", [1]), ("ACCENTI(name) <> ACCENTI('Zürich')", [2, 4]),
        ("CASEI(ACCENTI(name)) = CASEI(ACCENTI('ZURICH'))", [1]), ("ACCENTI(CASEI(name)) LIKE ACCENTI(CASEI('Ò%'))", [2]),
    ],
    "basic-spatial-functions": [
        ("S_INTERSECTS(geom, POINT(8.5 47.4))", [1]), ("S_INTERSECTS(geom, BBOX(0, 40, 20, 60))", [1]), ("NOT S_INTERSECTS(geom, BBOX(0, 40, 20, 60))", [2, 3, 4]),
        ("S_INTERSECTS(geom, BBOX(170, -50, -170, 0))", [3, 4]),
    ],
    "basic-spatial-functions-plus": [
        (f"S_INTERSECTS(geom, {_EUROPE})", [1]), ("S_INTERSECTS(geom, LINESTRING(8 47.4, 9 47.4))", [1]), ("S_INTERSECTS(geom, MULTIPOINT((8.5 47.4), (0 0)))", [1]),
        ("S_INTERSECTS(geom, MULTILINESTRING((8 47.4, 9 47.4), (0 0, 1 1)))", [1]), ("S_INTERSECTS(geom, MULTIPOLYGON(((0 40,20 40,20 60,0 60,0 40))))", [1]),
        ("S_INTERSECTS(geom, GEOMETRYCOLLECTION(POINT(8.5 47.4), LINESTRING(-100 40, 0 0)))", [1, 2]),
    ],
    "spatial-functions": [
        ("S_EQUALS(geom, POINT(5 5))", [4]), ("S_DISJOINT(geom, BBOX(-10, -10, 100, 20)) AND id < 7", []), ("S_WITHIN(geom, BBOX(1, 1, 9, 9))", [4, 6]),
        ("S_CONTAINS(geom, POINT(15 5))", [2]), ("S_TOUCHES(geom, POLYGON((0 10, 10 10, 10 20, 0 20, 0 10)))", [1, 2]),
        ("S_OVERLAPS(geom, BBOX(-1, -1, 5, 5)) AND id < 5", [1]), ("S_CROSSES(geom, POLYGON((0 0,10 0,10 10,0 10,0 0)))", [3]),
    ],
    "temporal-functions": [
        ("T_AFTER(instant, TIMESTAMP('2024-02-29T23:00:00Z'))", [2, 4]), ("T_BEFORE(instant, TIMESTAMP('2024-02-29T23:00:00Z'))", [1]),
        ("T_DISJOINT(instant, INTERVAL('2024-02-29T00:00:00Z', '2024-02-29T13:00:00Z'))", [2, 4]), ("T_EQUALS(instant, TIMESTAMP('2024-02-29T12:00:00Z'))", [1]),
        ("T_INTERSECTS(instant, INTERVAL('2024-02-29T00:00:00Z', '2024-02-29T13:00:00Z'))", [1]), ("T_INTERSECTS(day, INTERVAL('2024-03-01', '..'))", [2, 4]),
        ("T_DURING(INTERVAL(instant, '2024-03-01T00:00:00Z'), INTERVAL('2024-02-29T00:00:00Z', '2024-04-01T00:00:00Z'))", [1, 2, 4]),
        ("T_CONTAINS(INTERVAL('2024-02-01', '2024-03-10'), INTERVAL(instant, '2024-03-05T00:00:00Z'))", [1, 2, 4]),
        ("T_STARTS(INTERVAL(instant, '2024-03-02T00:00:00Z'), INTERVAL('2024-03-01T00:00:00Z', '2024-03-03T00:00:00Z'))", [2]),
        ("T_STARTEDBY(INTERVAL(instant, '2024-03-04T00:00:00Z'), INTERVAL('2024-03-01T00:00:00Z', '2024-03-03T00:00:00Z'))", [2]),
        ("T_FINISHES(INTERVAL(instant, '2024-03-03T00:00:00Z'), INTERVAL('2024-02-29T23:00:00Z', '2024-03-03T00:00:00Z'))", [2, 4]),
        ("T_FINISHEDBY(INTERVAL(instant, '2024-03-03T00:00:00Z'), INTERVAL('2024-02-29T23:00:00Z', '2024-03-03T00:00:00Z'))", [1]),
        ("T_MEETS(INTERVAL(instant, '2024-03-03T00:00:00Z'), INTERVAL('2024-03-03T00:00:00Z', '2024-03-04T00:00:00Z')) AND id < 3", [1, 2]),
        ("T_METBY(INTERVAL(instant, '2024-03-03T00:00:00Z'), INTERVAL('2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z'))", [2]),
        ("T_OVERLAPS(INTERVAL(instant, '2024-03-02T00:00:00Z'), INTERVAL('2024-02-29T23:00:00Z', '2024-03-03T00:00:00Z'))", [1]),
        ("T_OVERLAPPEDBY(INTERVAL(instant, '2024-03-04T00:00:00Z'), INTERVAL('2024-02-29T23:00:00Z', '2024-03-03T00:00:00Z'))", [2, 4]),
    ],
    "array-functions": [
        ("A_CONTAINS(tags, ('a', 'b'))", [1]), ("A_CONTAINEDBY(tags, ('a', 'b', 'c'))", [1, 2, 4]), ("A_EQUALS(tags, ('b', 'a'))", [1]),
        ("A_OVERLAPS(numbers, (2, 3))", [1, 2]),
    ],
    "arithmetic": [
        ("whole + 1 = 11", [1]), ("whole - 1 > 9", [2]), ("whole * 2 = -20", [4]), ("whole / 4 = 2.5", [1]), ("whole div 4 = 2", [1]), ("whole % 7 = 3", [1]),
        ("tiny ^ 2 = 4", [2]), ("(whole + 2) * 3 = 36", [1]),
    ],
}  # fmt: skip
_LANGUAGES = ["cql2-text", "cql2-json"]


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with filtered_database(server, template) as dsn, application(dsn) as made:
        yield made


def test_what_is_declared_is_what_is_held_here(app: Flask) -> None:
    declared = {each.removeprefix(_SPEC) for each in get(app, "/conformance").get_json()["conformsTo"] if each.startswith(_SPEC)}
    assert declared == {each.removeprefix(_SPEC) for each in CONFORMS_TO if each.startswith(_SPEC)} == {*_CLASSES, *_LANGUAGES}


@pytest.mark.parametrize("language", _LANGUAGES)
@pytest.mark.parametrize(("name", "text", "found"), [(name, *each) for name, examples in _CLASSES.items() for each in examples])
def test_a_class_chooses_the_right_rows(name: str, text: str, found: list[int], language: str, app: Flask) -> None:
    layer = "shapes" if name == "spatial-functions" else "things"
    written = text if language == "cql2-text" else json.dumps(Expr(text).to_json())
    assert ids(app, layer, written, filter_lang=language) == found
