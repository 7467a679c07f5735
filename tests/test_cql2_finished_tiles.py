"""What would choose rows, asked of layers that return finished tiles: a 400, unless it is an argument of theirs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.extension import Flagstone
from app.layers.sql_layer import SqlLayer
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import decoded, get

_TILE = "SELECT public.ST_AsMVT(made, 'told') FROM (SELECT public.ST_Point(9, 9) AS geom, {} AS word) AS made"
_FUNCTIONS = (
    ("plain", "z int, x int, y int, word text DEFAULT 'none'", "word"),
    ("own_filter", "z int, x int, y int, filter text DEFAULT 'none'", "filter"),
    ("own_choices", "z int, x int, y int, ids text DEFAULT NULL, bbox text DEFAULT NULL, datetime text DEFAULT NULL",
     "coalesce('ids ' || ids, 'bbox ' || bbox, 'datetime ' || datetime)"),
    ("by_query", "z int, x int, y int, query json", "query::text"),
    ("by_box", "xmin float, ymin float, xmax float, ymax float, epsg int, query_params json", "query_params::text"),
)


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        for name, arguments, word in _FUNCTIONS:
            body = _TILE.format(word).replace("ST_Point(9, 9)", "ST_MakePoint(9, 9)")
            connection.execute(f"CREATE FUNCTION {name}({arguments}) RETURNS bytea LANGUAGE sql STABLE AS $${body}$$".encode())
        connection.execute("CREATE TABLE rows (id int PRIMARY KEY, word text, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO rows VALUES (1, 'a', 'SRID=4326;POINT(1 1)'), (2, 'b', 'SRID=4326;POINT(2 2)')")
    host = Flask("host")
    flagstone = Flagstone(
        DATABASE_URL=made, layers=[SqlLayer(id="statement", sql=_TILE.format("'x'").replace("ST_Point", "ST_MakePoint"))]
    )
    flagstone.init_app(host)
    yield host
    flagstone.close()
    server.drop(made)


def told(app: Flask, path: str) -> Any:
    """What a function says that it was given."""
    (feature,) = decoded(get(app, path))["told"]["features"]
    return feature["properties"]["word"]


@pytest.mark.parametrize("layer", ["plain", "statement"])
def test_a_filter_of_finished_tiles_is_400_and_says_why(layer: str, app: Flask) -> None:
    for path in (f"/tiles/{layer}/0/0/0", f"/{layer}/tilejson.json"):
        response = get(app, f"{path}?filter=word='a'")
        assert response.status_code == 400
        problem = response.get_json()
        assert problem["parameter"] == "filter"
        assert problem["detail"].endswith("returns finished tiles: there are no rows that filter could choose.")


@pytest.mark.parametrize("layer", ["plain", "statement"])
@pytest.mark.parametrize("query", ["filter=", "filter-lang=cql2-json", "filter-crs=4326&filter-lang=x"])
def test_what_only_goes_with_a_filter_is_nothing_without_one(query: str, layer: str, app: Flask) -> None:
    assert get(app, f"/tiles/{layer}/0/0/0?{query}").status_code == 200


def test_an_argument_of_that_name_gets_it(app: Flask) -> None:
    assert told(app, "/tiles/own_filter/0/0/0?filter=not cql (") == "not cql ("
    for layer in ("by_query", "by_box"):
        assert json.loads(told(app, f"/tiles/{layer}/0/0/0?filter=not cql (")) == {"filter": "not cql ("}


def test_in_a_composite_a_filter_for_all_must_fit_all(app: Flask) -> None:
    for layer in ("plain", "statement"):
        response = get(app, f"/tiles/rows,{layer}/0/0/0?filter=word='a'")
        assert (response.status_code, response.get_json()["parameter"]) == (400, "filter")
        response = get(app, f"/tiles/rows,{layer}/0/0/0?{layer}.filter=word='a'")
        assert (response.status_code, response.get_json()["parameter"]) == (400, f"{layer}.filter")
        layers = decoded(get(app, f"/tiles/rows,{layer}/0/0/0?rows.filter=word='a'"))
        assert [feature["id"] for feature in layers["public.rows"]["features"]] == [1]
        assert len(layers) == 2


CHOICES = [("ids", "1,2"), ("bbox", "5,45,11,48"), ("datetime", "2024-02-29")]
"""What chooses rows beside a filter."""


@pytest.mark.parametrize("layer", ["plain", "statement"])
@pytest.mark.parametrize(("name", "value"), CHOICES)
def test_no_rows_can_be_chosen_of_finished_tiles(layer: str, name: str, value: str, app: Flask) -> None:
    for path in (f"/tiles/{layer}/0/0/0", f"/{layer}/tilejson.json", f"/{layer}/0/0/0"):
        response = get(app, f"{path}?{name}={value}")
        assert response.status_code == 400
        problem = response.get_json()
        assert problem["parameter"] == name
        assert problem["detail"].endswith(f"returns finished tiles: there are no rows that {name} could choose.")
    assert get(app, f"/tiles/{layer}/0/0/0?{name}=").status_code == 200


@pytest.mark.parametrize(("name", "value"), CHOICES)
def test_a_function_with_an_argument_of_that_name_gets_it(name: str, value: str, app: Flask) -> None:
    assert told(app, f"/tiles/own_choices/0/0/0?{name}={value}") == f"{name} {value}"
    for layer in ("by_query", "by_box"):
        assert list(json.loads(told(app, f"/tiles/{layer}/0/0/0?{name}={value}"))) == [name]


@pytest.mark.parametrize(("name", "value"), [("ids", "1"), ("bbox", "0,0,1.5,1.5")])
def test_in_a_composite_a_choice_is_for_those_that_have_rows(name: str, value: str, app: Flask) -> None:
    for layer in ("plain", "statement"):
        layers = decoded(get(app, f"/tiles/rows,{layer}/0/0/0?{name}={value}"))
        assert [feature["id"] for feature in layers["public.rows"]["features"]] == [1]
        assert len(layers) == 2
        response = get(app, f"/tiles/rows,{layer}/0/0/0?{layer}.{name}={value}")
        assert (response.status_code, response.get_json()["parameter"]) == (400, f"{layer}.{name}")
    response = get(app, f"/tiles/plain,statement/0/0/0?{name}={value}")
    assert (response.status_code, response.get_json()["parameter"]) == (400, name)


def test_what_says_how_rows_are_drawn_means_nothing_to_finished_tiles(app: Flask) -> None:
    drawing = "limit=1&resolution=512&buffer=0&clip=false&simplify=false&columns=word&sortby=word&json=open"
    for layer in ("plain", "statement"):
        assert get(app, f"/tiles/{layer}/0/0/0?{drawing}").status_code == 200
