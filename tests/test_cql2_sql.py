"""Filters as a map sees them: the rows that are in the tile, and what is a 400."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from tests.conftest import Login, MakeApp
from tests.cql2_filtered import WORLD, application, filtered_database, ids, refused
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import decoded, get


@pytest.fixture(scope="module")
def dsn(server: DatabaseServer, template: str) -> Iterator[str]:
    with filtered_database(server, template) as made:
        yield made


@pytest.fixture(scope="module")
def filtered(dsn: str) -> Iterator[Flask]:
    with application(dsn) as app:
        yield app


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("whole = 10", [1]),
        ("whole <> 10", [2, 4]),
        ("NOT whole = 10", [2, 4]),
        ("whole IS NULL", [3]),
        ("whole IS NOT NULL AND yes", [1, 4]),
        ("yes = FALSE", [2]),
        ("whole > -10 AND whole < 20", [1]),
        ("whole > 9.5", [1, 2]),
        ("huge = 9007199254740993", [1]),
        ("huge < 9007199254740993", [2, 4]),
        ("huge >= -9223372036854775808", [1, 2, 4]),
        ("huge < 99999999999999999999999", [1, 2, 4]),
        ("price = 1.1", [1]),
        ("price = 12345678901234567890.5", [4]),
        ("price = 12345678901234567890", []),
        ("share >= 50", [2]),
        ("part = 0.1", [1]),
        ("part IN (0.1, 0.2)", [1, 2]),
        ("part < 1e300", [1, 2]),
        ("double = 0.1", [1]),
        ("double > 5", [4]),
        ("name = 'Zürich'", [1]),
        ("name = 'O''Brien'", [2]),
        (r"name = 'O\'Brien'", [2]),
        ("name LIKE 'Z%'", [1]),
        ("name NOT LIKE 'Z%'", [2, 4]),
        (r"name LIKE '100\%%'", [4]),
        (r"name LIKE '%\\ \%s%'", [4]),
        ("name LIKE '_ürich'", [1]),
        ("CASEI(name) = CASEI('zÜRICH')", [1]),
        ("CASEI(name) LIKE CASEI('o%BRIEN')", [2]),
        ("short = ''", [4]),
        ("short IN ('one', 'two', 'three')", [1, 2]),
        ("short NOT IN ('one')", [2, 4]),
        ("fixed = 'ab'", [1]),
        ("fixed IN ('ab', 'cd')", [1, 2]),
        ("fixed LIKE 'ab'", [1]),
        ("label = 'n2'", [2]),
        ("folded = 'mixed'", [1, 4]),
        ("folded IN ('MIXED', 'x')", [1, 4]),
        ("folded LIKE 'mix%'", [1, 4]),
        ("size = 'LARGE'", [2]),
        ("size IN ('small', 'so \"odd\"', 'nothing')", [1, 4]),
        ("size = 'no such label'", []),
        ("size LIKE 'so%'", [4]),
        ("day = DATE('2024-02-29')", [1]),
        ("day = '2024-02-29'", [1]),
        ("day > DATE('2024-02-29')", [2, 4]),
        ("day IN (DATE('2024-02-29'), DATE('2024-03-01'))", [1, 2]),
        ("day BETWEEN DATE('2024-01-01') AND DATE('2024-12-31')", [1, 2]),
        ("day < TIMESTAMP('2024-02-29T00:00:01Z')", [1]),
        ("moment = TIMESTAMP('2024-02-29T12:00:00Z')", [1]),
        ("moment < DATE('2024-01-01')", [4]),
        ("instant = TIMESTAMP('2024-02-29T13:00:00+01:00')", [1]),
        ("instant >= '2024-03-01'", [2]),
        ("clock = '12:00'", [1]),
        ("code = '00000000-0000-0000-0000-00000000000A'", [1]),
        ("code IN ('00000000-0000-0000-0000-00000000000a')", [1]),
        ("tree IS NULL", [3]),
        ("tags IS NOT NULL", [1, 2, 4]),
        ("T_AFTER(instant, TIMESTAMP('2024-02-29T12:00:00Z'))", [2, 4]),
        ("T_INTERSECTS(instant, DATE('2024-02-29'))", [1, 4]),
        ("T_DURING(instant, INTERVAL('2024-02-29T00:00:00Z', '2024-02-29T23:00:00Z'))", [1]),
        ("T_INTERSECTS(instant, INTERVAL('2024-02-29', '2024-02-29'))", [1, 4]),
        ("T_BEFORE(day, INTERVAL('2024-03-01', '..'))", [1]),
        ("T_INTERSECTS(INTERVAL(day, '..'), INTERVAL('2024-03-01', '2024-03-05'))", [1, 2]),
        ("T_DISJOINT(INTERVAL(moment, instant), INTERVAL('2024-03-01', '..'))", [1, 4]),
        ("whole + 1 = 11", [1]),
        ("whole / 4 = 2.5", [1]),
        ("whole div 4 = 2", [1]),
        ("whole % 7 = 3", [1]),
        ("-whole = 10", [4]),
        ("whole * -1 - 1 = -11", [1]),
        ("tiny ^ 2 = 4", [2]),
        ("whole / 0 IS NULL", [1, 2, 3, 4]),
        ("huge * huge > 1", [1, 2, 4]),
        ("huge + 9223372036854775807 + 1 = 0", [4]),
        ("double * 2 = 0.4", [2]),
        ("whole = tiny * 10", [1, 2, 4]),
        ("price > double", [1, 2]),
        ("\"Odd \"\"name\"\" %s\" = 2", [2]),
        ("\"and\" = 2 OR \"and\" = 4", [2, 4]),
        ("TRUE", [1, 2, 3, 4]),
        ("FALSE OR 1 = 2", []),
        ("(whole = 10) = yes", [1, 2]),
        ("A_CONTAINS(tags, ('a', 'b'))", [1]),
        ("A_CONTAINS(tags, ('b'))", [1, 2]),
        ("A_EQUALS(tags, ('b', 'a', 'a'))", [1]),
        ("A_CONTAINEDBY(tags, ('a', 'b', 'c'))", [1, 2, 4]),
        ("A_OVERLAPS(numbers, (2, 3))", [1, 2]),
        ("A_OVERLAPS(('a', 'z'), tags)", [1]),
        ("NOT A_EQUALS(numbers, numbers)", []),
        ("A_CONTAINS(tags, ('x'') OR (1=1', '{},\"%s'))", []),
        ("day > 2024-02-29 AND instant < 2024-03-01T00:01", [2, 4]),
        ("day BETWEEN 2024-02-01 AND 2024-02-29", [1]),
        ("INTERSECTS(geom, ENVELOPE(0, 0, 20, 60))", [1]),
        ("WITHIN(geom, POLYGON((0 0, 20 0, 20 60, 0 60, 0 0)))", [1]),
        ("DWITHIN(geom, POINT(8 47), 1)", [1]),
        ("DWITHIN(POINT(8 47), geom, 0.5)", []),
        ("NOT DWITHIN(geom, POINT(8 47), 200)", [4]),
        ("name ILIKE 'zÜR%' OR name NOT ILIKE '%\\_SURE\\_%' AND id = 2", [1, 2]),
        ("geom IS NOT NULL", [1, 2, 3, 4]),
        ("S_INTERSECTS(geom, BBOX(0, 0, 20, 60))", [1]),
        ("S_INTERSECTS(geom, BBOX(170, -50, -170, 0))", [3, 4]),
        ("S_INTERSECTS(geom, BBOX(8.5, 47.4, 8.5, 47.4))", [1]),
        ("S_INTERSECTS(geometry, POINT(8.5 47.4))", [1]),
        ("S_DISJOINT(geom, POLYGON((0 0, 20 0, 20 60, 0 60, 0 0)))", [2, 3, 4]),
        ("S_WITHIN(geom, MULTIPOLYGON(((0 0, 20 0, 20 60, 0 60, 0 0))))", [1]),
        ("NOT S_INTERSECTS(geom, BBOX(0, 0, 20, 60)) AND whole = 20", [2]),
    ],
)  # fmt: skip
def test_filter_chooses_rows(text: str, found: list[int], filtered: Flask) -> None:
    assert ids(filtered, "things", text) == found


_ALIKE = (
    (("tiny", "whole", "huge", "part", "double", "price", "share", "1", "1.5", "99999999999999999999", "-0.1", "(whole + 1)", "(double * 2)"),
     ("=", "<>", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "div")),
    (("name", "short", "fixed", "label", "folded", "CASEI(name)", "CASEI(fixed)", "CASEI(folded)", "CASEI(size)", "'ab'"),
     ("=", "<>", "<", ">", "<=", ">=")),
    (("size", "name", "short", "fixed", "label", "folded", "'small'"), ("=", "<>")),
    (("day", "moment", "instant", "DATE('2024-02-29')", "TIMESTAMP('2024-02-29T12:00:00Z')"), ("=", "<>", "<", ">", "<=", ">=")),
    (("yes", "TRUE", "(whole = 1)"), ("=", "<>")),
    (("clock", "'12:00'"), ("=", "<>", "<", ">")),
    (("code", "'00000000-0000-0000-0000-00000000000a'"), ("=", "<>", "<", ">")),
)  # fmt: skip


@pytest.mark.parametrize(("operands", "operators"), _ALIKE)
def test_whatever_is_accepted_runs(operands: tuple[str, ...], operators: tuple[str, ...], filtered: Flask) -> None:
    """Each pair of alike columns and literals with each operator: PostgreSQL has one for all that the checker lets pass."""
    parts = []
    for left in operands:
        for right in operands:
            for operator in operators:
                text = f"{left} {operator} {right}"
                parts.append(text if operator in "=<><=>=" else f"{text} > 1")
            parts.append(f"{left} IN ({right}, {right})")
    for first in range(0, len(parts), 40):
        # Not AND, nor a bare OR: what decides early spares the rest.
        ids(filtered, "things", " OR ".join(f"(({part}) IS NULL AND FALSE)" for part in parts[first : first + 40]))
        ids(filtered, "things", " OR ".join(f"(({part}) = (id < 0))" for part in parts[first : first + 40]))


@pytest.mark.parametrize("name", ["name", "short", "fixed", "label", "folded", "size", "CASEI(name)", "CASEI(size)", "'ab'"])
def test_like_runs_on_every_text(name: str, filtered: Flask) -> None:
    for pattern in ("'a%'", "CASEI('A%')", "''", r"'\%'"):
        ids(filtered, "things", f"{name} LIKE {pattern}")


@pytest.mark.parametrize(
    "text", ["whole ^ 400 > 1", "(tiny - 1) ^ -1 > 0", "tiny ^ 0.5 > 0", "double * 1e300 * 1e300 > 1e300 * double ^ 3"]
)
def test_arithmetic_without_a_result_is_400(text: str, filtered: Flask) -> None:
    assert "out of range, for the values of a row" in refused(filtered, "things", text)


def test_unknown_language_is_400(filtered: Flask) -> None:
    assert "filter-lang must be cql2-text or cql2-json" in refused(filtered, "things", "whole = 1", filter_lang="cql-text")
    assert ids(filtered, "things", "whole = 10", filter_lang="cql2-text") == [1]
    assert ids(filtered, "things", '{"op": "=", "args": [{"property": "whole"}, 10]}', filter_lang="cql2-json") == [1]
    assert ids(filtered, "things", '{"op": "=", "args": [{"property": "whole"}, 10]}') == [1]


def test_error_names_parameter_place_and_nearest_column(filtered: Flask) -> None:
    response = filtered.test_client().get(f"/tiles/things/{WORLD}", query_string={"filter": "yes AND wholr = 1"})
    assert response.status_code == 400
    problem = response.get_json()
    assert problem["parameter"] == "filter"
    assert problem["detail"].startswith("filter, at character 9: there is no column 'wholr' in public.things. Did you mean whole")


def test_empty_parameters_are_none(filtered: Flask) -> None:
    assert ids(filtered, "things", "") == [1, 2, 3, 4]
    assert ids(filtered, "things", "whole = 10", filter_lang="", filter_crs="") == [1]
    assert "the filter is empty" in refused(filtered, "things", "  ")


def test_two_different_filters_are_400(filtered: Flask) -> None:
    assert get(filtered, f"/tiles/things/{WORLD}?filter=whole=10&filter=whole=20").status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "whole = 10 OR 1 = 1",
        "1 = 1 OR whole = 10 OR TRUE",
        "NOT FALSE",
        "whole IS NULL OR whole IS NOT NULL",
        "S_INTERSECTS(geom, BBOX(-180, -90, 180, 90)) OR TRUE",
    ],
)
def test_no_filter_leaves_the_box_of_the_tile(text: str, filtered: Flask) -> None:
    # Row 1 lies in Zürich, the others on other continents.
    assert ids(filtered, "things", text, tile="4/8/5") == [1]


@pytest.mark.parametrize(
    "text",
    [
        "name = 'x'' OR ''1''=''1'",
        "name = 'x\\'' OR 1=1 --'",
        "name = '%s %(search)s %(filter1)s {} %%'",
        "name LIKE '%(filter1)s'",
        "name IN ('x'') OR (1=1', '%s')",
        "name = '$1; DROP TABLE things; --'",
        "CASEI(name) = CASEI('\\x27 OR 1=1')",
        "short = E'\\x'",
        "name = $$x$$",
        "name = U&'x'",
        "name = 'x'/**/OR/**/1=1",
        "name = 'a' UNION SELECT 1",
        "(SELECT 1) = 1",
        "name = current_user",
        "whole = pg_sleep(1)",
        "name::text = 'x'",
        "things.whole = 10",
        "source.whole = 10",
        '"whole\" = 10 OR \"" = 10',
        '"source"."whole" = 10',
        '"; DROP TABLE things; --" = 1',
        "whole = 10; DROP TABLE things",
        "S_INTERSECTS(geom, POINT(0 0);DROP)",
    ],
)
def test_injection_finds_nothing_or_is_400(text: str, filtered: Flask) -> None:
    response = filtered.test_client().get(f"/tiles/things/{WORLD}", query_string={"filter": text})
    assert response.status_code in (204, 400), response.get_data(as_text=True)
    assert ids(filtered, "things", "TRUE") == [1, 2, 3, 4]


def test_who_may_not_read_a_column_cannot_filter_by_it(dsn: str, make_app: MakeApp, login: Login) -> None:
    app = make_app(login(dsn, "reads_some", "GRANT SELECT (id, geom, name) ON things TO reads_some"))
    assert ids(app, "things", "name = 'Zürich'") == [1]
    assert "there is no column 'whole'" in refused(app, "things", "whole = 10")
    assert "whole" not in refused(app, "things", "wholes = 10").split("'wholes'")[1]


def test_a_filter_of_a_composite_holds_for_every_layer(filtered: Flask) -> None:
    path = f"/tiles/things,projected/{WORLD}"
    layers = decoded(filtered.test_client().get(path, query_string={"filter": "name LIKE 'Z%' OR name = 'a'"}))
    assert {name: sorted(f["id"] for f in layer["features"]) for name, layer in layers.items()} == {
        "public.things": [1], "public.projected": [1, 3],
    }  # fmt: skip
    response = filtered.test_client().get(path, query_string={"filter": "whole = 10"})
    assert response.status_code == 400
    assert "there is no column 'whole' in public.projected" in response.get_json()["detail"]
    layers = decoded(filtered.test_client().get(path, query_string={"filter": "S_INTERSECTS(geom, BBOX(8, 47, 9, 48))"}))
    assert {name: sorted(f["id"] for f in layer["features"]) for name, layer in layers.items()} == {
        "public.things": [1], "public.projected": [1],
    }  # fmt: skip


def test_columns_of_two_collations_are_400_not_500(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('CREATE TABLE words (id int PRIMARY KEY, a text COLLATE "C", b text COLLATE "POSIX", geom geometry(Point, 4326))')
        connection.execute("INSERT INTO words VALUES (1, 'a', 'a', 'SRID=4326;POINT(1 1)')")
    app = make_app(database)
    assert ids(app, "words", "a = 'a' AND b < 'b'") == [1]
    assert "different collations" in refused(app, "words", "a < b")


def test_like_on_a_collation_that_has_none_is_400(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        connection.execute("CREATE TABLE words (id int PRIMARY KEY, a text COLLATE loose, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO words VALUES (1, 'Ab', 'SRID=4326;POINT(1 1)')")
    app = make_app(database)
    assert ids(app, "words", "a = 'aB'") == [1]
    assert "LIKE cannot be used" in refused(app, "words", "a LIKE 'a%'")
