"""Filters agree with what Python makes of the expression that was generated: three values of truth, exact numbers.

The expression is judged as the generator made it, so that parser, checker and SQL are all under test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from app import create_app
from app.settings import Settings
from tests.cql2_expressions import ROWS, Node, document_of, either, expressions
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import decoded


@pytest.fixture(scope="module")
def client(server: DatabaseServer, template: str) -> Iterator[Client]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE drawn (id int PRIMARY KEY, w int, h bigint, n numeric, f double precision, s text COLLATE "C",'
            ' t varchar COLLATE "C", b boolean, d date, i timestamptz, geom geometry(Point, 4326))'
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO drawn VALUES (%(id)s, %(w)s, %(h)s, %(n)s, %(f)s, %(s)s, %(t)s, %(b)s, %(d)s, %(i)s,"
                " ST_Point(%(x)s, %(y)s, 4326))", ROWS,
            )  # fmt: skip
    app: Flask = create_app(Settings.of(DATABASE_URL=made, CACHE_TYPE="NullCache"))
    yield app.test_client()
    app.extensions["flagstone"].close()
    server.drop(made)


_settings = settings(
    max_examples=250, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)  # fmt: skip


def _found(client: Client, tile: str = "0/0/0", **parameters: str) -> list[int]:
    given = {name.replace("_", "-"): value for name, value in parameters.items()}
    response = client.get(f"/tiles/drawn/{tile}", query_string=given)
    return sorted(feature["id"] for layer in decoded(response).values() for feature in layer["features"])


@_settings
@given(expressions)
def test_rows_of_a_tile_are_those_for_which_the_expression_is_true(client: Client, node: Node) -> None:
    wanted = [row["id"] for row in ROWS if node.value(row) is True]
    assert _found(client, filter=node.text) == wanted, node.text
    written = document_of(node.json)
    assert _found(client, filter=written, filter_lang="cql2-json") == wanted, written


@_settings
@given(expressions, expressions)
def test_no_expression_leaves_the_box_of_the_tile(client: Client, one: Node, other: Node) -> None:
    # The tile's box with its buffer: 0 to 5.625 degrees and a 16th of it more on each side.
    inside = {row["id"] for row in ROWS if row["x"] < 5.97 and row["y"] < 5.97}
    found = set(_found(client, "6/32/31", filter=f"{one.text} OR {other.text}"))
    assert found == {row["id"] for row in ROWS if row["id"] in inside and either([one.value(row), other.value(row)]) is True}


_TOKENS = [
    "w", "s", "d", "geom", "nothing", '"w"', "'x'", "'", '"', "1", "1.5", "-", "+", "*", "/", "%", "^", "div", "(", ")", ",", "=", "<>", "<", "<=",
    "AND", "OR", "NOT", "LIKE", "IN", "BETWEEN", "IS", "NULL", "TRUE", "CASEI(", "DATE('2024-01-01')", "INTERVAL('..','..')", "BBOX(1,2,3,4)",
    "POINT(1 2)", "S_INTERSECTS(geom,", "T_AFTER(i,", "pg_sleep(1)", ";", "--", "$1", "%s", "\\", "\0", "é", "EMPTY", "POLYGON((", "{", "[", ":w",
]  # fmt: skip


@_settings
@given(st.lists(st.sampled_from(_TOKENS), max_size=14).map(" ".join))
def test_any_text_is_a_filter_or_400(client: Client, text: str) -> None:
    response = client.get("/tiles/drawn/0/0/0", query_string={"filter": text})
    assert response.status_code in (200, 204, 400), (text, response.get_data(as_text=True))
    if response.status_code == 400:
        detail = response.get_json()["detail"]
        assert detail.startswith(("filter, at character ", "filter, at $", "filter cannot be used: ")), detail


_anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["w", "s", "..", "2024-01-01"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.builds(
            lambda name, args: {"op": name, "args": args},
            st.sampled_from(["and", "or", "not", "=", "<", "in", "like", "between", "isNull", "+", "div", "casei", "s_within", "t_after", "x"]),
            st.lists(inner, max_size=3),
        ),
        st.builds(lambda name, value: {name: value}, st.sampled_from(["property", "date", "timestamp", "interval", "bbox", "op", "args"]), inner),
        st.builds(lambda kind, value: {"type": kind, "coordinates": value}, st.sampled_from(["Point", "Polygon", "LineString", "x"]), inner),
    ),
    max_leaves=10,
)  # fmt: skip


@_settings
@given(_anything)
def test_any_document_is_a_filter_or_400(client: Client, document: Any) -> None:
    response = client.get("/tiles/drawn/0/0/0", query_string={"filter": json.dumps(document), "filter-lang": "cql2-json"})
    assert response.status_code in (200, 204, 400), (document, response.get_data(as_text=True))
