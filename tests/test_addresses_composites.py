"""Named composites wherever an address takes a layer's id: each describes them, or says where they are described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from openapi_spec_validator import validate

from tests.conftest import Login, MakeApp
from tests.tile_decoding import decoded, followed, get

_TABLES = """
CREATE TABLE a (id int PRIMARY KEY, kind text, geom geometry(Point, 4326));
INSERT INTO a VALUES (1, 'odd', 'SRID=4326;POINT(1 1)'), (2, 'even', 'SRID=4326;POINT(2 2)');
CREATE TABLE b (id int PRIMARY KEY, kind text, weight float, geom geometry(Polygon, 4326));
INSERT INTO b VALUES (7, 'odd', 0.5, ST_MakeEnvelope(10, 10, 20, 30, 4326));
"""
_BASE = """
[composites.base]
title = "Base map"
description = "Points and areas"
attribution = "<b>Us</b>"
minzoom = 1
layers = ["public.a", {layer = "public.b", name = "areas", maxzoom = 9}]
"""


@pytest.fixture
def tables(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TABLES.encode())
        connection.execute("ANALYZE")
    return database


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "layers.toml"
    path.write_text(_BASE)
    return str(path)


@pytest.fixture
def app(make_app: MakeApp, tables: str, file: str) -> Flask:
    return make_app(tables, FLAGSTONE_LAYERS_FILE=file)


def document(app: Flask, path: str) -> Any:
    response = get(app, path)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json(force=True)


def path_of(address: str) -> str:
    return address.removeprefix("http://localhost")


def test_collection_has_its_texts_and_the_extent_of_its_layers(app: Flask) -> None:
    found = document(app, "/collections/base")
    assert (found["id"], found["title"], found["description"], found["attribution"]) == (
        "base",
        "Base map",
        "Points and areas",
        "Us",
    )
    ((west, south, east, north),) = found["extent"]["spatial"]["bbox"]
    assert (round(west), round(south), round(east), round(north)) == (1, 1, 20, 30)
    assert "geometryDimension" not in found  # points and areas


def test_every_link_of_the_collection_and_its_tileset_answers(app: Flask) -> None:
    for path in ("/collections/base", "/collections/base/tiles", "/collections/base/tiles/WebMercatorQuad"):
        for link in document(app, path)["links"]:
            if not link.get("templated"):
                assert get(app, path_of(link["href"])).status_code == 200, link


def test_the_lists_of_collections_and_of_pg_tileserv_have_it(app: Flask) -> None:
    found = document(app, "/collections")
    assert [each["id"] for each in found["collections"]] == ["public.a", "public.b", "base"]
    assert found["numberMatched"] == 3
    assert [each["id"] for each in document(app, "/collections?limit=1&offset=2")["collections"]] == ["base"]
    index = document(app, "/index.json")
    assert index["base"] == {
        "type": "composite", "id": "base", "name": "base", "schema": "", "description": "Points and areas",
        "detailurl": "http://localhost/base.json",
    }  # fmt: skip
    assert "base" in document(app, "/catalog")["tiles"]


def test_its_tilesets_tiles_and_tilejson_hold_its_layers(app: Flask) -> None:
    tilesets = document(app, "/collections/base/tiles")["tilesets"]
    assert any(each["title"] == "Base map in WebMercatorQuad" for each in tilesets)
    tileset = document(app, "/collections/base/tiles/WebMercatorQuad")
    assert [layer["id"] for layer in tileset["layers"]] == ["public.a", "areas"]
    assert tileset["title"] == "Base map in WebMercatorQuad"
    assert tileset["tileMatrixSetLimits"][0]["tileMatrix"] == "1"
    tilejson = document(app, "/collections/base/tiles/WebMercatorQuad/tilejson.json")
    assert tilejson["tiles"] == ["http://localhost/collections/base/tiles/WebMercatorQuad/{z}/{y}/{x}"]
    assert set(decoded(get(app, "/collections/base/tiles/WebMercatorQuad/2/1/2"))) == {"public.a", "areas"}
    style = document(app, "/collections/base/tiles/WebMercatorQuad/style.json")
    assert {layer.get("source-layer") for layer in style["layers"]} >= {"public.a", "areas"}


def test_its_queryables_are_what_a_filter_of_all_its_layers_may_name(app: Flask) -> None:
    schema = document(app, "/collections/base/queryables")
    assert schema["$id"] == "http://localhost/collections/base/queryables"
    named = {name for name, each in schema["properties"].items() if "x-ogc-role" not in each}
    assert named == {"id", "kind"}
    for name in named:
        assert get(app, f"/tiles/base/2/2/1?filter={name} IS NOT NULL").status_code == 200
    assert get(app, "/tiles/base/2/2/1?filter=weight IS NOT NULL").status_code == 400
    geometries = [name for name, each in schema["properties"].items() if "x-ogc-role" in each]
    assert geometries == ["geom"]
    assert get(app, "/tiles/base/2/2/1?filter=S_INTERSECTS(geom, POINT(1 1))").status_code == 200


def test_detail_for_pg_tileserv_leads_to_its_tiles(app: Flask) -> None:
    detail = document(app, "/base.json")
    assert (detail["id"], detail["name"], detail["schema"], detail["type"]) == (
        "base",
        "base",
        "",
        "composite",
    )
    assert (detail["minzoom"], detail["maxzoom"]) == (1, 22)
    assert [round(edge) for edge in detail["bounds"]] == [1, 1, 20, 30]
    assert [(each["id"], each["sourcelayer"]) for each in detail["layers"]] == [
        ("public.a", "public.a"),
        ("public.b", "areas"),
    ]
    tile = path_of(detail["tileurl"]).replace("{z}", "2").replace("{x}", "2").replace("{y}", "1")
    assert set(decoded(get(app, tile))) == {each["sourcelayer"] for each in detail["layers"]}


def test_addresses_that_lead_on_know_it(app: Flask) -> None:
    assert followed(app, "/base.html").mimetype == "text/html"
    assert set(decoded(followed(app, "/base/2/2/1.pbf"))) == {"public.a", "areas"}
    assert followed(app, "/collections/base/WebMercatorQuad/tilejson.json").status_code == 200


def test_the_api_document_names_each_layers_own_parameters_and_attributes(app: Flask) -> None:
    described = document(app, "/api?layer=base")
    validate(described)
    assert described["info"]["title"].endswith(": base")
    names = {
        each.get("name") for each in described["paths"]["/tiles/{layers}/{z}/{x}/{y}"]["get"]["parameters"]
    }
    assert {"public.a.kind", "areas.kind", "areas.weight"} <= names
    assert "public.a.weight" not in names
    attributes = described["components"]["schemas"]["attributes"]["properties"]
    assert set(attributes["areas"]["properties"]) == {"id", "kind", "weight"}
    assert get(app, "/tiles/base/2/2/1?areas.kind=even").status_code == 200
    page = get(app, "/api.html?layer=base").get_data(as_text=True)
    assert "areas.weight" in page


@pytest.mark.parametrize("path", ["/table/base.json", "/function/base.json"])
def test_where_only_a_table_or_a_function_can_be_shown_the_answer_says_what_it_is(
    app: Flask, path: str
) -> None:
    response = get(app, path)
    assert response.status_code == 404
    problem: Any = response.get_json()
    assert "nearest" not in problem
    assert (
        problem["detail"]
        == "'base' is a composite of several layers: /base/tilejson.json and /collections/base describe it."
    )


def test_who_may_read_none_of_its_layers_does_not_learn_of_it(
    make_app: MakeApp, tables: str, file: str, login: Login
) -> None:
    app = make_app(login(tables, "nobody_here", "CREATE TABLE c (geom geometry(Point, 4326))", "GRANT SELECT ON c TO nobody_here"),
                   FLAGSTONE_LAYERS_FILE=file)  # fmt: skip
    for path in (
        "/collections/base",
        "/collections/base/queryables",
        "/base.json",
        "/table/base.json",
        "/api?layer=base",
    ):
        response = get(app, path)
        assert response.status_code == 404, path
        assert "composite" not in response.get_data(as_text=True), path
    assert "base" not in document(app, "/index.json")
    assert [each["id"] for each in document(app, "/collections")["collections"]] == ["public.c"]


def test_layers_that_may_not_be_read_are_in_none_of_its_documents(
    make_app: MakeApp, tables: str, file: str, login: Login
) -> None:
    app = make_app(
        login(tables, "reader_of_a", "GRANT SELECT ON a TO reader_of_a"), FLAGSTONE_LAYERS_FILE=file
    )
    ((_, _, east, _),) = document(app, "/collections/base")["extent"]["spatial"]["bbox"]
    assert round(east) == 2
    for path in ("/collections/base", "/collections/base/queryables", "/base.json", "/api?layer=base",
                 "/collections/base/tiles/WebMercatorQuad"):  # fmt: skip
        text = get(app, path).get_data(as_text=True)
        assert "weight" not in text, path
        assert "public.b" not in text, path


def test_a_layer_with_the_composites_name_as_its_id_goes_first(
    make_app: MakeApp, tables: str, file: str, tmp_path: Path
) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "base.sql").write_text("SELECT id, kind AS made_by, geom FROM public.a")
    app = make_app(tables, FLAGSTONE_LAYERS_FILE=file, FLAGSTONE_SQL_DIRECTORY=str(tmp_path / "sql"))
    assert "made_by" in document(app, "/collections/base/queryables")["properties"]
    ids = [each["id"] for each in document(app, "/collections")["collections"]]
    assert ids.count("base") == 1
    assert document(app, "/index.json")["base"]["type"] == "function"
    assert get(app, "/function/base.json").status_code == 200


def test_a_tile_of_the_dataset_holds_it_where_it_is_named(app: Flask) -> None:
    assert set(decoded(get(app, "/tiles/WebMercatorQuad/2/1/2"))) == {"public.a", "public.b"}
    assert set(decoded(get(app, "/tiles/WebMercatorQuad/2/1/2?collections=base"))) == {"public.a", "areas"}
    assert [layer["id"] for layer in document(app, "/tiles/WebMercatorQuad?collections=base")["layers"]] == [
        "public.a",
        "areas",
    ]
