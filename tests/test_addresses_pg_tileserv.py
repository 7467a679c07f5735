"""The addresses of pg_tileserv: index, detail of a layer, tiles."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import decoded, followed, get


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    return make_app(sample_database)


def test_index_has_every_layer_by_its_id(app: Flask) -> None:
    index: Any = get(app, "/index.json").json
    assert index["sample.countries"] == {
        "type": "table",
        "id": "sample.countries",
        "name": "countries",
        "schema": "sample",
        "description": index["sample.countries"]["description"],
        "detailurl": "http://localhost/sample.countries.json",
    }
    others = [*(get(app, "/tables.json").json or []), *(get(app, "/functions.json").json or [])]
    assert set(index) == {layer["id"] for layer in others}


def test_detail_has_what_pg_tileserv_tells(app: Flask) -> None:
    detail: Any = get(app, "/sample.countries.json").json
    assert {name: detail[name] for name in ("id", "schema", "name", "geometrytype", "minzoom", "maxzoom")} == {
        "id": "sample.countries", "schema": "sample", "name": "countries", "geometrytype": "MultiPolygon", "minzoom": 0,
        "maxzoom": 22,
    }  # fmt: skip
    assert detail["tileurl"] == "http://localhost/sample.countries/{z}/{x}/{y}.pbf"
    assert detail["sourcelayer"] == "sample.countries"
    west, south, east, north = detail["bounds"]
    assert detail["center"] == [(west + east) / 2, (south + north) / 2]
    assert -181 < west < -170 < 170 < east < 181
    properties = {each["name"]: each for each in detail["properties"]}
    assert properties["name"]["type"] == "text"
    assert set(properties["name"]) == {"name", "type", "description"}


def test_tile_address_of_a_statement_answers_at_once(make_app: MakeApp, sample_database: str, tmp_path: Path) -> None:
    (tmp_path / "near.sql").write_text("SELECT id, geom FROM sample.liechtenstein_roads")
    app = make_app(sample_database, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    address: str = get(app, "/near.json").json["tileurl"]  # type: ignore[index]  # a layer's detail is an object
    for name, value in (("z", "10"), ("x", "539"), ("y", "359")):
        address = address.replace(f"{{{name}}}", value)
    assert set(decoded(get(app, address.removeprefix("http://localhost")))) == {"near"}


@pytest.mark.parametrize("suffix", ["pbf", "mvt"])
def test_tile_holds_a_layer_with_schema_and_name(app: Flask, suffix: str) -> None:
    layers = decoded(get(app, f"/sample.countries/0/0/0.{suffix}"))
    assert set(layers) == {"sample.countries"}
    assert "Brazil" in {feature["properties"]["name"] for feature in layers["sample.countries"]["features"]}


def test_several_layers_come_in_one_tile(app: Flask) -> None:
    layers = decoded(get(app, "/sample.countries,sample.cities/0/0/0.pbf?limit=3"))
    assert {name: len(layer["features"]) for name, layer in layers.items()} == {"sample.countries": 3, "sample.cities": 3}


def test_limit_resolution_and_buffer_are_understood(app: Flask) -> None:
    (layer,) = decoded(get(app, "/sample.countries/0/0/0.pbf?limit=5&resolution=512&buffer=16")).values()
    assert (len(layer["features"]), layer["extent"]) == (5, 512)
    assert get(app, "/sample.countries/0/0/0.pbf?limit=0").status_code == 400
    assert get(app, "/sample.countries/0/0/0.pbf?resolution=0").status_code == 400


def test_properties_and_filter_are_understood(app: Flask) -> None:
    (layer,) = decoded(get(app, "/sample.countries/0/0/0.pbf?properties=name&filter=name%20%3D%20%27Brazil%27")).values()
    assert [feature["properties"] for feature in layer["features"]] == [{"name": "Brazil"}]


def test_constant_layer_name_does_not_reach_these_addresses(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_MVT_LAYER_NAME="default")
    assert set(decoded(get(app, "/sample.countries/0/0/0.pbf"))) == {"sample.countries"}
    assert (get(app, "/sample.countries.json").json or {})["sourcelayer"] == "sample.countries"


def test_every_layer_of_an_awkward_database_has_detail_and_tile(make_app: MakeApp, oddity: Callable[[str], str]) -> None:
    app = make_app(oddity("same_names"))
    index: Any = get(app, "/index.json").json
    assert len(index) == 9
    for layer in index.values():
        detail: Any = get(app, layer["detailurl"].removeprefix("http://localhost")).json
        assert detail["id"] == layer["id"]
        path = detail["tileurl"].removeprefix("http://localhost")
        path = path.replace("{z}", "0").replace("{x}", "0").replace("{y}", "0")
        assert set(decoded(get(app, path))) == {detail["sourcelayer"]}
    assert "public.été, à/la.mer" in {
        (get(app, layer["detailurl"].removeprefix("http://localhost")).json or {})["sourcelayer"] for layer in index.values()
    }


def test_view_and_geometry_of_any_type_have_their_detail(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE mixed (place geometry(Geometry, 4326))")
        connection.execute("INSERT INTO mixed VALUES ('SRID=4326;POINT(1 1)')")
        connection.execute("CREATE VIEW seen AS SELECT place FROM mixed")
    app = make_app(database)
    for layer in ("public.mixed", "public.seen"):
        detail: Any = get(app, f"/{layer}.json").json
        assert (detail["geometrytype"], detail["properties"]) == ("Geometry", [])
        assert set(decoded(get(app, f"/{layer}/0/0/0.pbf"))) == {layer}


def test_function_is_in_the_index_with_its_arguments(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION squares(z int, x int, y int, depth int DEFAULT 2) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT "
            "ST_AsMVT(t, 'public.squares') FROM (SELECT depth, ST_AsMVTGeom(ST_TileEnvelope(z, x, y), ST_TileEnvelope(z, x, y)) "
            "AS geom) t $$"
        )
    app = make_app(database)
    index: Any = get(app, "/index.json").json
    assert index["public.squares"]["type"] == "function"
    detail: Any = get(app, "/public.squares.json").json
    assert [(each["name"], each["type"]) for each in detail["arguments"]] == [("depth", "integer")]
    assert detail["arguments"][0]["default"] == "2"
    assert detail["tileurl"] == "http://localhost/public.squares/{z}/{x}/{y}.pbf"
    (layer,) = decoded(get(app, "/public.squares/0/0/0.pbf?depth=5")).values()
    assert [feature["properties"] for feature in layer["features"]] == [{"depth": 5}]
    assert get(app, "/public.squares/0/0/0.pbf?depth=deep").status_code == 400


def test_unknown_layers_and_tiles_are_404_and_words_no_numbers_400(app: Flask) -> None:
    for path, status in (
        ("/sample.nothing.json", 404), ("/sample.nothing/0/0/0.pbf", 404), ("/sample.countries/0/1/0.pbf", 404),
        ("/sample.countries/23/0/0.pbf", 404), ("/sample.countries/a/0/0.pbf", 400), ("/sample.countries/0/0/.pbf", 400),
        ("/sample.countries,sample.countries/0/0/0.pbf", 400), ("/.json", 404), ("/a%2Fb.json", 404),
        ("/sample%2Fcountries/0/0/0.pbf", 404),
    ):  # fmt: skip
        response = get(app, path)
        assert (response.status_code, response.mimetype) == (status, "application/problem+json"), path
        assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_nearest_name_is_told(app: Flask) -> None:
    assert "sample.countries" in (get(app, "/sample.countrys/0/0/0.pbf").json or {})["nearest"]


def test_pages_lead_to_the_catalog_and_the_map(app: Flask) -> None:
    assert followed(app, "/index.html").mimetype == "text/html"
    response = get(app, "/sample.countries.html?columns=name")
    assert response.headers["Location"] == "./sample.countries/viewer?columns=name"
    assert followed(app, "/sample.countries.html").mimetype == "text/html"


def test_addresses_hold_behind_a_prefix(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_TRUSTED_PROXIES=1)
    forwarded = {"X_Forwarded_Prefix": "/maps", "X_Forwarded_Host": "a.example", "X_Forwarded_Proto": "https"}
    index: Any = get(app, "/index.json", **forwarded).json
    assert index["sample.countries"]["detailurl"] == "https://a.example/maps/sample.countries.json"
    detail: Any = get(app, "/sample.countries.json", **forwarded).json
    assert detail["tileurl"] == "https://a.example/maps/sample.countries/{z}/{x}/{y}.pbf"
    assert get(app, "/sample.countries.html", **forwarded).headers["Location"] == "./sample.countries/viewer"


def test_tile_that_fails_is_counted_whichever_address_it_was_asked_by(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE divisor (value int)")
        connection.execute("INSERT INTO divisor VALUES (0)")
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, place geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")
        connection.execute("CREATE VIEW quotients AS SELECT id / (SELECT value FROM divisor) AS q, place FROM places")
    app = make_app(database)

    def failed() -> int:
        (number,) = re.findall(r'^flagstone_tiles_total\{outcome="error"\} (\S+)$', get(app, "/metrics").text, re.MULTILINE)
        return int(float(number))

    before = failed()
    paths = (
        "/tiles/public.quotients/0/0/0", "/public.quotients/0/0/0.pbf", "/quotients/0/0/0",
        "/collections/public.quotients/tiles/WebMercatorQuad/0/0/0", "/tiles/WebMercatorQuad/0/0/0?collections=public.quotients",
    )  # fmt: skip
    for path in paths:
        response = get(app, path)
        assert (response.status_code, response.mimetype) == (500, "application/problem+json"), path
        assert "division" not in response.text
    assert failed() == before + len(paths)
