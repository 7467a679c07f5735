"""TileJSON over HTTP, held against the tiles that it describes."""

import gzip
from typing import Any
from urllib.parse import urlsplit

import mapbox_vector_tile
import pytest
from flask import Flask
from flask.testing import FlaskClient

LAYERS = [
    "sample.countries",
    "sample.cities",
    "sample.liechtenstein_roads",
    "sample.liechtenstein_buildings",
    "sample.liechtenstein_landuse",
    "sample.liechtenstein_pois",
    "sample.liechtenstein_named_roads",
    "sample.capitals",
]
WORLD = {"sample.countries", "sample.cities", "sample.capitals"}


@pytest.fixture
def app(make_app: Any, sample_database: str) -> Flask:
    made: Flask = make_app(sample_database, CACHE_TYPE="NullCache")
    return made


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def document(client: FlaskClient, address: str, **more: Any) -> Any:
    response = client.get(address, **more)
    assert response.status_code == 200, response.text
    return response.json


def tile_at(client: FlaskClient, document: Any, zoom: int, x: int, y: int) -> Any:
    address = document["tiles"][0].format(z=zoom, x=x, y=y)
    parts = urlsplit(address)
    response = client.get(f"{parts.path}?{parts.query}", headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200, response.text
    return mapbox_vector_tile.decode(gzip.decompress(response.data))


@pytest.mark.parametrize("layer", LAYERS)
def test_name_fields_and_types_agree_with_the_tile(client: FlaskClient, layer: str) -> None:
    made = document(client, f"/{layer}/tilejson.json")
    assert made["tilejson"] == "3.0.0"
    (described,) = made["vector_layers"]
    tile = tile_at(client, made, *((4, 8, 5) if layer in WORLD else (12, 2156, 1437)))
    assert list(tile) == [described["id"]] == [layer]
    features = tile[layer]["features"]
    assert features
    python: dict[str, type | tuple[type, ...]] = {"Number": (int, float), "String": str, "Boolean": bool}
    for feature in features:
        for name, value in feature["properties"].items():
            assert isinstance(value, python[described["fields"][name]]), (name, value)


@pytest.mark.parametrize("layer", LAYERS)
def test_bounds_hold_the_center_and_are_where_the_data_is(client: FlaskClient, layer: str) -> None:
    made = document(client, f"/{layer}/tilejson.json")
    west, south, east, north = made["bounds"]
    longitude, latitude, zoom = made["center"]
    assert -180 <= west < east <= 180
    assert -90 <= south < north <= 90
    assert west <= longitude <= east
    assert south <= latitude <= north
    assert made["minzoom"] <= zoom <= made["maxzoom"]
    if layer not in WORLD:
        assert (west, south, east, north) == pytest.approx((9.55, 47.15, 9.55, 47.15), abs=0.3)


def test_attribution_of_openstreetmap_is_a_link(client: FlaskClient) -> None:
    made = document(client, "/sample.liechtenstein_buildings/tilejson.json")
    assert (
        made["attribution"]
        == '<a href="https://www.openstreetmap.org/copyright">© OpenStreetMap contributors</a>'
    )


def test_composite_has_every_layer_and_each_attribution_once(client: FlaskClient) -> None:
    made = document(
        client, "/sample.liechtenstein_roads,sample.liechtenstein_buildings,sample.cities/tilejson.json"
    )
    ids = [each["id"] for each in made["vector_layers"]]
    assert ids == ["sample.liechtenstein_roads", "sample.liechtenstein_buildings", "sample.cities"]
    assert made["attribution"].count("OpenStreetMap") == 1
    assert "GeoNames" in made["attribution"]
    assert set(tile_at(client, made, 12, 2156, 1437)) <= set(ids)


def test_bare_name_leads_to_the_address_of_the_id(client: FlaskClient) -> None:
    made = document(client, "/cities/tilejson.json")
    assert made["tiles"] == ["http://localhost/tiles/sample.cities/{z}/{x}/{y}"]


def test_query_string_is_carried_but_for_the_documents_own_parameters(client: FlaskClient) -> None:
    made = document(
        client, "/sample.cities/tilejson.json?columns=name&limit=5&minzoom=2&MAXZOOM=7&key=%7Bz%7D"
    )
    assert made["tiles"] == [
        "http://localhost/tiles/sample.cities/{z}/{x}/{y}?columns=name&limit=5&key=%7Bz%7D"
    ]
    assert (made["minzoom"], made["maxzoom"]) == (2, 7)
    assert made["vector_layers"][0]["fields"] == {"name": "String"}


def test_query_string_is_carried_as_it_was_written(client: FlaskClient) -> None:
    made = document(client, "/sample.cities/tilejson.json?token=%FF&MaxZoom=7&v=%2f+b&limit=5")
    assert made["tiles"][0].endswith("/{z}/{x}/{y}?token=%FF&v=%2f+b&limit=5")
    assert tile_at(client, made, 4, 8, 5)["sample.cities"]["features"]
    style = document(client, "/sample.cities/style.json?token=%FF")
    assert style["sources"]["flagstone"]["url"].endswith("/tilejson.json?token=%FF")


@pytest.mark.parametrize(
    "path",
    ["/sample.cities/tilejson.json", "/sample.cities/style.json", "/sample.cities/viewer", "/", "/tables.json",
     "/table/sample.cities.json", "/tileMatrixSets"],
)  # fmt: skip
@pytest.mark.parametrize("host", ['evil"><script>.com', "evil.com/a?b", "user@evil.com", "a,b", "a:80:90"])
def test_a_host_that_is_none_is_refused_where_addresses_are_written(client: FlaskClient, path: str, host: str) -> None:
    response = client.get(path, headers={"Host": host})
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert response.json is not None
    assert "Host" in response.json["detail"]
    assert "evil" not in response.text


def test_a_host_that_is_none_does_not_matter_below_a_public_url(make_app: Any, sample_database: str) -> None:
    client = make_app(sample_database, FLAGSTONE_PUBLIC_URL="https://maps.example").test_client()
    made = document(client, "/sample.cities/tilejson.json", headers={"Host": "evil.com/a?b"})
    assert made["tiles"] == ["https://maps.example/tiles/sample.cities/{z}/{x}/{y}"]


@pytest.mark.parametrize(
    "address",
    [
        "/WGS1984Quad/sample.cities/tilejson.json",
        "/sample.cities/tilejson.json?TileMatrixSetId=WGS1984Quad",
        "/sample.cities/tilejson.json?tilematrixsetid=WGS1984Quad",
    ],
)
def test_a_grid_may_stand_in_the_path_or_in_the_query(client: FlaskClient, address: str) -> None:
    made = document(client, address)
    assert made["tiles"] == ["http://localhost/tiles/WGS1984Quad/sample.cities/{z}/{x}/{y}"]
    assert made["tileMatrixSet"] == "WGS1984Quad"
    assert tile_at(client, made, 4, 16, 3)["sample.cities"]["features"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("minzoom=x", "minzoom"),
        ("maxzoom=-1", "maxzoom"),
        ("minzoom=8&maxzoom=3", "minzoom"),
        ("columns=nope", "columns"),
        ("limit=0", "limit"),
        ("resolution=0", "resolution"),
    ],
)
def test_a_bad_parameter_is_400_and_named(client: FlaskClient, query: str, parameter: str) -> None:
    response = client.get(f"/sample.cities/tilejson.json?{query}")
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert response.json is not None
    assert response.json["parameter"] == parameter


@pytest.mark.parametrize(
    ("address", "nearest"),
    [
        ("/sample.citties/tilejson.json", "sample.cities"),
        ("/sample.cities,sample.citties/tilejson.json", "sample.cities"),
        ("/WebMercatorQad/sample.cities/tilejson.json", "WebMercatorQuad"),
    ],
)
def test_an_unknown_layer_or_grid_is_404_with_the_nearest(
    client: FlaskClient, address: str, nearest: str
) -> None:
    response = client.get(address)
    assert response.status_code == 404
    assert response.json is not None
    assert nearest in response.json["nearest"]


def test_one_name_for_all_is_in_document_and_tile(make_app: Any, sample_database: str) -> None:
    client = make_app(
        sample_database, CACHE_TYPE="NullCache", FLAGSTONE_MVT_LAYER_NAME="default"
    ).test_client()
    made = document(client, "/sample.cities/tilejson.json")
    assert made["vector_layers"][0]["id"] == "default"
    assert list(tile_at(client, made, 4, 8, 5)) == ["default"]


def test_public_url_wins_over_every_header(make_app: Any, sample_database: str) -> None:
    client = make_app(sample_database, FLAGSTONE_PUBLIC_URL="https://maps.example/pre/fix/").test_client()
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
    made = document(client, "/sample.cities/tilejson.json", headers=headers)
    assert made["tiles"] == ["https://maps.example/pre/fix/tiles/sample.cities/{z}/{x}/{y}"]


def test_forwarded_headers_count_from_trusted_proxies_only(make_app: Any, sample_database: str) -> None:
    headers = {
        "X-Forwarded-Host": "maps.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Prefix": "/maps",
    }
    for trusted, root in ((0, "http://localhost"), (1, "https://maps.example/maps")):
        client = make_app(sample_database, FLAGSTONE_TRUSTED_PROXIES=trusted).test_client()
        made = document(client, "/sample.cities/tilejson.json", headers=headers)
        assert made["tiles"] == [f"{root}/tiles/sample.cities/{{z}}/{{x}}/{{y}}"]


def test_no_shared_cache_keeps_a_document_that_names_a_host(client: FlaskClient) -> None:
    response = client.get("/sample.cities/tilejson.json")
    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_attribution_of_a_comment_is_reduced_to_text_and_links(make_app: Any, oddity: Any) -> None:
    client = make_app(oddity("markup")).test_client()
    made = document(client, "/public.<b>markup<~2Fb>/tilejson.json")
    assert made["attribution"] == 'Somebody bad <a href="https://example.org/">good</a>'
    assert tile_at(client, made, 4, 8, 5)["public.<b>markup<~2Fb>"]["features"]


def test_a_single_point_has_bounds_with_a_size(make_app: Any, oddity: Any) -> None:
    client = make_app(oddity("markup")).test_client()
    west, south, east, north = document(client, "/public.<b>markup<~2Fb>/tilejson.json")["bounds"]
    assert west < east
    assert south < north
