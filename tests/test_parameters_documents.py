"""TileJSON, style, map page and command line take the parameters that tiles take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.layers.parameters import KNOWN
from tests.row_parameters import fault, serving
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import attributes, features, get

QUERY = (
    "name=Bern&name=Chur&ids=1,2,3&bbox=-180,-90,180,90&datetime=2024-02-01/..&datetime-column=seen&sortby=-id&limit=2"
    "&properties=name,lines&resolution=1024&buffer=64&clip=false&simplify=false&filter=lines%20%3C%2030"
)


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with serving(server, template) as made:
        yield made


def test_tilejson_hands_all_parameters_on_to_the_tiles(app: Flask) -> None:
    document = get(app, f"/public.stations/tilejson.json?{QUERY}").get_json()
    assert set(document["vector_layers"][0]["fields"]) == {"name", "lines"}
    tile = document["tiles"][0].split("localhost", 1)[1].replace("{z}/{x}/{y}", "0/0/0")
    assert get(app, tile).get_data() == get(app, f"/tiles/public.stations/0/0/0?{QUERY}").get_data()
    assert [row["name"] for row in attributes(app, tile)] == ["Chur", "Bern"]


@pytest.mark.parametrize("document", ["tilejson.json", "style.json", "viewer"])
def test_every_document_of_a_map_takes_them(app: Flask, document: str) -> None:
    assert get(app, f"/public.stations/{document}?{QUERY}").status_code == 200


@pytest.mark.parametrize("document", ["tilejson.json", "style.json", "viewer"])
@pytest.mark.parametrize("wrong", ["ids=x", "lines=x", "bbox=1", "datetime=x", "sortby=x", "clip=x", "geom-column=x", "bbox=0,0,1,1&bbox-crs=x"])
def test_what_no_tile_could_be_asked_for_is_refused_by_the_documents_too(app: Flask, document: str, wrong: str) -> None:
    assert fault(app, f"/public.stations/{document}?{wrong}") == wrong.rpartition("&")[2].partition("=")[0]


class TestCommandLine:
    def run(self, app: Flask, *arguments: str) -> tuple[int, str]:
        result = app.test_cli_runner().invoke(args=["tiles", "get", "public.stations", "0", "0", "0", "--format", "json", *arguments])
        return result.exit_code, result.output

    def test_a_tile_takes_any_parameter(self, app: Flask) -> None:
        given = [word for pair in ("name=Bern", "name=Chur", "sortby=-id", "limit=2", "columns=name") for word in ("--param", pair)]
        code, output = self.run(app, *given)
        assert code == 0
        made = json.loads(output[output.index("{") :])
        assert [f["id"] for f in made["public.stations"]["features"]] == [4, 3]

    def test_options_and_parameters_are_the_same(self, app: Flask) -> None:
        assert self.run(app, "--columns", "name", "--limit", "3") == self.run(app, "--param", "columns=name", "--param", "limit=3")
        assert self.run(app, "--limit", "3", "--param", "limit=2")[0] != 0

    @pytest.mark.parametrize("wrong", ["name", "lines=x", "bbox=1", "name=\udcff", "lines=\udcff", "ids=\udcff", "sortby=\udcff", "geom-column=\udcff"])
    def test_what_cannot_be_used_is_one_line_and_no_traceback(self, app: Flask, wrong: str) -> None:
        code, output = self.run(app, "--param", wrong)
        assert code != 0
        assert "Traceback" not in output

    def test_another_geometry_column_can_be_named(self, app: Flask) -> None:
        code, output = self.run(app, "--param", "geom-column=area", "--param", "ids=1")
        assert code == 0
        assert json.loads(output[output.index("{") :])["public.stations.area"]["features"][0]["geometry"]["type"] == "Polygon"


def test_every_parameter_can_be_asked_of_the_addresses_of_the_others(app: Flask) -> None:
    for path in ("/public.stations/0/0/0.pbf", "/stations/0/0/0", "/collections/public.stations/tiles/WebMercatorQuad/0/0/0"):
        found = features(app, f"{path}?ids=2,3&active=true&columns=name")
        assert [feature["properties"] for feature in found] == [{"name": "Bern"}]


def test_the_page_of_parameters_names_every_one() -> None:
    page = (Path(__file__).parents[1] / "docs" / "parameters.md").read_text()
    assert [name for name in sorted(KNOWN) if f"`{name}`" not in page] == []
