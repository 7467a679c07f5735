"""The map page as it is sent: its files, its refusals, its style."""

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient


@pytest.fixture
def client(make_app: Any, sample_database: str, library: str) -> FlaskClient:
    made: FlaskClient = make_app(sample_database, FLAGSTONE_NODE_MODULES=library).test_client()
    return made


@pytest.fixture
def library(tmp_path: Path) -> str:
    """A node_modules with files of the names that MapLibre has."""
    dist = tmp_path / "node_modules" / "maplibre-gl" / "dist"
    dist.mkdir(parents=True)
    for name in ("maplibre-gl.mjs", "maplibre-gl-worker.mjs", "maplibre-gl.css", "maplibre-gl-dev.mjs"):
        (dist / name).write_text(f"/* {name} */")
    return str(tmp_path / "node_modules")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("maplibre-gl.mjs", "text/javascript"),
        ("maplibre-gl-worker.mjs", "text/javascript"),
        ("maplibre-gl.css", "text/css"),
    ],
)
def test_the_library_is_served_with_its_types(client: FlaskClient, name: str, kind: str) -> None:
    response = client.get(f"/vendor/maplibre-gl/{name}")
    assert response.text == f"/* {name} */"
    assert response.mimetype == kind
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    response.close()


@pytest.mark.parametrize(
    "name", ["maplibre-gl-dev.mjs", "..%2Fpackage.json", "../package.json", "%2e%2e", "x"]
)
def test_other_files_beside_the_library_are_not_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/vendor/maplibre-gl/{name}").status_code == 404


def test_without_the_library_the_page_says_what_to_run(
    make_app: Any, sample_database: str, tmp_path: Path
) -> None:
    client = make_app(sample_database, FLAGSTONE_NODE_MODULES=str(tmp_path)).test_client()
    response = client.get("/sample.cities/viewer")
    assert response.status_code == 200
    assert "npm ci" in response.text
    assert "<script" not in response.text
    assert client.get("/sample.cities/tilejson.json").status_code == 200
    assert client.get("/vendor/maplibre-gl/maplibre-gl.mjs").status_code == 404


def test_a_grid_that_the_page_cannot_draw_is_said(client: FlaskClient) -> None:
    response = client.get("/sample.cities/viewer?TileMatrixSetId=WGS1984Quad")
    assert response.status_code == 200
    assert "cannot draw WGS1984Quad" in response.text
    assert "TileMatrixSetId=WebMercatorQuad" in response.text
    assert "<script" not in response.text


def test_page_names_its_own_files_relatively_so_that_any_prefix_holds(client: FlaskClient) -> None:
    page = client.get("/sample.cities/viewer", base_url="http://localhost/maps").text
    assert 'src="../static/viewer.js"' in page
    assert 'href="../vendor/maplibre-gl/maplibre-gl.css"' in page
    assert "http://localhost/maps/sample.cities/tilejson.json" in page


def test_an_unknown_layer_has_no_page(client: FlaskClient) -> None:
    response = client.get("/sample.citties/viewer")
    assert response.status_code == 404
    assert response.json is not None
    assert "sample.cities" in response.json["nearest"]


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_programs_and_people_are_told_the_same_of_what_there_is_not(client: FlaskClient) -> None:
    page = client.get("/sample.citties/viewer", headers=BROWSER)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Request-Id"]
    assert 'href="../sample.cities/viewer"' in page.text
    for accept in ("*/*", "application/json", "application/problem+json"):
        problem = client.get("/sample.citties/viewer", headers={"Accept": accept})
        assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")
    assert "Accept" in page.headers["Vary"]
    assert "Accept" in client.get("/sample.cities/viewer").headers["Vary"]


def test_the_page_of_a_refusal_holds_no_markup_of_the_address(client: FlaskClient) -> None:
    page = client.get("/%3Cscript%3Ex/viewer", headers=BROWSER)
    assert page.status_code == 404
    assert "<script>" not in page.text


def test_an_unknown_grid_is_said_without_links_to_maps_of_grids(client: FlaskClient) -> None:
    page = client.get("/sample.cities/viewer?TileMatrixSetId=WebMercatorQad", headers=BROWSER)
    assert page.status_code == 404
    assert "WebMercatorQad" in page.text
    assert "/viewer" not in page.text
    wrong = client.get("/sample.cities/viewer?columns=nope", headers=BROWSER)
    assert (wrong.status_code, wrong.mimetype) == (400, "text/html")
    assert "There is no column" in wrong.text


def test_a_public_address_may_be_asked_by_the_page(make_app: Any, sample_database: str) -> None:
    client = make_app(sample_database, FLAGSTONE_PUBLIC_URL="https://maps.example/tiles").test_client()
    policy = client.get("/sample.cities/viewer").headers["Content-Security-Policy"]
    assert "connect-src 'self' https://maps.example;" in policy


def test_style_leads_to_the_tilejson_with_the_query_string(client: FlaskClient) -> None:
    made: Any = client.get("/sample.cities/style.json?columns=name").json
    assert made["version"] == 8
    assert made["sources"]["flagstone"] == {
        "type": "vector",
        "url": "http://localhost/sample.cities/tilejson.json?columns=name",
    }
