"""OGC API Tiles (OGC 20-057) with what it stands on: OGC API Common (19-072), tile matrix sets and tileset metadata (17-083r4).

Members and relations that the standards require are written out here, each with its requirement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import decoded, drawn, get

REL = "http://www.opengis.net/def/rel/ogc/1.0"
MVT = "application/vnd.mapbox-vector-tile"
COUNTRIES = "/collections/sample.countries"


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    return make_app(sample_database)


def document(app: Flask, path: str) -> Any:
    response = get(app, path)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    return response.get_json(force=True)


def linked(found: dict[str, Any], rel: str) -> dict[str, Any]:
    """The one link of this relation. Every link has what OGC 19-072's schema of links requires, and is absolute."""
    for each in found["links"]:
        assert set(each) >= {"href", "rel", "type", "title"}
        assert each["href"].startswith("http://localhost/")
    (link,) = [each for each in found["links"] if each["rel"] == rel]
    return link  # type: ignore[no-any-return]


def path_of(href: str) -> str:
    parts = urlsplit(href)
    return parts.path + (f"?{parts.query}" if parts.query else "")


# --- OGC API Common ---------------------------------------------------------------------------------------------------


def test_landing_page_leads_to_everything(app: Flask) -> None:
    """19-072 /req/landing-page/root-success; 20-057 /req/dataset-tilesets/landingpage."""
    landing = document(app, "/?f=json")
    assert landing["title"] == "Flagstone"
    assert len(landing["tables"]) > 5
    for rel, path in (
        ("self", "/"), (f"{REL}/conformance", "/conformance"), ("conformance", "/conformance"), ("service-desc", "/api"),
        (f"{REL}/data", "/collections"), (f"{REL}/tiling-schemes", "/tileMatrixSets"), (f"{REL}/tilesets-vector", "/tiles"),
    ):  # fmt: skip
        assert linked(landing, rel)["href"] == f"http://localhost{path}"
    data = [link["href"] for link in landing["links"] if link["rel"] == "data"]
    assert data[0] == "http://localhost/collections"


def test_everything_that_the_landing_page_names_answers(app: Flask) -> None:
    for link in document(app, "/?f=json")["links"]:
        response = get(app, path_of(link["href"]))
        assert response.status_code == 200, link
        assert response.mimetype == link["type"].partition(";")[0], link


def test_conformance_declares_classes_that_these_tests_hold(app: Flask) -> None:
    classes = document(app, "/conformance")["conformsTo"]
    tiles = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf"
    for name in ("core", "tileset", "tilesets-list", "dataset-tilesets", "geodata-tilesets", "collections-selection", "mvt"):
        assert f"{tiles}/{name}" in classes
    others = {"http://www.opengis.net/spec/tms/2.0/conf", "http://www.opengis.net/spec/cql2/1.0/conf"}
    assert {each.rpartition("/")[0] for each in classes} == {tiles, *others}
    # What nobody wrote: XML, dates, pictures. And parameters that are not known are ignored, so Common's core is not there.
    for name in ("xml", "datetime", "png", "jpeg", "geojson", "netcdf", "tiff"):
        assert f"{tiles}/{name}" not in classes


def test_tile_matrix_sets_have_what_the_standard_requires(app: Flask) -> None:
    """17-083r4 Table 7 and Table 8, in the names of its JSON encoding."""
    for listed in document(app, "/tileMatrixSets")["tileMatrixSets"]:
        linked(listed, "self")
        found = document(app, f"/tileMatrixSets/{listed['id']}")
        assert found["id"] == listed["id"]
        assert found["crs"]
        for matrix in found["tileMatrices"]:
            assert set(matrix) >= {
                "id", "scaleDenominator", "cellSize", "pointOfOrigin", "tileWidth", "tileHeight", "matrixWidth", "matrixHeight",
            }  # fmt: skip


def test_collections_are_the_layers(app: Flask) -> None:
    found = document(app, "/collections")
    assert linked(found, "self")["href"] == "http://localhost/collections"
    ids = [each["id"] for each in found["collections"]]
    others = [*document(app, "/tables.json"), *document(app, "/functions.json")]
    assert set(ids) == {layer["id"] for layer in others}
    assert found["numberMatched"] == found["numberReturned"] == len(ids)
    for each in found["collections"]:
        assert document(app, path_of(linked(each, "self")["href"]))["id"] == each["id"]


def test_collections_come_in_pages_where_a_limit_is_asked(app: Flask) -> None:
    first = document(app, "/collections?limit=3")
    assert (len(first["collections"]), first["numberReturned"]) == (3, 3)
    assert not [link for link in first["links"] if link["rel"] == "prev"]
    second = document(app, path_of(linked(first, "next")["href"]))
    assert [each["id"] for each in second["collections"]] == [
        each["id"] for each in document(app, "/collections")["collections"][3:6]
    ]
    assert document(app, path_of(linked(second, "prev")["href"]))["collections"] == first["collections"]
    beyond = document(app, "/collections?limit=3&offset=1000")
    assert beyond["collections"] == []
    last = document(app, path_of(linked(beyond, "prev")["href"]))
    assert len(last["collections"]) == 3
    assert len(document(app, path_of(linked(last, "prev")["href"]))["collections"]) == 3
    for query in ("limit=x", "limit=1&limit=2", "offset=1.5"):
        assert get(app, f"/collections?{query}").status_code == 400, query


def test_collection_has_what_the_standard_requires(app: Flask) -> None:
    """19-072's and 20-024's schema of a collection; 20-057 /req/geodata-tilesets/desc-links."""
    found = document(app, COUNTRIES)
    assert found["id"] == "sample.countries"
    assert found["dataType"] == "vector"
    assert found["geometryDimension"] == 2
    ((west, south, east, north),) = found["extent"]["spatial"]["bbox"]
    assert -181 < west < -170 < 170 < east < 181
    assert south < north
    assert found["extent"]["spatial"]["crs"] == "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    assert linked(found, f"{REL}/tilesets-vector")["href"] == f"http://localhost{COUNTRIES}/tiles"
    assert "itemType" not in found  # there are no items


def test_everything_that_a_collection_names_answers(app: Flask) -> None:
    for link in document(app, COUNTRIES)["links"]:
        assert get(app, path_of(link["href"])).status_code == 200, link


def test_queryables_are_the_columns_as_json_schema(app: Flask) -> None:
    """19-079r2 /req/queryables/get-queryables-response."""
    response = get(app, f"{COUNTRIES}/queryables")
    assert response.mimetype == "application/schema+json"
    schema: Any = response.get_json(force=True)
    assert schema["$schema"].startswith("https://json-schema.org/draft/")
    assert schema["$id"] == f"http://localhost{COUNTRIES}/queryables"
    assert schema["type"] == "object"
    assert schema["properties"]["name"]["type"] == "string"
    (geometry,) = [each for each in schema["properties"].values() if each.get("x-ogc-role") == "primary-geometry"]
    assert geometry["format"] == "geometry-multipolygon"


# --- tilesets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["", COUNTRIES])
def test_list_of_tilesets_leads_to_each_and_to_its_tile_matrix_set(app: Flask, origin: str) -> None:
    """20-057 /req/tilesets-list/tileset-links; 17-083r4's schema of a tileset in a list."""
    found = document(app, f"{origin}/tiles")
    tilesets = {linked(each, "self")["href"].rpartition("/")[2]: each for each in found["tilesets"]}
    assert {"WebMercatorQuad", "WorldCRS84Quad"} <= set(tilesets)
    for grid, each in tilesets.items():
        assert each["dataType"] == "vector"
        assert each["crs"]
        assert linked(each, "self")["href"] == f"http://localhost{origin}/tiles/{grid}"
        assert linked(each, f"{REL}/tiling-scheme")["href"] == f"http://localhost/tileMatrixSets/{grid}"
    one = tilesets["WebMercatorQuad"]
    assert one["tileMatrixSetURI"] == "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad"
    assert one["crs"] == "http://www.opengis.net/def/crs/EPSG/0/3857"


@pytest.mark.parametrize("origin", ["", COUNTRIES])
@pytest.mark.parametrize("grid", ["WebMercatorQuad", "WorldCRS84Quad", "EuropeanETRS89_LAEAQuad"])
def test_tileset_has_what_the_standard_requires(app: Flask, origin: str, grid: str) -> None:
    """20-057 /req/tileset/description; 17-083r4's schema of tileset metadata."""
    found = document(app, f"{origin}/tiles/{grid}")
    assert found["dataType"] == "vector"
    assert found["crs"] == document(app, f"/tileMatrixSets/{grid}")["crs"]
    assert found["tileMatrixSetURI"] == document(app, f"/tileMatrixSets/{grid}")["uri"]
    assert document(app, path_of(linked(found, f"{REL}/tiling-scheme")["href"]))["id"] == grid
    item = linked(found, "item")
    assert (item["templated"], item["type"]) == (True, MVT)
    for variable in ("{tileMatrix}", "{tileRow}", "{tileCol}"):
        assert variable in item["href"]
    box = found["boundingBox"]
    assert box["lowerLeft"][0] < box["upperRight"][0]
    assert box["lowerLeft"][1] < box["upperRight"][1]
    for layer in found["layers"]:
        assert set(layer) >= {"id", "dataType", "links"}
        assert layer["dataType"] == "vector"
    if origin:
        assert linked(found, f"{REL}/geodata")["href"] == f"http://localhost{COUNTRIES}"


def test_limits_are_the_zooms_that_answer(make_app: MakeApp, sample_database: str) -> None:
    """17-083r4 §6.3: of a tile matrix that is not listed there is no tile."""
    app = make_app(sample_database, FLAGSTONE_DEFAULT_MINZOOM=1, FLAGSTONE_DEFAULT_MAXZOOM=3)
    limits = document(app, f"{COUNTRIES}/tiles/WebMercatorQuad")["tileMatrixSetLimits"]
    assert [each["tileMatrix"] for each in limits] == ["1", "2", "3"]
    assert limits[2] == {"tileMatrix": "3", "minTileRow": 0, "maxTileRow": 7, "minTileCol": 0, "maxTileCol": 7}
    for z, status in ((0, 404), (1, 200), (3, 200), (4, 404)):
        assert get(app, f"{COUNTRIES}/tiles/WebMercatorQuad/{z}/0/0").status_code in (status, 204), z


def test_tile_of_the_template_is_that_of_the_tile_matrix_set(app: Flask) -> None:
    template = path_of(linked(document(app, f"{COUNTRIES}/tiles/WorldCRS84Quad"), "item")["href"])
    path = template.replace("{tileMatrix}", "2").replace("{tileRow}", "1").replace("{tileCol}", "5")
    response = get(app, path)
    assert response.mimetype == MVT
    assert response.get_data() == get(app, "/tiles/WorldCRS84Quad/sample.countries/2/5/1").get_data()


def test_row_comes_before_column(app: Flask) -> None:
    """20-057 /req/core/tc-op. Column 8, row 5 of zoom 4 is the middle of Europe; the other way round is the South Atlantic."""
    standard = get(app, f"{COUNTRIES}/tiles/WebMercatorQuad/4/5/8")
    assert standard.get_data() == get(app, "/tiles/sample.countries/4/8/5").get_data()
    (layer,) = decoded(standard).values()
    assert "Germany" in {feature["properties"]["name"] for feature in layer["features"]}


def test_tile_outside_is_404_and_empty_tile_204(app: Flask) -> None:
    """20-057 /req/core/tc-error."""
    for tile in ("0/0/1", "0/1/0", "60/0/0", "-1/0/0", "2/4/0"):
        response = get(app, f"{COUNTRIES}/tiles/WebMercatorQuad/{tile}")
        assert (response.status_code, response.mimetype) == (404, "application/problem+json"), tile
    assert get(app, "/collections/sample.liechtenstein_roads/tiles/WebMercatorQuad/10/500/1").status_code == 204
    assert get(app, f"{COUNTRIES}/tiles/WebMercatorQuad/a/0/0").status_code == 400


def test_row_and_column_are_checked_each_for_itself(app: Flask) -> None:
    # 2 columns and 1 row at zoom 0 of this grid.
    assert get(app, f"{COUNTRIES}/tiles/WorldCRS84Quad/0/0/1").status_code == 200
    assert get(app, f"{COUNTRIES}/tiles/WorldCRS84Quad/0/1/0").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/collections/nothing", "/collections/nothing/tiles", "/collections/nothing/tiles/WebMercatorQuad",
        "/collections/nothing/queryables", "/collections/nothing/tiles/WebMercatorQuad/0/0/0",
        f"{COUNTRIES}/tiles/WebMercatorQad", f"{COUNTRIES}/tiles/WebMercatorQad/0/0/0", f"{COUNTRIES}/items",
        f"{COUNTRIES}/items/5", "/tiles/WebMercatorQad", "/tiles/WebMercatorQad/tilejson.json", "/collections/", "/tiles/",
        "/collections/sample%2Fcountries", "/collections%2Fsample.countries/tiles",
        "/collections/a%2Fb/tiles/WebMercatorQuad/0/0/0", "/collections//tiles",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404_as_a_problem_document(app: Flask, path: str) -> None:
    response = get(app, path)
    assert (response.status_code, response.mimetype) == (404, "application/problem+json")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


# --- the dataset ------------------------------------------------------------------------------------------------------


def test_dataset_tile_holds_the_collections_that_are_named_in_their_order(app: Flask) -> None:
    """20-057 /req/collections-selection/collections-response."""
    layers = decoded(get(app, "/tiles/WebMercatorQuad/4/5/8?collections=sample.cities,sample.countries"))
    assert list(layers) == ["sample.cities", "sample.countries"]
    assert "Germany" in {feature["properties"]["name"] for feature in layers["sample.countries"]["features"]}
    one = get(app, "/tiles/WebMercatorQuad/4/5/8?collections=sample.countries")
    assert one.get_data() == get(app, "/tiles/sample.countries/4/8/5").get_data()


def test_collections_may_be_named_by_their_addresses(app: Flask) -> None:
    """20-057 /req/collections-selection/query-collections C."""
    by_address = get(app, "/tiles/WebMercatorQuad/2/1/2?collections=http%3A%2F%2Flocalhost%2Fcollections%2Fsample.countries")
    assert set(decoded(by_address)) == {"sample.countries"}


def test_dataset_without_selection_is_all_of_it(app: Flask) -> None:
    tileset = document(app, "/tiles/WebMercatorQuad")
    described = [layer["id"] for layer in tileset["layers"]]
    assert described == [table["id"] for table in document(app, "/tables.json")]
    layers = decoded(get(app, "/tiles/WebMercatorQuad/12/1438/2156"))
    assert set(layers) <= set(described)
    assert len(layers) > 3


def test_dataset_tileset_describes_the_collections_that_are_named(app: Flask) -> None:
    found = document(app, "/tiles/WebMercatorQuad?collections=sample.cities,sample.countries")
    assert [layer["id"] for layer in found["layers"]] == ["sample.cities", "sample.countries"]
    template = path_of(linked(found, "item")["href"])
    tile = get(app, template.replace("{tileMatrix}", "4").replace("{tileRow}", "5").replace("{tileCol}", "8"))
    assert list(decoded(tile)) == ["sample.cities", "sample.countries"]
    for query in ("collections=sample.nothing", "collections=sample.countries,,sample.cities"):
        assert get(app, f"/tiles/WebMercatorQuad?{query}").status_code == 404, query
        assert get(app, f"/tiles/WebMercatorQuad/0/0/0?{query}").status_code == 404, query


def test_the_list_of_tilesets_hands_on_the_collections_that_are_named(app: Flask) -> None:
    found = document(app, "/tiles?collections=sample.cities,sample.countries")
    (mercator,) = [each for each in found["tilesets"] if each["title"].endswith(" WebMercatorQuad")]
    for rel in ("self", "item"):
        assert "collections=sample.cities,sample.countries" in linked(mercator, rel)["href"]
    described = document(app, path_of(linked(mercator, "self")["href"]))
    assert [layer["id"] for layer in described["layers"]] == ["sample.cities", "sample.countries"]
    assert get(app, "/tiles?collections=sample.nothing").status_code == 404


def test_dataset_of_more_collections_than_a_tile_may_hold_says_which_it_has(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_MAX_COMPOSITE=2)
    found = document(app, "/tiles/WebMercatorQuad")
    total = len(document(app, "/tables.json"))
    assert found["description"].startswith(f"2 of {total} collections")
    assert set(decoded(get(app, "/tiles/WebMercatorQuad/0/0/0"))) == {layer["id"] for layer in found["layers"]}
    assert len(found["layers"]) == 2
    three = "sample.cities,sample.countries,sample.capitals"
    assert get(app, f"/tiles/WebMercatorQuad/0/0/0?collections={three}").status_code == 400


def test_database_without_layers_has_no_tilesets(make_app: MakeApp, database: str) -> None:
    app = make_app(database)
    assert document(app, "/collections")["collections"] == []
    assert get(app, "/tiles").status_code == 404
    assert get(app, "/tiles/WebMercatorQuad").status_code == 404
    assert get(app, "/tiles/WebMercatorQuad/0/0/0").status_code == 404


def test_layer_with_the_name_of_a_grid_needs_its_schema(make_app: MakeApp, oddity: Callable[[str], str]) -> None:
    app = make_app(oddity("same_names"))
    # Column 0, row 1 of zoom 2 for the layer; row 0, column 1 would be in the north.
    (layer,) = decoded(get(app, "/tiles/public.WebMercatorQuad/2/0/1")).values()
    assert [feature["id"] for feature in layer["features"]] == [9]
    by_the_standard = decoded(get(app, "/tiles/WebMercatorQuad/2/1/0"))
    assert set(by_the_standard) == {"public.WebMercatorQuad"}
    assert get(app, "/tiles/WebMercatorQuad/2/0/1").status_code == 204


def test_columns_named_like_parameters_of_the_dataset_do_not_filter(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE odd (id int PRIMARY KEY, collections text, place geometry(Point, 4326))")
        connection.execute("INSERT INTO odd VALUES (1, 'a', 'SRID=4326;POINT(1 1)')")
    app = make_app(database)
    (layer,) = decoded(get(app, "/tiles/WebMercatorQuad/0/0/0?collections=public.odd")).values()
    assert [feature["properties"]["collections"] for feature in layer["features"]] == ["a"]


def test_addresses_hold_behind_a_prefix(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_PUBLIC_URL="https://a.example/maps")
    for path in ("/?f=json", "/collections", COUNTRIES, "/tiles", "/tiles/WebMercatorQuad", f"{COUNTRIES}/tiles/WebMercatorQuad"):
        links = document(app, path)["links"]
        assert all(link["href"].startswith("https://a.example/maps/") for link in links), path


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/conformance", "/collections", COUNTRIES, "/tiles", "/tiles/WebMercatorQuad/0/0/0"])
def test_head_and_options_answer(app: Flask, method: str, path: str) -> None:
    response = app.test_client().open(path, method=method)
    assert (response.status_code, response.get_data()) == (200, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_point_lies_where_the_tile_matrix_says(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, place geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'SRID=4326;POINT(100 50)')")
    app = make_app(database)
    # WorldCRS84Quad at zoom 1: 4 columns and 2 rows of 90 degrees.
    (layer,) = decoded(get(app, "/collections/public.places/tiles/WorldCRS84Quad/1/0/3")).values()
    (feature,) = layer["features"]
    assert (round(drawn(feature).x), round(drawn(feature).y)) == (round(10 / 90 * 4096), round(40 / 90 * 4096))
