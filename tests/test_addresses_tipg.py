"""The addresses of tipg beside those of the standard, and those that it had before version 1.0: without a tile matrix set."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.test_ogc_tiles import MVT, document, linked, path_of
from tests.tile_decoding import decoded, followed, get

COUNTRIES = "/collections/sample.countries"


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    return make_app(sample_database)


def test_tile_without_a_tile_matrix_set_has_the_column_first(app: Flask) -> None:
    """Three parts behind `tiles` are no address of the standard's, so there is nothing to mistake it for."""
    tile = get(app, f"{COUNTRIES}/tiles/4/8/5")
    assert tile.get_data() == get(app, "/tiles/sample.countries/4/8/5").get_data()
    (layer,) = decoded(tile).values()
    assert "Germany" in {feature["properties"]["name"] for feature in layer["features"]}


def test_its_parameters_and_its_layer_name_are_those_of_a_collections_tiles(
    make_app: MakeApp, sample_database: str
) -> None:
    app = make_app(sample_database, FLAGSTONE_MVT_LAYER_NAME="default")
    layers = decoded(get(app, f"{COUNTRIES}/tiles/0/0/0?limit=2&properties=name"))
    assert set(layers) == {"default"}
    assert len(layers["default"]["features"]) == 2


def test_what_is_no_tile_is_404_or_400(app: Flask) -> None:
    for path, status in (
        ("tiles/0/1/0", 404),
        ("tiles/60/0/0", 404),
        ("tiles/a/0/0", 400),
        ("tiles/0/0/x", 400),
    ):
        response = get(app, f"{COUNTRIES}/{path}")
        assert (response.status_code, response.mimetype) == (status, "application/problem+json"), path
    assert get(app, "/collections/nothing/tiles/0/0/0").status_code == 404
    assert get(app, "/collections/sample%2Fcountries/tiles/0/0/0").status_code == 404


@pytest.mark.parametrize("name", ["tilejson.json", "style.json", "viewer"])
def test_documents_without_a_tile_matrix_set_lead_on(app: Flask, name: str) -> None:
    response = get(app, f"{COUNTRIES}/{name}?columns=name")
    assert response.status_code == 301
    assert response.headers["Location"] == f"../../sample.countries/{name}?columns=name"
    assert followed(app, f"{COUNTRIES}/{name}").status_code == 200


def test_the_tiles_of_that_tilejson_are_drawn_where_they_belong(app: Flask) -> None:
    tilejson: Any = followed(app, f"{COUNTRIES}/tilejson.json?minzoom=2").get_json()
    assert tilejson["minzoom"] == 2
    path = (
        tilejson["tiles"][0]
        .removeprefix("http://localhost")
        .replace("{z}", "4")
        .replace("{x}", "8")
        .replace("{y}", "5")
    )
    (layer,) = decoded(get(app, path)).values()
    assert "Germany" in {feature["properties"]["name"] for feature in layer["features"]}


def test_a_failing_tile_of_that_address_is_counted_as_one(app: Flask) -> None:
    """The endpoint's name tells the metrics that it is a tile."""
    endpoints = {rule.rule: rule.endpoint for rule in app.url_map.iter_rules()}
    assert endpoints["/collections/<layer>/tiles/<z>/<x>/<y>"].endswith((".tile", ".collection_tile"))


# --- in the standard's tree


def test_tilejson_of_a_collection_counts_in_x_and_y(app: Flask) -> None:
    tilejson = document(app, f"{COUNTRIES}/tiles/WebMercatorQuad/tilejson.json?columns=name")
    assert tilejson["tiles"] == [
        f"http://localhost{COUNTRIES}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}?columns=name"
    ]
    assert [layer["id"] for layer in tilejson["vector_layers"]] == ["sample.countries"]
    path = path_of(tilejson["tiles"][0]).replace("{z}", "4").replace("{x}", "8").replace("{y}", "5")
    (layer,) = decoded(get(app, path)).values()
    assert {"name": "Germany"} in [feature["properties"] for feature in layer["features"]]


def test_style_leads_to_that_tilejson(app: Flask) -> None:
    made = document(app, f"{COUNTRIES}/tiles/WebMercatorQuad/style.json")
    (source,) = made["sources"].values()
    assert source["url"] == f"http://localhost{COUNTRIES}/tiles/WebMercatorQuad/tilejson.json"
    assert {layer["source-layer"] for layer in made["layers"] if "source-layer" in layer} == {
        "sample.countries"
    }


def test_tileset_has_tipgs_template_too(app: Flask) -> None:
    found = document(app, f"{COUNTRIES}/tiles/WebMercatorQuad")
    tile = linked(found, "tile")
    assert tile["href"] == f"http://localhost{COUNTRIES}/tiles/WebMercatorQuad/{{z}}/{{y}}/{{x}}"
    assert tile["templated"] is True
    # OpenLayers takes the last link of a media type.
    assert [link["rel"] for link in found["links"] if link["type"] == MVT][-1] == "item"


def test_constant_layer_name_reaches_the_tiles_of_a_collection(
    make_app: MakeApp, sample_database: str
) -> None:
    app = make_app(sample_database, FLAGSTONE_MVT_LAYER_NAME="default")
    tilejson = document(app, f"{COUNTRIES}/tiles/WebMercatorQuad/tilejson.json")
    assert [layer["id"] for layer in tilejson["vector_layers"]] == ["default"]
    assert set(decoded(get(app, f"{COUNTRIES}/tiles/WebMercatorQuad/0/0/0"))) == {"default"}
    assert set(decoded(get(app, "/tiles/WebMercatorQuad/0/0/0?collections=sample.countries,sample.cities"))) == {
        "sample.countries", "sample.cities",
    }  # fmt: skip


def test_maps_of_tipg_lead_to_the_viewer(app: Flask) -> None:
    for path in ("tiles/WebMercatorQuad/map.html", "tiles/WebMercatorQuad/viewer", "WebMercatorQuad/viewer"):
        assert followed(app, f"{COUNTRIES}/{path}").mimetype == "text/html"
    for name in ("tilejson.json", "style.json"):
        assert followed(app, f"{COUNTRIES}/WebMercatorQuad/{name}?columns=name").status_code == 200
