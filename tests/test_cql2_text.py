"""CQL2 text: what it means, where it is wrong, and how long it may take to find out."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from app.layers.cql2.from_text import read
from app.layers.cql2.syntax import DEEPEST, LONGEST, MOST_NODES, FilterError
from tests.cql2_layers import TABLE, accepted, plain, refusal


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a = 1", "(= a 1)"),
        ("a=1 AND b=2 OR NOT c=3", "(or (and (= a 1) (= b 2)) (not (= c 3)))"),
        ("a=1 AND (b=2 OR c=3) AND d=4", "(and (= a 1) (or (= b 2) (= c 3)) (= d 4))"),
        ("NOT NOT a", "(not (not a))"),
        ("a - b - c = 0", "(= (- (- a b) c) 0)"),
        ("a - -1 = -b", "(= (- a -1) (- b))"),
        ("a-1=0", "(= (- a 1) 0)"),
        ("1 + 2 * 3 ^ 2 = 19", "(= (+ 1 (* 2 (^ 3 2))) 19)"),
        ("a DIV 2 % 3 = 1", "(= (% (div a 2) 3) 1)"),
        ("a NOT BETWEEN 1 AND 2 AND b", "(and (not (between a 1 2)) b)"),
        ("a not in (1, -2, 3.5)", "(not (in a [1 -2 3.5]))"),
        ("a NOT LIKE 'x%'", "(not (like a 'x%'))"),
        ("a IS NOT NULL", "(not (isnull a))"),
        ("CASEI(a) = casei('X')", "(= (casei a) (casei 'X'))"),
        ("a = .5e-1", "(= a 0.05)"),
        ("a <> 'it''s' AND b = 'it\\'s' AND c = 'back\\slash'", "(and (<> a 'it's') (= b 'it's') (= c 'back\\slash'))"),
        # Words of the language are columns where they cannot be anything else.
        ("order > 1 AND indeed < 2 AND notes = 3", "(and (> order 1) (< indeed 2) (= notes 3))"),
        ("date = DATE('2020-01-01')", "(= date (date '2020-01-01'))"),
        ("point = 1", "(= point 1)"),
        ('"and" = 1 AND "a ""b"" c" = 2', '(and (= and 1) (= a "b" c 2))'),
        ("größe > 1 AND _x = 2 AND a.b = 3 AND a:b = 4", "(and (> größe 1) (= _x 2) (= a.b 3) (= a:b 4))"),
        ("t BETWEEN 2001-01-01 AND 2001-12-31T10:23", "(between t (date '2001-01-01') (timestamp '2001-12-31T10:23:00Z'))"),
        ("a = 2001 -01-01 AND b = 2001-1-1", "(and (= a (- (- 2001 1) 1)) (= b (- (- 2001 1) 1)))"),
        ("a ILIKE 'X%'", "(like (casei a) (casei 'X%'))"),
        ("f()", "(f)"),
        ("f((1, 2), (3))", "(f [1 2] 3)"),
        ("S_INTERSECTS(g, POINT(1 -2))", "(s_intersects g POINT(1 -2))"),
        ("f(point z (1 2 3), POINTZ(1 2 3))", "(f POINT(1 2 3) POINT(1 2 3))"),
        ("f(MULTIPOINT(1 2, 3 4), MULTIPOINT((1 2), (3 4)))", "(f MULTIPOINT((1 2) (3 4)) MULTIPOINT((1 2) (3 4)))"),
        ("f(POLYGON((0 0,1 0,1 1,0 0)))", "(f POLYGON(((0 0) (1 0) (1 1) (0 0))))"),
        ("f(GEOMETRYCOLLECTION(POINT(1 2), LINESTRING(0 0, 1 1)))", "(f GEOMETRYCOLLECTION(POINT(1 2), LINESTRING((0 0) (1 1))))"),
        ("  \n\t a \r\n = 1 ", "(= a 1)"),
        ("(" * 200 + "a = 1" + ")" * 200, "(= a 1)"),
    ],
)  # fmt: skip
def test_text_has_one_meaning(text: str, meaning: str) -> None:
    assert plain(read(text)) == meaning


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", 1, "the filter is empty"),
        ("   ", 1, "the filter is empty"),
        ("a =", 3, "something is missing after this"),
        ("a = 1 AND", 9, "something is missing after this"),
        ("a == 1", 4, "'=' cannot stand here"),
        ("a = 1 b", 7, "'b' cannot stand here"),
        ("a = 'x", 5, "the text that begins here is not closed"),
        ('"a = 1', 1, "the name that begins here is not closed"),
        ("a = 1; DROP TABLE x", 6, "';' cannot stand here"),
        ("whole = 1 -- comment", 14, "there is no column 'comment'"),
        ("a = b = c", 7, "'=' cannot stand here"),
        ("a = $1", 5, "'$' cannot stand here"),
        ("größe = §", 9, "'§' cannot stand here"),
        ("S_INTERSECTS(geom, POINT(1))", 20, "these are not the coordinates of a POINT"),
        ("S_INTERSECTS(geom, POINT(1 2 3 4 5))", 20, "these are not the coordinates of a POINT"),
        ("CASEI(name, name) = 'x'", 1, "casei takes 1 argument, not 2"),
        ("whole = ANY(1)", 9, "there is no function 'any'."),
        ("day = 2024-02-30", 7, "the value must be a date"),
        ("day = 2024-02-29x", 17, "'x' cannot stand here"),
        ("S_INTERSECTS(geom, POINT EMPTY)", 20, "an empty geometry meets nothing"),
        ("S_INTERSECTS(geom, LINESTRING(0 0))", 20, "a line has at least two positions"),
        ("S_INTERSECTS(geom, POLYGON((0 0,1 0,1 1,0 1)))", 20, "the last is the first"),
        ("S_INTERSECTS(geom, POLYGON((0 0,1 1,1 0,0 1,0 0)))", 20, "not valid: Self-intersection"),
        ("S_INTERSECTS(geom, LINESTRING(0 0,0 0))", 20, "not valid"),
        ("S_INTERSECTS(geom, POINT((1 2)))", 20, "these are not the coordinates of a POINT"),
        ("S_INTERSECTS(geom, GEOMETRYCOLLECTION(GEOMETRYCOLLECTION(POINT(1 2))))", 39, "no collections"),
        ("S_INTERSECTS(geom, POINT(1e999 2))", 26, "a coordinate must be finite"),
        ("S_INTERSECTS(geom, BBOX(1, 2, 3))", 20, "BBOX takes four numbers"),
        ("S_INTERSECTS(geom, BBOX(1, 2, 3, 'x'))", 20, "BBOX takes four numbers"),
        ("S_INTERSECTS(geom, BBOX(1, 5, 3, 2))", 20, "the lower corner before the upper one"),
        ("S_INTERSECTS(geom, whole)", 20, "column 'whole' (int4) is no geometry; 'geom' is one"),
        ("S_INTERSECTS(geom, 1)", 20, "a geometry as POINT(1 2), a BBOX or the layer's geometry"),
        ("S_INTERSECTS(POINT(1 2), POINT(1 2))", 1, "one side of S_INTERSECTS must be the layer's geometry"),
        ("S_INTERSECTS(geom)", 1, "s_intersects takes 2 arguments, not 1"),
        ("S_INTERSECT(geom, POINT(1 2))", 1, "there is no function 's_intersect'. Did you mean S_INTERSECTS"),
        ("pg_sleep(10) = 1", 1, "there is no function 'pg_sleep'"),
        ("whole = 1 AND pg_read_file('x') = 'y'", 15, "there is no function 'pg_read_file'"),
        ("wole = 1", 1, "there is no column 'wole' in public.things. Did you mean whole"),
        ("whole = 1 AND ctid = '(0,1)'", 15, "there is no column 'ctid'"),
        ("public.things.whole = 1", 1, "there is no column"),
        ("geom = 1", 1, "'geom' is a geometry"),
        ("whole = NULL", 9, "nothing compares with NULL; IS NULL asks for it"),
        ("whole IN (1, (2, 3))", 15, "a list can stand only after IN"),
        ("whole", 1, "column 'whole' (int4) is no condition"),
        ("1", 1, "the number 1 is no condition"),
        ("whole = 1 AND 'x'", 15, "the text 'x' is no condition"),
        ("BBOX(1,2,3,4) = 1", 1, "BBOX cannot stand here"),
        ("ACCENTI(whole) = 'x'", 9, "ACCENTI takes text"),
        ("CASEI(whole) = 'x'", 7, "CASEI takes text"),
        ("DATE(day) = day", 1, "DATE takes one text in quotes"),
    ],
)  # fmt: skip
def test_error_gives_its_character(text: str, place: int, said: str) -> None:
    error = refusal(text)
    assert error.place == f"character {place}"
    assert said in error.said


@pytest.mark.parametrize(
    "text",
    [
        "(" * LONGEST, "(" * 20, "(" * 20 + "whole = 1", "((" * 2000 + "whole = 1" + "))" * 2000 + ")",
        "NOT " * 2000 + "yes", "-" * 9000 + "whole = 1", "whole = 1" + " AND whole = 1" * 700, "whole" + "+whole" * 1600 + " = 1",
        "'" * 9999, "name = '" + "\\'" * 4900, '"' * 9999, "POINT" * 2000, "POINT(" * 1600, "S_INTERSECTS(" * 700,
        "whole = " + "9" * 9000, "whole = 1e999999999", "whole = 0." + "0" * 400 + "1", "POINT" + " " * 9000, "a." * 4999,
        "a" * (LONGEST + 1), "NOT" * 3000, "whole IN (" + "1," * 4900, "f(" + "(1)," * 2400, "%" * 10000, "\0" * 5000,
    ],
)  # fmt: skip
def test_awful_text_is_refused_at_once(text: str) -> None:
    accepted("whole = 1")
    started = time.thread_time()  # not the time that others take from this machine
    error = refusal(text)
    assert time.thread_time() - started < 1.0
    assert error.place.startswith("character ")


def test_limits_are_what_they_say() -> None:
    assert str(refusal("x" * (LONGEST + 1))) == f"at character {LONGEST + 1}: a filter may have {LONGEST} characters, not {LONGEST + 1}."
    accepted("NOT " * (DEEPEST - 2) + "whole = 1")
    assert f"more than {DEEPEST} deep" in refusal("NOT " * (DEEPEST - 1) + "whole = 1").said
    most = (MOST_NODES - 1) // 3
    accepted(" OR ".join(["yes = TRUE"] * most))
    assert f"{MOST_NODES} names" in refusal(" OR ".join(["yes = TRUE"] * (most + 1))).said


def test_text_that_postgresql_cannot_hold_is_refused() -> None:
    assert "NUL" in refusal("name = 'a\0b'").said
    assert "surrogates" in refusal("name = '\ud800'").said


def test_numbers_are_read_exactly() -> None:
    read_number = read("a = 12345678901234567890.123456789")
    assert plain(read_number) == f"(= a {Decimal('12345678901234567890.123456789')})"


def test_refusal_is_a_value_error_with_a_place() -> None:
    with pytest.raises(ValueError, match="at character 1: there is no column 'x'"):
        accepted("x = 1")
    assert isinstance(refusal("x = 1"), FilterError)
    assert TABLE.id in str(refusal("x = 1"))
