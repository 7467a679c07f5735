"""`/collections`: which collections are listed, and the pages that they come in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg
import pytest
from flask import Flask

from tests.cql2_filtered import application
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import get

_PLACES = {"africa": (20, 5), "europe": (10, 50), "fiji": (179.5, -18), "samoa": (-172, -13.5)}


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        for name, (x, y) in _PLACES.items():
            connection.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, geom geometry(Point, 4326))".encode())
            connection.execute(
                f"INSERT INTO {name} SELECT n, ST_Point({x} + n / 1000.0, {y}, 4326) FROM generate_series(1, 100) n".encode()
            )
            connection.execute(f"ANALYZE {name}".encode())
        connection.execute("CREATE TABLE nothing (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("CREATE VIEW in_europe AS SELECT * FROM europe")
        connection.execute("CREATE FUNCTION made(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT ''::bytea $$")
    with application(made) as found:
        yield found
    server.drop(made)


def listed(app: Flask, query: str) -> list[str]:
    return [each["id"].removeprefix("public.") for each in _document(app, f"/collections?{query}")["collections"]]


def _document(app: Flask, path: str) -> dict[str, Any]:
    response = get(app, path)
    assert response.status_code == 200, response.get_data(as_text=True)
    found: dict[str, Any] = response.get_json()
    return found


def _links(found: dict[str, Any]) -> dict[str, str]:
    return {each["rel"]: each["href"] for each in found["links"]}


@pytest.mark.parametrize(
    ("box", "there"),
    [
        ("0,40,20,60", {"europe"}),
        ("0,40,-1,20,60,9999", {"europe"}),
        ("-20,-40,60,60", {"africa", "europe"}),
        ("170,-30,-170,0", {"fiji", "samoa"}),
        ("170,-30,190,0", {"fiji", "samoa"}),
        ("20.05,5,20.05,5", {"africa"}),
        ("-180,-90,180,90", {"africa", "europe", "fiji", "samoa"}),
        ("0,80,1,81", set()),
        ("", {"africa", "europe", "fiji", "samoa"}),
    ],
)
def test_a_box_leaves_the_collections_that_meet_it(box: str, there: set[str], app: Flask) -> None:
    # Where it is not known where a collection lies it may be anywhere: the empty table, a function.
    found = set(listed(app, f"bbox={quote(box)}")) - {"in_europe"}
    assert found == there | {"nothing", "made"}


def test_a_type_leaves_tables_or_functions(app: Flask) -> None:
    assert set(listed(app, "type=Table")) == {*_PLACES, "nothing", "in_europe"}
    assert listed(app, "type=Function") == ["made"]
    assert set(listed(app, "type=")) == {*_PLACES, "nothing", "in_europe", "made"}


@pytest.mark.parametrize("datetime", ["2024-01-01", "2024-01-01T00:00:00Z/..", "../1900-01-01", ""])
def test_a_time_leaves_all_since_none_says_when_it_was(datetime: str, app: Flask) -> None:
    assert listed(app, f"datetime={datetime}") == listed(app, "")


def test_pages_keep_what_was_asked_for(app: Flask) -> None:
    query = "type=Table&bbox=-180,-90,180,90&key=a%20b"
    everything = listed(app, query)
    found, seen, path = {}, [], f"/collections?{query}&limit=2"
    while path:
        found = _document(app, path)
        seen += [each["id"].removeprefix("public.") for each in found["collections"]]
        assert found["numberReturned"] == len(found["collections"]) <= 2
        assert found["numberMatched"] == len(everything)
        address = _links(found).get("next", "")
        path = address.removeprefix("http://localhost")
        if address:
            asked = parse_qs(urlsplit(address).query)
            assert (asked["type"], asked["bbox"], asked["key"]) == (["Table"], ["-180,-90,180,90"], ["a b"])
    assert seen == everything
    back = _document(app, _links(found)["prev"].removeprefix("http://localhost"))
    assert [each["id"].removeprefix("public.") for each in back["collections"]] == everything[-4:-2]


def test_a_limit_above_the_number_and_minus_one_are_all(app: Flask) -> None:
    assert listed(app, "limit=1000") == listed(app, "limit=-1") == listed(app, "limit=") == listed(app, "")
    assert listed(app, "type=Function&limit=1&offset=1") == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("bbox=1,2,3", "bbox"), ("bbox=a,b,c,d", "bbox"), ("bbox=0,91,1,92", "bbox"), ("bbox=0,10,1,5", "bbox"), ("bbox=nan,0,1,1", "bbox"),
        ("bbox=0,0,1,1&bbox=0,0,2,2", "bbox"), ("datetime=yesterday", "datetime"), ("datetime=2024-02-30", "datetime"),
        ("datetime=../..", "datetime"), ("datetime=2025-01-01/2024-01-01", "datetime"), ("type=table", "type"), ("type=View", "type"),
        ("type=Table&type=Function", "type"), ("limit=0", "limit"), ("limit=-2", "limit"), ("limit=x", "limit"), ("limit=1.5", "limit"),
        ("offset=-1", "offset"), ("offset=1e3", "offset"), ("limit=1&limit=2", "limit"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_400_and_named(query: str, parameter: str, app: Flask) -> None:
    response = get(app, f"/collections?{query}")
    assert (response.status_code, response.get_json()["parameter"]) == (400, parameter)


def test_numbers_beyond_all_collections_are_the_end_of_the_list(app: Flask) -> None:
    assert listed(app, f"offset={'9' * 40}") == []
    assert listed(app, f"limit={'9' * 5000}") == listed(app, "")
