"""CQL2 JSON: it means what the same text means, and its errors give a path."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from app.layers.cql2.syntax import LONGEST
from tests.cql2_layers import accepted, refusal


def op(name: str, *args: Any) -> dict[str, Any]:
    return {"op": name, "args": list(args)}


def column(name: str) -> dict[str, str]:
    return {"property": name}


POINT = {"type": "Point", "coordinates": [8.5, 47.25]}
RING = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (op("=", column("whole"), 1), "whole = 1"),
        (op("<>", column("price"), 1.10), "price <> 1.1"),
        (op("=", column("huge"), 9007199254740993), "huge = 9007199254740993"),
        (op("and", op(">=", column("tiny"), 1), op("or", op("=", column("name"), "a'b"), op("not", column("yes")))),
         "tiny >= 1 AND (name = 'a''b' OR NOT yes)"),
        (op("=", column("yes"), True), "yes = TRUE"),
        (op("like", column("name"), "a%"), "name LIKE 'a%'"),
        (op("like", op("casei", column("name")), op("casei", "A%")), "CASEI(name) LIKE CASEI('A%')"),
        (op("between", column("whole"), 1, -2.5), "whole BETWEEN 1 AND -2.5"),
        (op("in", column("whole"), [3, 1, 2]), "whole IN (1, 2, 3, 2)"),
        (op("not", op("in", column("name"), ["x"])), "name NOT IN ('x')"),
        (op("isNull", column("tree")), "tree IS NULL"),
        (op("not", op("isNull", column("geom"))), "geom IS NOT NULL"),
        (op("=", op("+", column("whole"), op("*", 2, column("tiny"))), 3), "whole + 2 * tiny = 3"),
        (op("=", op("div", column("whole"), 2), op("%", 7, 4)), "whole div 2 = 7 % 4"),
        (op("=", op("-", column("whole")), op("-", 5)), "-whole = -5"),
        (op("=", column("day"), {"date": "2024-02-29"}), "day = DATE('2024-02-29')"),
        (op(">", column("instant"), {"timestamp": "2024-02-29T12:00:00Z"}), "instant > TIMESTAMP('2024-02-29T12:00:00Z')"),
        (op("t_during", column("instant"), {"interval": ["2024-01-01", ".."]}), "T_DURING(instant, INTERVAL('2024-01-01', '..'))"),
        (op("t_after", {"interval": [column("moment"), {"timestamp": "2024-02-29T12:00:00Z"}]}, {"date": "2020-01-01"}),
         "T_AFTER(INTERVAL(moment, TIMESTAMP('2024-02-29T12:00:00Z')), DATE('2020-01-01'))"),
        (op("s_intersects", column("geom"), POINT), "S_INTERSECTS(geom, POINT(8.5 47.25))"),
        (op("s_within", column("geom"), {"type": "Polygon", "coordinates": [RING]}), "S_WITHIN(geom, POLYGON((0 0,10 0,10 10,0 10,0 0)))"),
        (op("s_intersects", column("geom"), {"bbox": [-10, -20, 10, 20]}), "S_INTERSECTS(geom, BBOX(-10, -20, 10, 20))"),
        (op("s_intersects", column("geom"), {"bbox": [-10, -20, 0, 10, 20, 99]}), "S_INTERSECTS(geom, BBOX(-10, -20, 10, 20))"),
        (op("s_disjoint", column("geom"), {"type": "GeometryCollection", "geometries": [POINT, {"type": "LineString", "coordinates": [[0, 0, 9], [1, 1, 9]]}]}),
         "S_DISJOINT(geom, GEOMETRYCOLLECTION(POINT(8.5 47.25), LINESTRING(0 0, 1 1)))"),
        (op("s_equals", column("geom"), {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}), "S_EQUALS(geom, MULTIPOINT(1 2, 3 4))"),
        (True, "TRUE"),
    ],
)  # fmt: skip
def test_document_means_what_the_text_means(document: Any, text: str) -> None:
    assert repr(accepted(json.dumps(document), "cql2-json")) == repr(accepted(text, "cql2-text"))


@pytest.mark.parametrize(
    ("document", "place", "said"),
    [
        ("{", "character 2", "this is not JSON"),
        ("whole = 1", "character 1", "this is not JSON"),
        ('{"op": "=", "args": [{"property": "whole"}, NaN]}', "$", "NaN is no number"),
        ('{"op": "=", "args": [{"property": "whole"}, -Infinity]}', "$", "-Infinity is no number"),
        (op("=", column("whole"), None), "$.args[1]", "nothing compares with null"),
        (op("=", column("wole"), 1), "$.args[0].property", "there is no column 'wole'"),
        (op("and", op("=", column("whole"), 1), op("=", column("name"), 2)), "$.args[1]", "cannot be compared with the number 2"),
        (op("and", op("=", column("whole"), 1)), "$", "and takes two conditions or more"),
        (op("=", column("whole")), "$", "= takes 2 arguments, not 1"),
        (op("in", column("whole"), 1), "$", "IN takes a list"),
        (op("in", column("whole"), []), "$", "IN takes a list of one value or more"),
        (op("pg_sleep", 10), "$", "there is no function 'pg_sleep'"),
        (op("=", column("day"), {"date": 20240229}), "$.args[1]", "an object must have"),
        (op("=", column("day"), {"date": "2024-02-30"}), "$.args[1].date", "the value must be a date"),
        (op("s_intersects", column("geom"), {"type": "Point", "coordinates": [1]}), "$.args[1].coordinates", "two to four coordinates"),
        (op("s_intersects", column("geom"), {"type": "Point", "coordinates": ["1", 2]}), "$.args[1].coordinates[0]", "not the coordinates"),
        (op("s_intersects", column("geom"), {"type": "Polygon", "coordinates": [[1, 2], [3, 4]]}), "$.args[1]", "not the coordinates of a POLYGON"),
        (op("s_intersects", column("geom"), {"type": "Circle", "coordinates": [1, 2]}), "$.args[1]", "an object must have"),
        (op("s_intersects", column("geom"), {"bbox": ["a", 0, 1, 1]}), "$.args[1]", "BBOX takes four numbers"),
        ({"op": "=", "args": {"a": 1}}, "$", "an object must have op with args"),
        ({"op": 1, "args": []}, "$", "an object must have op with args"),
        ({"property": 1}, "$", "an object must have"),
        ([1, 2], "$", "a list can stand only after IN"),
        ("[" * 9000, "$", "brackets stand in one another"),
        ('{"op":"not","args":[' * 400 + "true" + "]}" * 400, "$", "brackets stand in one another"),
        ('{"op":"not","args":[' * 60 + "true" + "]}" * 60, "$.args[0]", "operators stand in one another more than 50 deep"),
        ('{"op":"=","args":[{"property":"name"},"\\ud800"]}', "$.args[1]", "surrogates"),
        ('{"op":"=","args":[{"property":"name"},"a\\u0000"]}', "$.args[1]", "NUL"),
        ('{"op":"=","args":[{"property":"whole"},' + "9" * 5000 + "]}", "$.args[1]", "a number may have 300 digits"),
        ("x" * (LONGEST + 1), f"character {LONGEST + 1}", "a filter may have"),
    ],
)  # fmt: skip
def test_error_gives_its_path(document: Any, place: str, said: str) -> None:
    started = time.thread_time()  # not the time that others take from this machine
    error = refusal(document if isinstance(document, str) else json.dumps(document), "cql2-json")
    assert time.thread_time() - started < 1.0
    assert error.place.startswith(place)
    assert said in error.said


def test_what_begins_with_a_brace_is_json_unless_it_is_called_text() -> None:
    document = json.dumps(op("=", column("whole"), 1))
    assert accepted(f"  {document}") == accepted("whole = 1")
    assert refusal(document, "cql2-text").place == "character 1"
    assert "cql2-text or cql2-json" in refusal(document, "cql-text").said
