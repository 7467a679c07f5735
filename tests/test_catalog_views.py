"""The catalog for people and for programs."""

import re
from typing import Any

import pytest
from flask.testing import FlaskClient

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client(make_app: Any, sample_database: str) -> FlaskClient:
    made: FlaskClient = make_app(sample_database).test_client()
    return made


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        (BROWSER, "", "text/html"),
        ("text/html", "", "text/html"),
        ("*/*", "", "application/json"),
        (None, "", "application/json"),
        ("application/json", "", "application/json"),
        ("text/html;q=0.5, application/json", "", "application/json"),
        ("image/png", "", "application/json"),
        (BROWSER, "?f=json", "application/json"),
        ("application/json", "?f=html", "text/html"),
    ],
)
def test_the_root_is_a_page_for_people_and_json_for_programs(
    client: FlaskClient, accept: str | None, query: str, kind: str
) -> None:
    response = client.get(f"/{query}", headers={"Accept": accept} if accept else {})
    assert response.status_code == 200
    assert response.mimetype == kind
    assert "Accept" in response.vary


def test_tables_json_is_a_list_with_timvts_members(client: FlaskClient) -> None:
    tables: Any = client.get("/tables.json").json
    by_id = {table["id"]: table for table in tables}
    assert {
        "sample.countries",
        "sample.cities",
        "sample.liechtenstein_pois",
        "sample.capitals",
    } <= by_id.keys()
    for table in tables:
        assert {
            "id",
            "schema",
            "table",
            "type",
            "geometry_columns",
            "properties",
            "bounds",
            "tileurl",
        } <= table.keys()
    buildings = by_id["sample.liechtenstein_buildings"]
    assert buildings["srid"] == 2056
    assert buildings["crs"] == "http://www.opengis.net/def/crs/EPSG/0/2056"
    assert buildings["tileurl"] == "http://localhost/tiles/sample.liechtenstein_buildings/{z}/{x}/{y}"
    assert buildings["bounds"] == pytest.approx([9.47, 47.05, 9.64, 47.27], abs=0.05)
    assert by_id["sample.capitals"]["kind"] == "materialized view"
    assert by_id["sample.liechtenstein_named_roads"]["kind"] == "view"


def test_one_table_is_the_same_document_as_in_the_list(client: FlaskClient) -> None:
    tables: Any = client.get("/tables.json").json
    one: Any = client.get("/table/sample.cities.json").json
    assert one == next(table for table in tables if table["id"] == "sample.cities")
    assert client.get("/table/cities.json").json == one


def test_every_address_of_a_table_answers(client: FlaskClient) -> None:
    one: Any = client.get("/table/sample.cities.json").json
    for name in ("tilejson", "style", "viewer"):
        assert client.get(one[name].removeprefix("http://localhost")).status_code == 200
    tile = one["tileurl"].removeprefix("http://localhost").format(z=0, x=0, y=0)
    assert client.get(tile).status_code == 200


def test_unknown_table_is_404_with_the_nearest(client: FlaskClient) -> None:
    response = client.get("/table/sample.citys.json")
    assert response.status_code == 404
    assert response.json is not None
    assert "sample.cities" in response.json["nearest"]


def test_the_landing_document_holds_the_tables_and_links(client: FlaskClient) -> None:
    landing: Any = client.get("/").json
    assert landing["name"] == "Flagstone"
    assert {"http://localhost/tables.json", "http://localhost/functions.json", "http://localhost/tileMatrixSets"} <= {
        link["href"] for link in landing["links"]
    }
    assert len(landing["tables"]) == len(client.get("/tables.json").json or [])


def test_tile_matrix_sets_are_listed_and_each_has_its_document(client: FlaskClient) -> None:
    listed: Any = client.get("/tileMatrixSets").json
    ids = [each["id"] for each in listed["tileMatrixSets"]]
    assert "WebMercatorQuad" in ids
    links = next(each for each in listed["tileMatrixSets"] if each["id"] == "WebMercatorQuad")["links"]
    assert {link["href"] for link in links} == {"http://localhost/tileMatrixSets/WebMercatorQuad"}
    assert [link["rel"] for link in links] == ["self", "item"]
    document: Any = client.get("/tileMatrixSets/WebMercatorQuad").json
    assert document["id"] == "WebMercatorQuad"
    assert len(document["tileMatrices"]) == 25


def test_unknown_tile_matrix_set_is_404_with_the_nearest(client: FlaskClient) -> None:
    response = client.get("/tileMatrixSets/WebMercatorQad")
    assert response.status_code == 404
    assert response.json is not None
    assert "WebMercatorQuad" in response.json["nearest"]


def test_page_links_to_the_map_of_each_layer_and_counts_them(client: FlaskClient) -> None:
    page = client.get("/?f=html").text
    assert 'href="./sample.cities/viewer"' in page
    assert re.search(r'id="count"[^>]*>\s*\d+ layers<', page)


def test_page_finds_by_words_in_names_and_descriptions(client: FlaskClient) -> None:
    page = client.get("/?f=html&q=BUILDINGS+of").text
    assert 'href="./sample.liechtenstein_buildings/viewer"' in page
    assert "sample.cities" not in page
    assert "1 of " in page


def test_page_has_a_strict_policy_and_nothing_inline(client: FlaskClient) -> None:
    for address in ("/?f=html", "/sample.cities/viewer"):
        response = client.get(address)
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "same-origin"
        assert " style=" not in response.text
        assert "<style" not in response.text
        assert not re.search(r"<script(?![^>]*(src=|application/json))", response.text)
        assert not re.search(r"""(src|href)="(https?:)?//""", response.text)


def test_names_and_comments_are_escaped_on_the_page(make_app: Any, oddity: Any) -> None:
    client = make_app(oddity("markup")).test_client()
    page = client.get("/?f=html").text
    assert "window.hacked" in page
    assert "<script>window.hacked" not in page
    assert "<b>markup" not in page
    assert "public.%3Cb%3Emarkup%3C~2Fb%3E/viewer" in page


def test_words_looked_for_are_escaped(client: FlaskClient) -> None:
    page = client.get("/?f=html&q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E").text
    assert "<script>alert" not in page


def test_a_database_without_layers_says_how_to_find_out_why(make_app: Any, database: str) -> None:
    client = make_app(database).test_client()
    assert client.get("/tables.json").json == []
    assert "flask catalog list --rejected" in client.get("/?f=html").text


def test_many_tables_come_in_pages(make_app: Any, database: str) -> None:
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute(
            "DO $$ BEGIN FOR n IN 1..1200 LOOP"
            " EXECUTE format('CREATE TABLE t%s (geom geometry(Point, 4326))', lpad(n::text, 5, '0'));"
            " END LOOP; END $$"
        )
    client = make_app(database).test_client()
    first, last = client.get("/?f=html").text, client.get("/?f=html&page=3").text
    assert first.count("<li>") == 500
    assert "Page 1 of 3" in first
    assert 'rel="next"' in first
    assert last.count("<li>") == 200
    assert "public.t01200" in last
    assert client.get("/?f=html&q=t01200").text.count("<li>") == 1
