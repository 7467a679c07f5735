"""What is said of functions: TiMVT's documents, TileJSON, style, map and catalog."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.caching.entry import Entry
from app.layers.how import How
from tests.conftest import MakeApp
from tests.tile_decoding import decoded, get


@pytest.fixture
def app(oddity: Callable[[str], str], make_app: MakeApp) -> Flask:
    return make_app(oddity("functions"), CACHE_TYPE="NullCache")


def document(app: Flask, path: str) -> Any:
    response = get(app, path)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def test_function_document_has_timvts_members_and_the_arguments(app: Flask) -> None:
    found = document(app, "/function/by_name.json")
    assert {"id", "type", "function_name", "bounds", "minzoom", "maxzoom", "default_tms", "tileurl", "crs", "title", "description"} <= found.keys()
    assert (found["id"], found["type"], found["function_name"]) == ("public.by_name", "Function", "by_name")
    assert (found["minzoom"], found["maxzoom"], found["bounds"]) == (2, 12, [9, 47, 10, 48])
    assert found["tileurl"] == "http://localhost/tiles/public.by_name/{z}/{x}/{y}"
    assert found["arguments"][0] == {
        "name": "smallest", "type": "integer", "required": False, "has_default": True, "default": "15", "description": "The smallest.",
    }  # fmt: skip
    assert document(app, "/function/needy.json")["arguments"] == [{"name": "smallest", "type": "integer", "required": True, "has_default": False}]
    assert document(app, "/function/by_query.json")["query_argument"]["name"] == "query"


def test_functions_json_lists_functions_and_no_tables(app: Flask) -> None:
    listed = {each["id"]: each for each in document(app, "/functions.json")}
    assert {"public.by_box", "public.places()", "public.twice(int4~2Cint4~2Cint4)", "public.picture"} <= listed.keys()
    assert "public.places" not in listed
    assert listed["public.picture"]["media_type"] == "image/png"
    assert listed["public.by_name"] == document(app, "/function/public.by_name.json")
    assert [each["id"] for each in document(app, "/tables.json")] == ["public.places"]


def test_each_listed_function_has_a_document_and_an_address(app: Flask) -> None:
    for each in document(app, "/functions.json"):
        for link in (each["tileurl"].replace("{z}/{x}/{y}", "8/134/89"), each["tilejson"], each["style"], each["viewer"]):
            response = get(app, link.removeprefix("http://localhost"))
            assert response.status_code in (200, 204) or response.get_json(force=True)["parameter"] in ("smallest", "word", "layer", "e"), link
        assert get(app, each["tilejson"].replace("/tilejson.json", ".json").replace("localhost/", "localhost/function/").removeprefix("http://localhost")).status_code == 200


def test_a_table_is_no_function_and_a_function_no_table(app: Flask) -> None:
    assert get(app, "/function/places.json").status_code == 404
    assert get(app, "/table/plain.json").status_code == 404
    assert get(app, "/function/nobody.json").status_code == 404


def test_tilejson_says_what_the_comment_says(app: Flask) -> None:
    found = document(app, "/by_name/tilejson.json?smallest=3")
    assert found["vector_layers"] == [{"id": "told", "fields": {"facts": "String"}, "minzoom": 2, "maxzoom": 12}]
    assert [each["name"] for each in found["arguments"]] == ["smallest", "word", 'Odd "Name%']
    assert found["tiles"] == ["http://localhost/tiles/public.by_name/{z}/{x}/{y}?smallest=3"]
    assert (found["minzoom"], found["maxzoom"], found["bounds"]) == (2, 12, [9, 47, 10, 48])


def test_without_a_comment_the_layer_inside_has_the_functions_id(app: Flask) -> None:
    assert [each["id"] for each in document(app, "/plain/tilejson.json")["vector_layers"]] == ["public.plain"]


def test_the_layers_file_has_the_last_word_on_the_name_inside(
    oddity: Callable[[str], str], make_app: MakeApp, tmp_path: Path
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.by_name"]\nmvt_name = "mine"\nmaxzoom = 9\n[layers."public.plain"]\nhidden = true\n')
    app = make_app(oddity("functions"), FLAGSTONE_LAYERS_FILE=str(file))
    found = document(app, "/by_name/tilejson.json")
    assert [each["id"] for each in found["vector_layers"]] == ["mine"]
    assert (found["minzoom"], found["maxzoom"]) == (2, 9)
    assert get(app, "/tiles/plain/8/134/89").status_code == 404


def test_tilejson_of_a_call_that_cannot_be_made_is_400(app: Flask) -> None:
    response = get(app, "/needy/tilejson.json")
    assert (response.status_code, response.get_json(force=True)["parameter"]) == (400, "smallest")
    assert get(app, "/needy/tilejson.json?smallest=1").status_code == 200


def test_style_draws_every_kind_of_geometry_of_the_layers_inside(app: Flask) -> None:
    style = document(app, "/by_name/style.json?word=w")
    drawn = [layer for layer in style["layers"] if layer["type"] != "background"]
    assert {layer["source-layer"] for layer in drawn} == {"told"}
    assert {layer["type"] for layer in drawn} == {"fill", "line", "circle"}
    assert style["sources"]["flagstone"]["url"].endswith("/public.by_name/tilejson.json?word=w")


def test_a_picture_is_a_raster_source(app: Flask) -> None:
    found = document(app, "/picture/tilejson.json")
    assert "vector_layers" not in found
    assert found["format"] == "png"
    style = document(app, "/picture/style.json")
    assert style["sources"]["flagstone"]["type"] == "raster"
    assert [layer["type"] for layer in style["layers"]] == ["raster"]
    assert get(app, "/picture/viewer").status_code == 200


def test_catalog_page_shows_functions_with_their_arguments(app: Flask) -> None:
    text = get(app, "/?f=html").get_data(as_text=True)
    assert "public.by_name" in text and "<code>word</code> text" in text and "integer (required)" in text
    assert 'href="./function/public.by_name.json"' in text
    assert 'href="./functions.json"' in text
    assert "public.twice(int4~2Cint4~2Cint4)" in get(app, "/?f=html&q=twice").get_data(as_text=True)


class TestCommands:
    """`flask catalog` on functions."""

    def run(self, app: Flask, *arguments: str) -> str:
        result = app.test_cli_runner().invoke(args=["catalog", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def test_list_shows_functions_with_those_who_may_call_them(self, app: Flask) -> None:
        lines = {each["id"]: each for each in json.loads(self.run(app, "list", "--format", "json"))}
        assert lines["public.by_name"]["kind"] == "function" and lines["public.by_name"]["type"] == "TILE"
        assert lines["public.by_name"]["readers"] == lines["public.places"]["readers"]
        assert "public.twice(int4~2Cint4~2Cint4)" in self.run(app, "list")

    def test_list_rejected_says_why_a_function_is_no_layer(self, app: Flask) -> None:
        left = {each["name"]: each for each in json.loads(self.run(app, "list", "--rejected", "--format", "json"))}
        assert left["many"] == {
            "schema": "public", "name": "many", "kind": "function", "column": None, "reason": "it takes any number of arguments (VARIADIC)",
        }  # fmt: skip

    def test_show_tells_the_arguments(self, app: Flask) -> None:
        shown = self.run(app, "show", "by_name")
        assert "smallest" in shown and "The smallest." in shown and "arguments" in shown
        assert json.loads(self.run(app, "show", "needy", "--format", "json"))["arguments"][0]["required"] is True


class TestSample:
    """The functions of the sample, called as their comments say."""

    @pytest.mark.parametrize(
        ("address", "layer", "name"),
        [
            ("/tiles/roads_by_kind/10/539/359?kinds=residential,track", "roads", "sample.roads_by_kind"),
            ("/tiles/EuropeanETRS89_LAEAQuad/cities_in_box/2/1/1?at_least=500000", "cities", "sample.cities_in_box"),
            ("/tiles/countries_by_query/3/4/2?continent=Europe", "countries", "sample.countries_by_query"),
        ],
    )
    def test_each_makes_a_tile_and_says_what_is_in_it(self, sample_database: str, make_app: MakeApp, address: str, layer: str, name: str) -> None:
        app = make_app(sample_database)
        found = decoded(get(app, address))
        assert list(found) == [layer]
        inside = document(app, f"/{name}/tilejson.json")["vector_layers"]
        assert [each["id"] for each in inside] == [layer]
        assert found[layer]["features"][0]["properties"].keys() == inside[0]["fields"].keys()

    def test_arguments_choose(self, sample_database: str, make_app: MakeApp) -> None:
        app = make_app(sample_database)
        roads = decoded(get(app, "/tiles/roads_by_kind/13/4313/2872?kinds=residential&kinds=track&named_only=yes"))["roads"]["features"]
        assert {road["properties"]["kind"] for road in roads} == {"residential", "track"}
        assert all("name" in road["properties"] for road in roads)
        assert get(app, "/tiles/countries_by_query/3/4/2?continent=Oceania").status_code == 204


class TestEntry:
    """A tile in the cache that is no vector tile, or has a tag of its own."""

    @pytest.mark.parametrize("tag", [None, "abc", "W/x", 'a"b', "ü", "", "0" * 32, "A" * 32, "x" * 201, "x" * 200])
    @pytest.mark.parametrize("media_type", ["", "image/png", "application/geo+json"])
    def test_frame_gives_back_type_and_tag(self, tag: str | None, media_type: str) -> None:
        entry = Entry.of(b"a tile", how=How.LIMITED, made_at=1.5, version="v", media_type=media_type, tag=tag)
        assert Entry.parse(entry.framed()) == entry
        assert entry.raw() == b"a tile"
        assert entry.is_gzip == (not media_type)
        assert (gzip.decompress(entry.body) if entry.is_gzip else entry.body) == b"a tile"
        assert entry.etag == tag if tag in ("abc", "W/x", "0" * 32, "A" * 32, "x" * 200) else len(entry.etag) == 32

    def test_a_frame_with_a_type_or_tag_that_no_header_may_hold_is_refused(self) -> None:
        from tests.test_cache_entry import signed

        frame = Entry.of(b"", how=How.FULL, made_at=1.5, version="", media_type="image/png", tag="abc").framed()
        for old, new in ((b"image/png", b"image\r\npn"), (b"abc", b'a"c'), (b"abc", b"a\nc")):
            assert Entry.parse(signed(frame.replace(old, new)[:-4])) is None
