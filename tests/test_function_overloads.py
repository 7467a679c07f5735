"""Several functions of one name: the query string says which is meant, at every address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from flask import Flask

from tests.conftest import ODDITIES, Login, MakeApp
from tests.servers.postgres import DatabaseServer
from tests.test_function_tiles import TILE, assert_refused
from tests.tile_decoding import attributes, decoded, get

LONG = "public.twice(int4~2Cint4~2Cint4~2Ctext)"
OVERLOADS = """
CREATE FUNCTION needing(z int, x int, y int, kind text) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'kind ' || kind) $$;
CREATE FUNCTION needing(z int, x int, y int, kind text, size int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'kind and size', size) $$;
CREATE FUNCTION needing(z int, x int, y int, day date, upto date DEFAULT 'today') RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'day') $$;
CREATE FUNCTION needing(z int, x int, y int, day int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'number') $$;

CREATE FUNCTION mixed(xmin float, ymin float, xmax float, ymax float, epsg int, query json) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT ST_AsMVT(feature, 'box') FROM (
        SELECT id, epsg, query::text AS said, ST_AsMVTGeom(ST_Transform(geom, epsg), ST_MakeBox2D(ST_MakePoint(mixed.xmin, ymin), ST_MakePoint(mixed.xmax, ymax))) AS geom FROM places
    ) AS feature
$$;
CREATE FUNCTION mixed(z int, x int, y int, smallest int DEFAULT 0) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'place', smallest) $$;
CREATE FUNCTION mixed(bounds geometry, name_is text, upper boolean DEFAULT false)
    RETURNS TABLE (id int, said text, geom geometry) LANGUAGE sql STABLE AS $$
    SELECT id, CASE WHEN upper THEN upper(name) ELSE name END, geom FROM places WHERE name = name_is
$$;
COMMENT ON FUNCTION mixed(geometry, text, boolean) IS '{"layer": true}';
"""


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    """One database for all tests that change nothing in it."""
    from app import create_app
    from app.settings import Settings

    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute((ODDITIES / "functions.sql").read_bytes())
        connection.execute(OVERLOADS.encode())
    app = create_app(Settings.of(DATABASE_URL=made, FLAGSTONE_CATALOG_MISS_INTERVAL_S="3600"))
    yield app
    app.extensions["flagstone"].close()
    server.drop(made)


def names(app: Flask, path: str) -> list[str]:
    """The layers inside a tile."""
    return list(decoded(get(app, path)))


def answer(app: Flask, address: str) -> Any:
    """What an absolute address answers."""
    parts = urlsplit(address)
    return get(app, f"{parts.path}?{parts.query}")


class TestChoice:
    @pytest.mark.parametrize("asked", ["twice", "public.twice"])
    def test_the_arguments_choose_among_functions_of_one_name(self, app: Flask, asked: str) -> None:
        assert names(app, f"/tiles/{asked}/{TILE}") == ["short"]
        assert names(app, f"/tiles/{asked}/{TILE}?word=w") == ["w"]
        assert names(app, f"/tiles/{asked}/{TILE}?other=w&v=3") == ["short"]

    @pytest.mark.parametrize(
        ("query", "layer"),
        [("kind=a", "kind a"), ("kind=a&size=1", "kind and size"), ("kind=a&size=1&day=2024-01-01", "kind and size"),
         ("day=2024-01-01", "day"), ("day=7", "number"), ("upto=2024-01-01&day=2024-01-01", "day"), ("kind=a&unknown=1", "kind a")],
    )  # fmt: skip
    def test_it_is_the_one_that_has_what_it_needs_and_takes_most_of_what_is_given(self, app: Flask, query: str, layer: str) -> None:
        assert names(app, f"/tiles/needing/{TILE}?{query}") == [layer]

    def test_a_value_that_no_type_allows_is_no_reason_to_take_another_function(self, app: Flask) -> None:
        assert_refused(app, f"/tiles/twice/{TILE}?word=%00", 400, "word", parameter="word")
        assert_refused(app, f"/tiles/needing/{TILE}?kind=a&size=big", 400, "size must be", parameter="size")

    @pytest.mark.parametrize("query", ["", "size=1", "upto=2024-01-01", "unknown=1"])
    def test_where_none_fits_it_is_said_what_each_wants(self, app: Flask, query: str) -> None:
        assert_refused(
            app, f"/tiles/needing/{TILE}?{query}", 400, "needing", "(int4~2Cint4~2Cint4~2Ctext) wants kind (text);",
            "wants kind (text) and size (integer)", "wants day (date)",
        )  # fmt: skip

    def test_an_id_with_types_means_that_function_alone(self, app: Flask) -> None:
        assert names(app, f"/tiles/public.twice(int4~2Cint4~2Cint4)/{TILE}?word=w") == ["short"]
        assert_refused(app, f"/tiles/{LONG}/{TILE}", 400, "word", parameter="word")
        assert_refused(app, f"/tiles/public.needing(int4~2Cint4~2Cint4~2Ctext)/{TILE}?day=7", 400, "kind", parameter="kind")


class TestKinds:
    def test_functions_of_different_kinds_share_a_name(self, app: Flask) -> None:
        assert names(app, f"/tiles/mixed/{TILE}") == ["place"]
        assert names(app, f"/tiles/mixed/{TILE}?smallest=15") == ["place"]
        assert names(app, f"/tiles/mixed/{TILE}?anything=15") == ["box"]
        assert attributes(app, f"/tiles/mixed/{TILE}?name_is=one&upper=true") == [{"id": 1, "said": "ONE"}]

    def test_what_is_for_documents_and_caches_is_no_argument_of_a_function_that_takes_all(self, app: Flask) -> None:
        assert names(app, f"/tiles/mixed/{TILE}?key=k&f=pbf&v=2&TileMatrixSetId=WebMercatorQuad") == ["place"]
        assert names(app, f"/tiles/mixed/{TILE}?limit=5&filter=x") == ["box"]
        assert names(app, f"/tiles/mixed/{TILE}?smallest=5&filter=x") == ["box"]

    def test_one_that_has_tiles_in_the_grid_goes_first(self, app: Flask) -> None:
        tile = decoded(get(app, "/tiles/WGS1984Quad/mixed/4/16/3"))
        assert {feature["properties"]["epsg"] for feature in tile["box"]["features"]} == {4326}
        assert_refused(app, "/tiles/WGS1984Quad/twice/4/16/3", 400, "knows no grid but", parameter="TileMatrixSetId")

    def test_the_catalog_lists_each_with_its_exact_names(self, app: Flask) -> None:
        listed = [each["id"] for each in get(app, "/functions.json").get_json()]
        assert len([each for each in listed if each.startswith("public.mixed(")]) == 3
        assert len([each for each in listed if each.startswith("public.needing(")]) == 4
        catalog = app.extensions["flagstone"].catalog.catalog()
        from app.layers.identity import ANONYMOUS

        for layer in catalog.layers:
            short = catalog.short_name(layer, ANONYMOUS)
            assert short is None or "(" not in layer.id or "(" in short
            assert short is None or catalog.find(short, ANONYMOUS) is layer


class TestDocuments:
    """The addresses that describe a function, and make no tile."""

    @pytest.mark.parametrize("address", ["/function/{}.json", "/{}.json", "/collections/{}"])
    def test_a_name_without_types_shows_every_function_of_it(self, app: Flask, address: str) -> None:
        listed = get(app, address.format("public.needing")).get_json()["overloads"]
        signatures = [[argument["name"] for argument in each["arguments"]] for each in listed]
        assert sorted(signatures) == [["day"], ["day", "upto"], ["kind"], ["kind", "size"]]
        for each in listed:
            there = answer(app, each["function"]).get_json()
            assert (there["id"], there["arguments"]) == (each["id"], each["arguments"])
            assert "overloads" not in there

    @pytest.mark.parametrize("address", ["/function/{}.json", "/{}.json", "/collections/{}"])
    def test_the_arguments_choose_the_one_that_is_described(self, app: Flask, address: str) -> None:
        path = address.format("public.twice")
        assert get(app, path).get_json()["id"] == "public.twice(int4~2Cint4~2Cint4)"
        assert get(app, f"{path}?word=w").get_json()["id"] == LONG
        assert len(get(app, f"{path}?word=w").get_json()["overloads"]) == 2

    @pytest.mark.parametrize("address", ["/function/public.plain.json", "/public.plain.json", "/collections/public.plain", "/public.places.json"])
    def test_what_is_alone_of_its_name_has_none(self, app: Flask, address: str) -> None:
        assert "overloads" not in get(app, address).get_json()

    def test_a_named_composite_means_one_of_them_by_its_id(
        self, oddity: Callable[[str], str], make_app: MakeApp, tmp_path: Path
    ) -> None:
        file = tmp_path / "layers.toml"
        file.write_text(f'[composites.both]\nlayers = ["public.plain", "{LONG}"]\n')
        app = make_app(oddity("functions"), FLAGSTONE_LAYERS_FILE=str(file))
        assert_refused(app, f"/tiles/both/{TILE}", 400, "word", parameter="word")
        path = f"/tiles/both/{TILE}?{quote(LONG)}.word=w"
        assert names(app, path) == ["plain", "w"]
        assert names(app, f"/tiles/both/{TILE}?word=w") == ["plain", "w"]


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        ["/tiles/twice/{z}/{x}/{y}", "/tiles/public.twice/{z}/{x}/{y}.pbf", "/tiles/WebMercatorQuad/twice/{z}/{x}/{y}",
         "/public.twice/{z}/{x}/{y}.pbf", "/twice/{z}/{x}/{y}", "/public.twice/{z}/{x}/{y}",
         "/collections/public.twice/tiles/WebMercatorQuad/{z}/{y}/{x}", "/tiles/WebMercatorQuad/{z}/{y}/{x}?collections=twice"],
    )  # fmt: skip
    def test_the_arguments_choose_at_every_address(self, app: Flask, address: str) -> None:
        z, x, y = TILE.split("/")
        path = address.format(z=z, x=x, y=y)
        sign = "&" if "?" in path else "?"
        assert names(app, path) == ["short"]
        assert names(app, f"{path}{sign}word=w") == ["w"]

    @pytest.mark.parametrize(
        "address",
        ["/twice/tilejson.json", "/public.twice/tilejson.json", "/WebMercatorQuad/twice/tilejson.json", "/twice",
         "/collections/public.twice/tiles/WebMercatorQuad/tilejson.json"],
    )  # fmt: skip
    def test_the_tile_address_of_tilejson_leads_to_the_same_function(self, app: Flask, address: str) -> None:
        z, x, y = TILE.split("/")
        for query, layer, arguments in (("", "short", []), ("word=w%20%26", "w &", ["word"])):
            document = get(app, f"{address}?{query}").get_json()
            assert [each["name"] for each in document["arguments"]] == arguments
            tiles = document["tiles"][0].replace("{z}", z).replace("{x}", x).replace("{y}", y)
            assert list(decoded(answer(app, tiles))) == [layer]

    def test_martins_numbered_sources_are_single_functions(self, app: Flask) -> None:
        assert_refused(app, f"/twice.1/{TILE}", 400, "word", parameter="word")
        assert names(app, f"/twice.1/{TILE}?word=w") == ["w"]

    def test_each_layer_of_a_composite_has_its_own_arguments(self, app: Flask) -> None:
        path = f"/tiles/plain,twice,public.needing/{TILE}?twice.word=w&public.needing.kind=a"
        assert names(app, path) == ["plain", "w", "kind a"]
        assert names(app, f"/tiles/plain,twice/{TILE}?plain.word=w") == ["plain", "short"]
        document = get(app, "/plain,twice/tilejson.json?twice.word=w").get_json()
        z, x, y = TILE.split("/")
        tiles = document["tiles"][0].replace("{z}", z).replace("{x}", x).replace("{y}", y)
        assert list(decoded(answer(app, tiles))) == ["plain", "w"]

    def test_two_names_that_come_to_one_function_are_400(self, app: Flask) -> None:
        assert get(app, f"/tiles/twice,{LONG}/{TILE}?word=w").status_code == 400

    def test_the_map_page_shows_the_function_that_is_meant(self, app: Flask) -> None:
        assert get(app, "/twice/viewer?word=w").status_code == 200
        assert get(app, "/needing/viewer").status_code == 400


class TestCache:
    def test_functions_of_one_name_have_keys_of_their_own(self, app: Flask) -> None:
        for _ in range(2):
            for query, layer in (("", "short"), ("word=short%20too", "short too"), ("word=w", "w")):
                assert names(app, f"/tiles/twice/{TILE}?{query}") == [layer]

    def test_a_new_function_of_the_name_is_found_by_its_arguments(self, oddity: Callable[[str], str], make_app: MakeApp) -> None:
        dsn = oddity("functions")
        app = make_app(dsn, FLAGSTONE_CATALOG_INTERVAL_S="0", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")
        assert names(app, f"/tiles/plain/{TILE}?word=w") == ["plain"]
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE FUNCTION plain(z int, x int, y int, word text) RETURNS bytea LANGUAGE sql AS $$ SELECT drawn(z, x, y, word) $$")
        app.extensions["flagstone"].catalog.reload()
        assert names(app, f"/tiles/plain/{TILE}?word=w") == ["w"]
        assert names(app, f"/tiles/plain/{TILE}") == ["plain"]

    @pytest.mark.parametrize(("query", "layer"), [("", "short"), ("?word=w", "w")])
    def test_it_is_chosen_before_the_catalog_is_there(
        self, oddity: Callable[[str], str], make_app: MakeApp, query: str, layer: str
    ) -> None:
        app = make_app(oddity("functions"), FLAGSTONE_CATALOG_INTERVAL_S="0")
        assert names(app, f"/tiles/twice/{TILE}{query}") == [layer]


def test_only_functions_that_may_be_executed_are_chosen_among(
    oddity: Callable[[str], str], login: Login, make_app: MakeApp
) -> None:
    dsn = oddity("functions")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("REVOKE EXECUTE ON FUNCTION twice(int, int, int, text) FROM public")
    app = make_app(login(dsn, "flagstone_test_chooser", "GRANT SELECT ON places TO flagstone_test_chooser"))
    assert names(app, f"/tiles/twice/{TILE}?word=w") == ["short"]
    assert get(app, f"/tiles/{LONG}/{TILE}?word=w").status_code == 404


def test_the_command_chooses_alike(app: Flask) -> None:
    done = app.test_cli_runner().invoke(args=["tiles", "get", "twice", *TILE.split("/"), "--param", "word=w", "--format", "json"])
    assert done.exit_code == 0, done.output
    assert '"w"' in done.output
