"""The addresses of Martin: catalog, sources as TileJSON, tiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.layers.identity import ANONYMOUS
from tests.conftest import MakeApp
from tests.tile_decoding import decoded, drawn, followed, get


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    return make_app(sample_database)


@pytest.fixture
def odd(make_app: MakeApp, oddity: Callable[[str], str]) -> Flask:
    return make_app(oddity("same_names"))


def ids(app: Flask, path: str) -> dict[str, list[int]]:
    """The feature ids of a tile by its layers' names."""
    layers = decoded(get(app, path))
    return {name: [feature["id"] for feature in layer["features"]] for name, layer in layers.items()}


def test_catalog_lists_tables_by_their_names(app: Flask) -> None:
    catalog: Any = get(app, "/catalog").json
    assert catalog["tiles"]["countries"]["content_type"] == "application/x-protobuf"
    assert "countries" in catalog["tiles"]["countries"]["description"].lower()
    assert {"sprites", "fonts", "styles"} <= set(catalog)
    assert "sample.countries" not in catalog["tiles"]


def test_events_asked_of_the_port_of_tiles_are_told_where_they_are(app: Flask) -> None:
    refused = get(app, "/events")
    assert refused.status_code == 404
    assert "no layer 'events'. Changed tiles are told by `flask changes serve`" in refused.json["detail"]  # type: ignore[index]
    assert "changes serve" not in get(app, "/event").json["detail"]  # type: ignore[index]


def test_every_source_of_the_catalog_has_tilejson_and_a_tile(odd: Flask) -> None:
    catalog: Any = get(odd, "/catalog").json
    assert len(catalog["tiles"]) == 9
    for source in catalog["tiles"]:
        tilejson: Any = get(odd, f"/{source}").json
        assert tilejson["tiles"] == [f"http://localhost/{source}/{{z}}/{{x}}/{{y}}"]
        assert [layer["id"] for layer in tilejson["vector_layers"]] == [source]
        assert set(decoded(get(odd, f"/{source}/0/0/0"))) == {source}


def test_tile_holds_a_layer_with_the_source_id(app: Flask) -> None:
    layers = decoded(get(app, "/countries/0/0/0"))
    assert set(layers) == {"countries"}
    assert "Brazil" in {feature["properties"]["name"] for feature in layers["countries"]["features"]}


def test_duplicate_names_are_numbered_in_the_order_of_schemas(odd: Flask) -> None:
    assert ids(odd, "/points/0/0/0") == {"points": [1]}
    assert ids(odd, "/points.1/0/0/0") == {"points.1": [2]}
    assert ids(odd, "/points.2/0/0/0") == {"points.2": [2]}
    assert ids(odd, "/points.3/0/0/0") == {"points.3": [4]}
    # The second is the other geometry column: Martin sorts them by name, and `also` comes before `place`.
    (first,) = decoded(get(odd, "/points.1/0/0/0?resolution=4096"))["points.1"]["features"]
    (second,) = decoded(get(odd, "/points.2/0/0/0?resolution=4096"))["points.2"]["features"]
    assert drawn(first).x > drawn(second).x


def test_bare_names_elsewhere_still_mean_the_first_schema_in_order(odd: Flask) -> None:
    assert ids(odd, "/tiles/points/0/0/0") == {"public.points": [4]}


def test_names_that_are_words_of_the_url_map_get_a_number(odd: Flask) -> None:
    assert ids(odd, "/catalog.1/0/0/0") == {"catalog.1": [5]}
    assert ids(odd, "/tiles.1/0/0/0") == {"tiles.1": [6]}
    assert ids(odd, "/index.1/0/0/0") == {"index.1": [7]}


def test_characters_that_an_address_cannot_hold_become_hyphens(odd: Flask) -> None:
    assert ids(odd, "/-t-----la.mer/0/0/0") == {"-t-----la.mer": [8]}


def test_composite_has_the_layers_in_its_order(app: Flask) -> None:
    tilejson: Any = get(app, "/cities,countries").json
    assert tilejson["tiles"] == ["http://localhost/cities,countries/{z}/{x}/{y}"]
    assert tilejson["name"] == "cities,countries"
    assert [layer["id"] for layer in tilejson["vector_layers"]] == ["cities", "countries"]
    assert list(decoded(get(app, "/cities,countries/0/0/0"))) == ["cities", "countries"]


def test_a_layer_id_is_a_source_too(app: Flask) -> None:
    """As if Martin had been told to make its ids of schema and table."""
    assert set(decoded(get(app, "/sample.countries/0/0/0"))) == {"sample.countries"}
    tilejson: Any = get(app, "/sample.countries").json
    assert tilejson["tiles"] == ["http://localhost/sample.countries/{z}/{x}/{y}"]


def test_empty_tile_is_204_and_outside_of_the_grid_404(app: Flask) -> None:
    assert get(app, "/liechtenstein_roads/10/1/500").status_code == 204
    for path in ("/countries/0/1/0", "/countries/60/0/0", "/countries/-1/0/0", "/nothing/0/0/0", "/nothing"):
        response = get(app, path)
        assert (response.status_code, response.mimetype) == (404, "application/problem+json"), path
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert get(app, "/countries/x/0/0").status_code == 400


def test_buffer_is_64_where_nobody_says_another(app: Flask) -> None:
    def west(path: str) -> float:
        (layer,) = decoded(get(app, path)).values()
        return float(min(drawn(feature).bounds[0] for feature in layer["features"]))

    assert west("/countries/4/8/5") == -64
    assert west("/tiles/sample.countries/4/8/5") == -256
    assert west("/sample.countries/4/8/5.pbf") == -256
    assert west("/countries/4/8/5?buffer=128") == -128


def test_tiles_of_two_manners_never_share_a_cache_entry(app: Flask) -> None:
    for _ in range(2):
        for path, name in (
            ("/tiles/sample.countries/2/2/1", "sample.countries"),
            ("/countries/2/2/1", "countries"),
            ("/sample.countries/2/2/1.pbf", "sample.countries"),
            ("/sample.countries/2/2/1", "sample.countries"),
        ):
            assert set(decoded(get(app, path))) == {name}


def test_constant_layer_name_does_not_reach_martins_addresses(make_app: MakeApp, sample_database: str) -> None:
    app = make_app(sample_database, FLAGSTONE_MVT_LAYER_NAME="default")
    assert set(decoded(get(app, "/tiles/sample.countries/0/0/0"))) == {"default"}
    assert set(decoded(get(app, "/countries/0/0/0"))) == {"countries"}


@pytest.mark.parametrize("suffix", ["pbf", "mvt", "mlt"])
def test_address_with_a_suffix_leads_to_the_one_without(app: Flask, odd: Flask, suffix: str) -> None:
    response = get(app, f"/countries/0/0/0.{suffix}?columns=name")
    assert response.status_code == 301
    assert response.headers["Location"] == "../../../countries/0/0/0?columns=name"
    assert set(decoded(followed(app, f"/cities,countries/0/0/0.{suffix}"))) == {"cities", "countries"}
    assert set(decoded(followed(odd, f"/points.1/0/0/0.{suffix}"))) == {"points.1"}


def test_query_string_goes_on_to_the_tiles(app: Flask) -> None:
    tilejson: Any = get(app, "/countries?columns=name&token=a%7Bz%7D").json
    assert tilejson["tiles"] == ["http://localhost/countries/{z}/{x}/{y}?columns=name&token=a%7Bz%7D"]
    assert tilejson["vector_layers"][0]["fields"] == {"name": "String"}


def test_another_grid_stays_in_the_query_string(app: Flask) -> None:
    tilejson: Any = get(app, "/countries?TileMatrixSetId=WorldCRS84Quad").json
    assert tilejson["tiles"] == ["http://localhost/countries/{z}/{x}/{y}?TileMatrixSetId=WorldCRS84Quad"]
    assert get(app, "/countries/0/1/0?TileMatrixSetId=WorldCRS84Quad").status_code == 200


def test_health_answers(app: Flask) -> None:
    response = get(app, "/health")
    assert (response.status_code, response.text, response.mimetype) == (200, "OK", "text/plain")


def test_stray_files_that_browsers_want_do_not_read_the_catalog_again(app: Flask) -> None:
    assert get(app, "/countries").status_code == 200
    before = app.extensions["flagstone"].catalog.snapshot
    for path in ("/favicon.ico", "/robots.txt"):
        assert get(app, path).status_code == 404
    assert app.extensions["flagstone"].catalog.snapshot is before


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/catalog", "/countries", "/countries/0/0/0"])
def test_head_and_options_answer(app: Flask, method: str, path: str) -> None:
    response = app.test_client().open(path, method=method)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.get_data() == b""


def test_encoded_slash_is_no_other_address(app: Flask) -> None:
    for path in ("/countries%2F0/0/0", "/countries%2F0%2F0%2F0", "/a%2Fcountries/0/0/0", "/sample%2Fcountries"):
        response = get(app, path)
        assert (response.status_code, response.mimetype) == (404, "application/problem+json"), path


def test_table_that_appears_later_gets_its_source(make_app: MakeApp, database: str) -> None:
    import psycopg

    app = make_app(database, FLAGSTONE_CATALOG_MISS_INTERVAL_S=0)
    assert get(app, "/catalog").json == {"tiles": {}, "sprites": {}, "fonts": {}, "styles": {}}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE late (id int PRIMARY KEY, place geometry(Point, 4326))")
        connection.execute("INSERT INTO late VALUES (1, 'SRID=4326;POINT(1 1)')")
    assert ids(app, "/late/0/0/0") == {"late": [1]}
    assert "late" in (get(app, "/catalog").json or {})["tiles"]


def test_named_composite_is_a_source_and_keeps_the_names_of_its_members(
    make_app: MakeApp, sample_database: str, tmp_path: Path
) -> None:
    (tmp_path / "layers.toml").write_text(
        '[composites.base]\nlayers = ["sample.cities", {layer = "sample.countries", name = "land"}]\ntitle = "Base"\n'
    )
    app = make_app(sample_database, FLAGSTONE_LAYERS_FILE=str(tmp_path / "layers.toml"))
    catalog: Any = get(app, "/catalog").json
    assert catalog["tiles"]["base"]["name"] == "Base"
    tilejson: Any = get(app, "/base").json
    assert tilejson["tiles"] == ["http://localhost/base/{z}/{x}/{y}"]
    names = [layer["id"] for layer in tilejson["vector_layers"]]
    assert names[1] == "land"
    assert list(decoded(get(app, "/base/0/0/0"))) == names


def test_statement_of_the_application_is_a_source_by_its_id(make_app: MakeApp, sample_database: str, tmp_path: Path) -> None:
    """It was named on purpose, so a table of the same name gets the number."""
    (tmp_path / "countries.sql").write_text(
        "SELECT id, 'statement' AS made_by, geom FROM sample.countries WHERE name = 'Brazil'"
    )
    app = make_app(sample_database, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    by_name = decoded(get(app, "/countries/0/0/0"))
    assert [feature["properties"]["made_by"] for feature in by_name["countries"]["features"]] == ["statement"]
    assert len(decoded(get(app, "/countries.1/0/0/0"))["countries.1"]["features"]) > 100
    assert {"countries", "countries.1"} <= set((get(app, "/catalog").json or {})["tiles"])


def test_without_a_comment_a_source_is_described_by_where_it_is(make_app: MakeApp, database: str, tmp_path: Path) -> None:
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE roads (id int PRIMARY KEY, place geometry(Point, 4326))")
        connection.execute(
            "CREATE FUNCTION near(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT NULL::bytea $$;"
            "CREATE FUNCTION rows(n int DEFAULT 1) RETURNS SETOF roads LANGUAGE sql STABLE AS $$ SELECT * FROM roads $$;"
            """COMMENT ON FUNCTION rows(int) IS '{"layer": true}'"""
        )
    (tmp_path / "évil.sql").write_text("SELECT id, place FROM public.roads")
    (tmp_path / "told.sql").write_text("-- description: Roads of the town\nSELECT id, place FROM public.roads")
    tiles = (get(make_app(database, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)), "/catalog").json or {})["tiles"]
    assert {name: entry["description"] for name, entry in tiles.items()} == {
        "roads": "public.roads.place", "near": "public.near", "rows": "public.rows", "-vil": "Statement évil",
        "told": "Roads of the town",
    }  # fmt: skip


def test_catalog_page_leads_to_the_page_of_addresses(app: Flask) -> None:
    """The page of all addresses is one step from the catalog's."""
    page = get(app, "/?f=html").text
    for path in ("api.html", "api"):
        assert f'href="./{path}"' in page
        assert get(app, f"/{path}").status_code == 200


def test_address_of_the_metrics_leads_on(app: Flask) -> None:
    response = get(app, "/_/metrics")
    assert (response.status_code, response.headers["Location"]) == (301, "../metrics")
    assert "flagstone_" in followed(app, "/_/metrics").get_data(as_text=True)


@pytest.mark.parametrize("loaded", [True, False])
def test_ids_made_of_schema_table_and_column_are_understood(database: str, make_app: MakeApp, loaded: bool) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA alpha")
        connection.execute("CREATE TABLE alpha.points (id int PRIMARY KEY, geom geometry(Point, 4326), other geometry(Point, 4326))")
        connection.execute("INSERT INTO alpha.points VALUES (1, 'SRID=4326;POINT(1 1)', 'SRID=4326;POINT(2 2)')")
    app = make_app(database)
    if loaded:
        app.extensions["flagstone"].catalog.reload()
    for name in ("alpha.points", "alpha.points.geom", "alpha.points.other"):
        assert list(decoded(get(app, f"/{name}/0/0/0"))) == [name]
        assert get(app, f"/{name}").get_json()["vector_layers"][0]["id"] == name
    assert list(decoded(get(app, "/alpha.points.geom,alpha.points.other/0/0/0"))) == ["alpha.points.geom", "alpha.points.other"]
    assert get(app, "/alpha.points.id/0/0/0").status_code == 404
    catalog = app.extensions["flagstone"].catalog.catalog()
    assert {layer.id: catalog.short_name(layer, ANONYMOUS) for layer in catalog.layers} == {"alpha.points": "points", "alpha.points.other": None}
