"""JSON in a comment: what it says of a layer, and what of it goes into the layer's TileJSON (RFC 7396)."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from app.documents.merge_patch import merged
from app.repository.comments import parse
from tests.catalogs import catalog_of, reasons
from tests.conftest import MakeApp
from tests.tile_decoding import attributes, decoded, features, get

_TABLE = """
CREATE TABLE t (id int PRIMARY KEY, name text, n int, geom geometry(Point, 4326));
INSERT INTO t SELECT i, 'p' || i, i % 3, ST_Point(i, i, 4326) FROM generate_series(1, 9) i;
"""


@pytest.fixture
def commented(database: str) -> Any:
    """`commented(document)` makes table t with this comment: text as it is, anything else as JSON. Gives the URL."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TABLE.encode())

    def comment(document: Any) -> str:
        text = document if isinstance(document, str) else json.dumps(document)
        with psycopg.connect(database, autocommit=True) as connection:
            literal = connection.execute("SELECT quote_literal(%s)", [text]).fetchone()
            assert literal is not None
            connection.execute(f"COMMENT ON TABLE t IS {literal[0]}".encode())
        return database

    return comment


def _tilejson(make_app: MakeApp, dsn: str) -> dict[str, Any]:
    document: dict[str, Any] = get(make_app(dsn), "/t/tilejson.json").get_json()
    return document


# RFC 7396, appendix A
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_merge_as_the_standard_says(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


def test_a_plain_text_is_a_description(commented: Any, make_app: MakeApp) -> None:
    assert _tilejson(make_app, commented("Just words, {not} JSON"))["description"] == "Just words, {not} JSON"


def test_unknown_members_go_into_tilejson(commented: Any, make_app: MakeApp) -> None:
    said = {"foo": {"bar": [1, "x", None]}, "version": "2.1.0", "center": [3, 3, 4], "fillzoom": 9, "name": "My points"}
    document = _tilejson(make_app, commented({"description": "D", **said}))
    assert document["description"] == "D"
    assert {name: document[name] for name in said} == said


def test_a_null_takes_a_member_away(commented: Any, make_app: MakeApp) -> None:
    document = _tilejson(make_app, commented({"center": None, "version": None, "tiles": None, "minzoom": None}))
    assert "center" not in document
    assert "version" not in document
    assert document["tiles"]
    assert document["minzoom"] == 0


def test_what_the_tiles_are_cannot_be_overruled(commented: Any, make_app: MakeApp) -> None:
    plain = _tilejson(make_app, commented("D"))
    document = _tilejson(make_app, commented({
        "description": "D", "tilejson": "9", "tiles": ["https://evil.example/{z}/{x}/{y}"], "scheme": "tms", "grids": ["https://e.example"],
        "data": ["https://e.example"], "encoding": "mlt", "vector_layers": [{"id": "x", "fields": {}}], "tileMatrixSet": "x",
        "center": [500, 0, 0], "fillzoom": "9", "version": 5,
    }))  # fmt: skip
    assert document == plain


def test_markup_is_reduced_to_text_and_links(commented: Any, make_app: MakeApp) -> None:
    bad = '<img src=x onerror=alert(1)><script>x</script>ok <a href="https://a.example">A</a><a href="javascript:x">B</a>'
    document = _tilejson(make_app, commented({"attribution": bad, "legend": bad, "template": bad}))
    for name in ("attribution", "legend", "template"):
        assert document[name] == 'ok <a href="https://a.example">A</a>B'


def test_too_much_for_tilejson_is_left_out_and_the_rest_stays(commented: Any, make_app: MakeApp) -> None:
    document = _tilejson(make_app, commented({"description": "D", "foo": "x" * 30_000}))
    assert "foo" not in document
    assert document["description"] == "D"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_know_stay_away(number: str) -> None:
    assert not parse(f'{{"description": "D", "foo": {number}}}').members


def test_options_in_a_comment_hold_for_the_tiles(commented: Any, make_app: MakeApp) -> None:
    app = make_app(commented({
        "minzoom": 1, "maxzoom": 4, "extent": 512, "limit": 2, "rank": "-id", "columns": ["name"], "mvt_name": "points",
        "ttl_s": 9, "id": "n", "buffer": 0,
    }))  # fmt: skip
    assert get(app, "/tiles/t/0/0/0").status_code == 404
    response = get(app, "/tiles/t/1/1/0")
    layer = decoded(response)["points"]
    assert layer["extent"] == 512
    assert [(feature["id"], feature["properties"]) for feature in layer["features"]] == [(0, {"name": "p9"}), (2, {"name": "p8"})]
    assert response.headers["Cache-Control"] == "public, max-age=9"
    document = get(app, "/t/tilejson.json").get_json()
    assert (document["minzoom"], document["maxzoom"], "rank" in document) == (1, 4, False)


def test_a_filter_in_a_comment_always_applies(commented: Any, make_app: MakeApp) -> None:
    app = make_app(commented({"filter": "n = 1"}))
    assert {each["n"] for each in attributes(app, "/tiles/t/0/0/0")} == {1}
    assert attributes(app, "/tiles/t/0/0/0?filter=n=2") == []


def test_a_filter_that_cannot_be_understood_hides_the_layer(commented: Any) -> None:
    dsn = commented({"filter": "nothing = 1"})
    assert reasons(catalog_of(dsn))["public.t"].startswith("its configuration cannot be used: filter")


def test_a_comment_can_hide_a_table_and_the_layers_file_can_show_it(commented: Any, make_app: MakeApp, tmp_path: Any) -> None:
    dsn = commented({"hidden": True})
    assert reasons(catalog_of(dsn))["public.t"] == "hidden by its comment"
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.t"]\nhidden = false')
    assert len(features(make_app(dsn, FLAGSTONE_LAYERS_FILE=str(file)), "/tiles/t/0/0/0")) == 9


@pytest.mark.parametrize(
    "document",
    [{"minzoom": "3"}, {"minzoom": 3.5}, {"minzoom": True}, {"minzoom": 99}, {"limit": 0}, {"limit": -1}, {"extent": 1},
     {"filter_lang": "cql2-text"}, {"rank": {}}, {"minzoom": 5, "maxzoom": 2}],
)  # fmt: skip
def test_what_cannot_be_used_is_ignored_and_told(commented: Any, make_app: MakeApp, document: dict[str, Any]) -> None:
    dsn = commented({"description": "D", **document})
    app = make_app(dsn)
    assert len(features(app, "/tiles/t/6/32/31")) == 5
    assert get(app, "/t/tilejson.json").get_json()["description"] == "D"
    assert any("the comment of public.t: the value of " in notice for notice in catalog_of(dsn).notices)


@pytest.mark.parametrize("document", ['{"columns": ["n"],}', "{\"filter\": \"n = 'x'\"", ' {"hidden": True}'])
def test_broken_json_that_keeps_something_from_the_map_keeps_the_layer(commented: Any, document: str) -> None:
    catalog = catalog_of(commented(document))
    assert not catalog.layers
    assert "cannot be used" in reasons(catalog)["public.t"]


@pytest.mark.parametrize("document", [{"columns": "name"}, {"columns": [1]}, {"filter": 5}, {"filter": []}, {"hidden": "yes"}, {"hidden": 1}])
def test_what_is_meant_to_keep_something_from_the_map_must_be_usable(commented: Any, document: dict[str, Any]) -> None:
    catalog = catalog_of(commented(document))
    assert not catalog.layers
    assert "cannot be used" in reasons(catalog)["public.t"]


def test_a_comments_filter_may_be_cql2_json(commented: Any, make_app: MakeApp) -> None:
    app = make_app(commented({"filter": {"op": "=", "args": [{"property": "n"}, 2]}}))
    assert {each["n"] for each in attributes(app, "/tiles/t/0/0/0")} == {2}


def test_members_of_a_composites_layers_stay_out_of_its_tilejson(commented: Any, make_app: MakeApp) -> None:
    dsn = commented({"foo": 1})
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE u (geom geometry(Point, 4326))")
    document = get(make_app(dsn), "/t,u/tilejson.json").get_json()
    assert "foo" not in document
