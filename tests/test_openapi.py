"""The OpenAPI document: valid, in step with the URL map, true of what is answered."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from openapi_spec_validator import OpenAPIV30SpecValidator
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.routing import RequestRedirect

from app import create_app
from app.documents.openapi_operations import OPERATIONS
from app.settings import Settings
from tests.chromium import started
from tests.conftest import Login, MakeApp, Serve
from tests.tile_decoding import get

PATHS = [operation.path for operations in OPERATIONS.values() for operation in operations]


@pytest.fixture(scope="module")
def app(sample_database: str) -> Iterator[Flask]:
    made = create_app(Settings.of(DATABASE_URL=sample_database))
    made.extensions["flagstone"].catalog.catalog()
    yield made
    made.extensions["flagstone"].close()


def described(app: Flask, query: str = "") -> dict[str, Any]:
    answer = get(app, f"/api{query}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.content_type == "application/vnd.oai.openapi+json;version=3.0"
    found: dict[str, Any] = answer.get_json(force=True)
    return found


# --- valid --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?layer=sample.countries"])
def test_document_is_valid(app: Flask, query: str) -> None:
    OpenAPIV30SpecValidator(described(app, query)).validate()


def test_paths_differ_in_more_than_the_names_of_their_parameters() -> None:
    shapes = [re.sub(r"\{[^}]+\}", "{}", path) for path in PATHS]
    assert len(set(shapes)) == len(shapes)


def test_operation_ids_differ(app: Flask) -> None:
    ids = [methods["get"]["operationId"] for methods in described(app)["paths"].values()]
    assert len(set(ids)) == len(ids)


def test_every_parameter_in_a_template_is_described_and_no_other(app: Flask) -> None:
    document = described(app)
    for path, methods in document["paths"].items():
        keys = [each["$ref"].rpartition("/")[2] for each in methods["get"]["parameters"]]
        found = [document["components"]["parameters"][key] for key in keys]
        assert {each["name"] for each in found if each["in"] == "path"} == set(re.findall(r"\{([^}]+)\}", path)), path
        places = [(each["name"], each["in"]) for each in found]
        assert len(set(places)) == len(places), path


# --- in step with the URL map -------------------------------------------------------------------------------------


def test_every_rule_is_described_and_every_described_path_is_routed(app: Flask) -> None:
    router = app.url_map.bind("localhost")
    routed = set()
    for path in PATHS:
        filled = re.sub(r"\{([^}]+)\}", lambda name: "3" if name[1] in ("z", "x", "y", "row", "column") else "some", path)
        try:
            rule, _ = router.match(filled, method="GET", return_rule=True)
        except RequestRedirect as redirect:
            pytest.fail(f"{path} is redirected to {redirect.new_url}")
        except Exception as error:
            pytest.fail(f"{path} is described and not routed: {error!r}")
        routed.add(rule.rule)
    left = {rule.rule: rule.endpoint for rule in app.url_map.iter_rules() if rule.rule not in routed}
    assert not left, f"routed and not described in app/documents/openapi_operations.py: {left}"


def test_every_operation_refers_to_what_there_is(app: Flask) -> None:
    text = get(app, "/api").get_data(as_text=True)
    document = described(app)
    for kind, key in set(re.findall(r"#/components/(\w+)/([^\"]+)", text)):
        assert key in document["components"][kind], (kind, key)


# --- what a layer takes and gives ---------------------------------------------------------------------------------


def test_named_layer_has_its_columns_with_the_types_that_tiles_carry(app: Flask) -> None:
    document = described(app, "?layer=countries")
    attributes = document["components"]["schemas"]["attributes"]["properties"]
    fields = get(app, "/countries/tilejson.json").get_json()["vector_layers"][0]["fields"]
    assert {name: each["type"].capitalize() for name, each in attributes.items()} == fields
    tile = document["paths"]["/tiles/{layers}/{z}/{x}/{y}"]["get"]["parameters"]
    names = {each["name"] for each in tile if "name" in each}
    assert names == set(fields), "each column can be asked to be equal"
    assert document["components"]["parameters"]["layers"]["example"] == "sample.countries"


def test_columns_that_a_login_may_not_read_are_not_in_it(database: str, make_app: MakeApp, login: Login) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, name text, secret text, geom geometry(Point, 4326))")
    dsn = login(database, "reader", "GRANT SELECT (id, name, geom) ON places TO reader")
    text = get(make_app(dsn), "/api?layer=places").get_data(as_text=True)
    assert '"name"' in text and "secret" not in text


def test_arguments_of_a_function_are_parameters(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION squares(z int, x int, y int, size double precision, colour text DEFAULT 'red') RETURNS bytea"
            " LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT ''::bytea $$")  # fmt: skip
    document = described(make_app(database), "?layer=squares")
    OpenAPIV30SpecValidator(document).validate()
    tile = document["paths"]["/tiles/{layers}/{z}/{x}/{y}"]["get"]["parameters"]
    own = {each["name"]: each for each in tile if "name" in each}
    assert own["size"]["required"] and own["size"]["schema"]["type"] == "number"
    assert "required" not in own["colour"] and "'red'" in own["colour"]["schema"]["description"]


@pytest.mark.parametrize("path", ["/api", "/api.html"])
def test_unknown_layer_is_404_with_the_nearest(app: Flask, path: str) -> None:
    answer = get(app, f"{path}?layer=contries")
    assert answer.status_code == 404 and "sample.countries" in answer.get_json()["nearest"]


def test_limits_are_those_of_the_settings(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_MAX_FEATURES=77, FLAGSTONE_MAX_TILE_EXTENT=4096, FLAGSTONE_DEFAULT_TMS="WorldCRS84Quad")
    found = described(app)["components"]["parameters"]
    assert found["limit"]["schema"]["default"] == 77
    assert found["resolution"]["schema"]["maximum"] == 4096
    assert found["grid"]["schema"]["default"] == "WorldCRS84Quad"


def test_document_is_there_without_a_database(make_app: MakeApp) -> None:
    app = make_app("postgresql://127.0.0.1:1/nowhere", FLAGSTONE_POOL_TIMEOUT_MS=100)
    OpenAPIV30SpecValidator(described(app)).validate()


# --- the page -----------------------------------------------------------------------------------------------------


def test_page_shows_every_address_and_nothing_of_another_host(app: Flask) -> None:
    answer = get(app, "/api.html?layer=countries")
    text = answer.get_data(as_text=True)
    for path in PATHS:
        assert f"GET {path}" in text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text) and "<script" not in text


def test_names_of_columns_are_text_in_the_page(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('CREATE TABLE odd (id int PRIMARY KEY, "<script>alert(1)</script>" int, geom geometry(Point, 4326))')
    text = get(make_app(database), "/api.html?layer=odd").get_data(as_text=True)
    assert "&lt;script&gt;alert(1)" in text and "<script>" not in text


def test_page_opens_in_a_browser_without_a_complaint(serve: Serve, sample_database: str, chromium: str) -> None:
    server = serve(DATABASE_URL=sample_database)
    said: list[str] = []
    asked: list[str] = []
    with started(chromium) as browser:
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{server.url}/api.html?layer=sample.countries")
        page.get_by_text("GET /tiles/{layers}/{z}/{x}/{y}").first.click()
        assert page.get_by_text("cql2-text, cql2-json").first.is_visible()
    assert not said
    assert all(url.startswith(server.url) for url in asked)


# --- true ---------------------------------------------------------------------------------------------------------


FILES = ("/static/{file}", "/vendor/maplibre-gl/{file}")
"""Files, which schemathesis does not close."""
CHECKS = (schemathesis.checks.not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.mark.parametrize("layer", ["", "?layer=sample.countries"])
def test_requests_made_out_of_the_document_get_what_it_says(app: Flask, layer: str) -> None:
    schema = schemathesis.openapi.from_wsgi(f"/api{layer}", app)
    failures: list[str] = []
    answered = 0
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # the document is valid, another test says
        if operation.path in FILES:
            continue

        @seed(4)
        @settings(max_examples=12, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal answered
            answer = case.call()
            answered += 1
            try:
                case.validate_response(answer, checks=list(CHECKS))
            except* Failure as group:
                failures.extend(f"{case.method} {case.formatted_path} {case.query}: {each}" for each in group.exceptions)

        ask()
    assert not failures, "\n".join(failures[:10])
    assert answered > 300
