"""The addresses of TiMVT 0.7: they are Flagstone's own, with its documents' members."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import decoded, followed, get


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    return make_app(sample_database)


@pytest.mark.parametrize(
    "path",
    ["/tiles/sample.countries/0/0/0", "/tiles/sample.countries/0/0/0.pbf", "/tiles/WebMercatorQuad/sample.countries/0/0/0",
     "/tiles/WebMercatorQuad/sample.countries/0/0/0.pbf", "/tiles/sample.countries/0/0/0?TileMatrixSetId=WebMercatorQuad"],
)  # fmt: skip
def test_tiles(app: Flask, path: str) -> None:
    assert "Brazil" in {f["properties"]["name"] for f in decoded(get(app, path))["sample.countries"]["features"]}


@pytest.mark.parametrize("path", ["/sample.countries/tilejson.json", "/WebMercatorQuad/sample.countries/tilejson.json"])
def test_tilejson(app: Flask, path: str) -> None:
    document: Any = get(app, path).json
    assert {"tilejson", "name", "version", "scheme", "tiles", "minzoom", "maxzoom", "bounds", "center"} <= set(document)
    assert document["tiles"] == ["http://localhost/tiles/sample.countries/{z}/{x}/{y}"]


def test_tables_have_the_members_that_timvt_gives(app: Flask) -> None:
    tables: Any = get(app, "/tables.json").json
    one: Any = get(app, "/table/sample.countries.json").json
    assert one in tables
    # TiMVT 0.7's model of a table, and the address of its tiles.
    assert {"id", "schema", "table", "type", "geometry_columns", "properties", "tileurl"} <= set(one)
    assert {"name", "bounds", "srid", "geometry_type"} <= set(one["geometry_columns"][0])
    assert {"name", "type"} <= set(one["properties"][0])


def test_functions_are_listed(app: Flask) -> None:
    assert isinstance(get(app, "/functions.json").json, list)
    assert get(app, "/function/public.nothing.json").status_code == 404


def test_tile_matrix_sets(app: Flask) -> None:
    document: Any = get(app, "/tileMatrixSets").json
    assert "WebMercatorQuad" in [each["id"] for each in document["tileMatrixSets"]]
    assert (get(app, "/tileMatrixSets/WebMercatorQuad").json or {})["id"] == "WebMercatorQuad"


@pytest.mark.parametrize(("path", "kind"), [("/sample.countries/viewer", "text/html"), ("/?f=html", "text/html"), ("/healthz", "application/json")])  # fmt: skip
def test_pages_and_health(app: Flask, path: str, kind: str) -> None:
    app.extensions["flagstone"].catalog.reload()
    response = get(app, path)
    assert (response.status_code, response.mimetype) == (200, kind)


@pytest.mark.parametrize(("path", "target"), [("/openapi.json", "./api"), ("/docs", "./api.html")])
def test_openapi_is_elsewhere(app: Flask, path: str, target: str) -> None:
    response = get(app, f"{path}?a=b%20c")
    assert (response.status_code, response.headers["Location"]) == (301, f"{target}?a=b%20c")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert followed(app, path).status_code == 200


def test_default_as_the_name_of_every_layer_is_a_setting(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_MVT_LAYER_NAME="default")
    assert set(decoded(get(app, "/tiles/sample.countries/0/0/0"))) == {"default"}


def test_columns_resolution_buffer_and_limit_are_understood(app: Flask) -> None:
    path = "/tiles/sample.countries/0/0/0.pbf?columns=name&resolution=1024&buffer=16&limit=7"
    (layer,) = decoded(get(app, path)).values()
    assert layer["extent"] == 1024
    assert 1 <= len(layer["features"]) <= 7  # some are too small to be drawn
    assert all(set(feature["properties"]) == {"name"} for feature in layer["features"])


def test_a_location_never_holds_what_a_client_could_break_a_header_with(app: Flask) -> None:
    for path in ("/docs?%0d%0aSet-Cookie:%20a=b", "/a%0d%0aSet-Cookie:b.html", "/a%22%3E.html?b=%22%3E"):
        response = get(app, path)
        assert response.status_code == 301
        assert "Set-Cookie" not in response.headers
        assert not set(response.headers["Location"]) & set("\r\n\"<> ")


def test_a_redirect_never_leads_to_another_host(app: Flask) -> None:
    for path in ("//evil.example.html", "/%2F%2Fevil.example.html", "/%5Cevil.example.html", "//evil.example/0/0/0.pbf", "/..html"):
        response = get(app, path)
        if response.status_code == 301:
            assert response.headers["Location"].startswith(("./", "../")), path
