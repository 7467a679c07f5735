"""Two Flagstones in one process, each below a prefix."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask

from app import Flagstone, Settings
from app.documents.openapi_operations import OPERATIONS
from app.errors import ConfigurationError
from tests.embedding.conftest import TILE
from tests.tile_decoding import attributes, decoded, get


def test_each_prefix_serves_its_own_database(host: Flask) -> None:
    assert {each["name"] for each in attributes(host, f"/world/{TILE}")} == {"world", "large world"}
    assert {each["name"] for each in attributes(host, f"/internal/city/{TILE}")} == {"city", "large city"}
    assert {each["name"] for each in attributes(host, f"/world/{TILE}")} == {"world", "large world"}, "from the cache"


@pytest.mark.parametrize("prefix", ["/world", "/internal/city"])
def test_absolute_addresses_hold_the_prefix(host: Flask, prefix: str) -> None:
    document = get(host, f"{prefix}/public.places/tilejson.json").get_json()
    assert document["tiles"] == [f"http://localhost{prefix}/tiles/public.places/{{z}}/{{x}}/{{y}}"]
    assert decoded(get(host, document["tiles"][0].replace("http://localhost", "").format(z=0, x=0, y=0)))
    style = get(host, f"{prefix}/public.places/style.json").get_json()
    assert style["sources"]["flagstone"]["url"] == f"http://localhost{prefix}/public.places/tilejson.json"
    [table] = get(host, f"{prefix}/tables.json").get_json()
    for member in ("tileurl", "tilejson", "style", "viewer"):
        assert table[member].startswith(f"http://localhost{prefix}/")


@pytest.mark.parametrize("prefix", ["/world", "/internal/city"])
def test_every_document_names_addresses_below_the_prefix_alone(host: Flask, prefix: str) -> None:
    filled = {"layer": "public.places", "layers": "public.places", "collectionId": "public.places", "file": "flagstone.css",
              "tileMatrixSetId": "WebMercatorQuad"}  # fmt: skip
    asked = 0
    for path in (operation.path for operations in OPERATIONS.values() for operation in operations):
        address = prefix + re.sub(r"\{(\w+)\}", lambda name: filled.get(name[1], "0"), path)
        with get(host, address, Accept="application/json") as answer:
            if path.startswith(("/function/", "/vendor/")):
                continue
            assert answer.status_code in (200, 301), (address, answer.get_data())
            if "json" in (answer.mimetype or ""):
                found = re.findall(r"http://localhost(/[^\"]*)?", answer.get_data(as_text=True))
                assert all(each.startswith(prefix) for each in found), (address, found)
                asked += len(found)
            if answer.status_code == 301:
                assert urljoin(address, answer.headers["Location"]).startswith(f"{prefix}/"), address
    assert asked > 50


def test_prefix_comes_after_what_a_server_mounts_the_host_under(host: Flask) -> None:
    answer = host.test_client().get("/world/places/tilejson.json", environ_overrides={"SCRIPT_NAME": "/site"})
    assert answer.get_json()["tiles"] == ["http://localhost/site/world/tiles/public.places/{z}/{x}/{y}"]


@pytest.mark.parametrize("path", ["/world/", "/internal/city/", "/internal/city/public.places/viewer"])
def test_pages_link_to_what_answers_below_the_prefix(host: Flask, path: str) -> None:
    text = get(host, path, Accept="text/html").get_data(as_text=True)
    found = {urlsplit(urljoin(path, each)).path for each in re.findall(r'(?:href|src)="([^"]+)"', text)}
    prefix = "/world/" if path.startswith("/world") else "/internal/city/"
    assert f"{prefix}static/flagstone.css" in found
    for each in found:
        assert each.startswith(prefix)
        with get(host, each) as answer:
            assert answer.status_code == 200, each


def test_prefix_without_its_slash_leads_to_the_catalog(host: Flask) -> None:
    answer = host.test_client().get("/world", follow_redirects=True)
    assert answer.request.path == "/world/" and answer.status_code == 200


def test_second_one_without_a_name_of_its_own_is_refused(host: Flask, databases: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="'city'"):
        Flagstone(DATABASE_URL=databases[0], name="city").init_app(host, "/other")


@pytest.mark.parametrize("name", ["a.b", "cache"])
def test_name_that_is_none_or_taken_is_refused(databases: tuple[str, str], name: str) -> None:
    app = Flask("host")
    Flagstone(DATABASE_URL=databases[0]).init_app(app, "/world")
    other = Flagstone(DATABASE_URL=databases[0], name=name)
    with pytest.raises((ConfigurationError, ValueError)):
        other.init_app(app, "/other")


@pytest.mark.parametrize("prefix", ["maps", "/ma ps", "/<tenant>", "//maps", "/maps?x"])
def test_prefix_that_is_no_plain_path_is_refused(databases: tuple[str, str], prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="url_prefix"):
        Flagstone(DATABASE_URL=databases[0]).init_app(Flask("host"), prefix)


def test_settings_are_given_in_one_way(databases: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="FLAGSTONE_NAME"):
        Flagstone(Settings.of(DATABASE_URL=databases[0]), FLAGSTONE_NAME="x")


def test_nothing_opens_before_the_first_request_for_it(host: Flask) -> None:
    assert get(host, "/").get_data() == b"the host's page"
    assert host.extensions["flagstone"].catalog.snapshot is None
    assert host.extensions["city"].pool._pool is None
