"""What documents, pages and commands say of layers that are statements."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.tile_decoding import get


def test_tilejson_says_what_the_head_says(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(told="""-- title: Squares
-- description: Ten of them
-- attribution: Somebody
-- bounds: 0, 0, 10, 1
-- minzoom: 3
-- maxzoom: 9
SELECT id, name, geom FROM squares""")
    document = get(app, "/told/tilejson.json").json
    assert document is not None
    assert (document["description"], document["attribution"]) == ("Ten of them", "Somebody")
    assert (document["minzoom"], document["maxzoom"], document["bounds"]) == (3, 9, [0, 0, 10, 1])
    [layer] = document["vector_layers"]
    assert (layer["id"], layer["fields"], layer["geometry_type"]) == ("told", {"id": "Number", "name": "String"}, "POLYGON")
    assert get(app, "/tiles/told/2/2/1").status_code == 404


def test_functions_json_lists_statements_with_their_parameters(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(
        rows="-- title: Rows\n-- parameter: least integer = 3 -- Smallest id\n-- parameter: word text\n"
        "SELECT id, geom FROM squares WHERE id > :least AND :word <> name",
        tile="SELECT NULL::bytea AS tile",
    )
    document = get(app, "/functions.json").json
    assert document is not None
    said = {each["id"]: each for each in document}
    assert said["rows"]["arguments"] == [
        {"name": "least", "type": "integer", "required": False, "has_default": True, "default": "3", "description": "Smallest id"},
        {"name": "word", "type": "text", "required": True, "has_default": False},
    ]
    assert (said["rows"]["returns"], said["tile"]["returns"]) == ("rows", "tile")
    alone = get(app, "/function/rows.json").json
    assert alone is not None
    assert alone["title"] == "Rows"
    tilejson = get(app, "/rows/tilejson.json?word=a").json
    assert tilejson is not None
    assert [argument["name"] for argument in tilejson["arguments"]] == ["least", "word"]
    assert "word=a" in tilejson["tiles"][0]


@pytest.mark.parametrize("path", ["/", "/rows/style.json", "/rows/viewer", "/catalog", "/collections", "/collections/rows", "/index.json",
                                  "/tile/style.json", "/tile/viewer", "/collections/tile", "/tables.json"])  # fmt: skip
def test_pages_and_documents_know_statements(sql_app: Callable[..., Flask], path: str) -> None:
    app = sql_app(
        rows="SELECT id, geom FROM squares", tile="SELECT NULL::bytea AS tile", wants="-- parameter: a int\nSELECT :a AS a, ST_Centroid(:bounds) AS geom"
    )
    response = get(app, path)
    assert response.status_code == 200, response.get_data(as_text=True)


def test_the_command_line_lists_and_shows_statements(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(
        rows="-- title: Rows\n-- parameter: least integer = 3 -- Smallest id\nSELECT id, geom FROM squares WHERE id > :least",
        tile="SELECT NULL::bytea AS tile",
    )
    runner = app.test_cli_runner()
    listed = runner.invoke(args=["catalog", "list"])
    assert listed.exit_code == 0, listed.output
    assert {"rows", "tile"} <= {line.split()[0] for line in listed.output.splitlines()}
    for layer in ("rows", "tile"):
        shown = runner.invoke(args=["catalog", "show", layer])
        assert shown.exit_code == 0, shown.output
    assert "Smallest id" in runner.invoke(args=["catalog", "show", "rows"]).output
