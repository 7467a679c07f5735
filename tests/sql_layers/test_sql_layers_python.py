"""Statements that are registered from Python, and the examples of the repository."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app import SqlLayer, create_app
from app.errors import ConfigurationError
from app.settings import Settings
from tests.conftest import MakeApp
from tests.tile_decoding import attributes, decoded, get


def python_app(dsn: str, *layers: SqlLayer, **settings: Any) -> Flask:
    return create_app(Settings.of(DATABASE_URL=dsn, **settings), layers=layers)


def test_a_layer_is_registered_from_python(squares: str, tmp_path: Path) -> None:
    (tmp_path / "both.sql").write_text("SELECT 'file' AS who, ST_Centroid(:bounds) AS geom")
    app = python_app(
        squares,
        SqlLayer(
            id="mine",
            sql="SELECT :depth AS depth, :word AS word, ST_Centroid(:bounds) AS geom",
            bounds=[0, 0, 180, 85], minzoom=2, maxzoom=9,
            options=[{"name": "depth", "default": 3}, {"name": "word", "type": "text", "default": None, "description": "x"}],
        ),
        SqlLayer(id="both", sql="SELECT 'python' AS who, ST_Centroid(:bounds) AS geom"),
        SqlLayer(id="broken", sql="SELECT geom FROM nowhere"),
        FLAGSTONE_SQL_DIRECTORY=str(tmp_path),
    )  # fmt: skip
    try:
        assert attributes(app, "/tiles/mine/2/2/1") == [{"depth": 3}]
        assert attributes(app, "/tiles/mine/2/2/1?depth=5&word=w") == [{"depth": 5, "word": "w"}]
        assert attributes(app, "/tiles/both/2/2/1") == [{"who": "python"}]
        assert get(app, "/tiles/broken/2/2/1").status_code == 404
        assert get(app, "/mine/tilejson.json").json["bounds"] == [0, 0, 180, 85]  # type: ignore[index]
    finally:
        app.extensions["flagstone"].close()


def test_a_file_of_timvt_style_text_can_be_registered_with_other_options(squares: str) -> None:
    text = "-- parameter: n int = 1\n-- title: From a file\nSELECT :n AS n, ST_Centroid(:bounds) AS geom"
    layer = SqlLayer.from_text("other", text)
    assert (layer.title, layer.parameters[0].default) == ("From a file", "1")
    app = python_app(squares, layer)
    try:
        assert attributes(app, "/tiles/other/2/2/1?n=4") == [{"n": 4}]
    finally:
        app.extensions["flagstone"].close()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"id": "a.b"}, "none of"), ({"id": ""}, "1 to 200"), ({"id": "tiles"}, "own addresses"),
        ({"minzoom": 31}, "minzoom must be"), ({"bounds": [1, 2]}, "four numbers"), ({"bounds": "abcd"}, "four numbers"),
        ({"options": [{"default": 1}]}, "no name"), ({"options": [{"name": "a", "typ": "int"}]}, "not typ"),
        ({"options": [{"name": "a-b"}]}, "letters, digits"), ({"srid": -1}, "srid"),
    ],
)  # fmt: skip
def test_a_layer_that_cannot_be_registered_is_refused_at_once(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        SqlLayer(**{"id": "mine", "sql": "SELECT 1", **said})


def test_the_examples_of_the_repository_are_layers(sample_database: str, make_app: MakeApp, tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "migrations_sample" / "layers"
    for path in folder.glob("*.sql"):
        shutil.copy(path, tmp_path)
    app = make_app(sample_database, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    names = {row["name"] for row in attributes(app, "/tiles/large_cities/0/0/0?min_population=15000000")}
    assert "Shanghai" in names
    assert decoded(get(app, "/tiles/quarters/3/4/2?depth=4"))["quarters"]["features"]
