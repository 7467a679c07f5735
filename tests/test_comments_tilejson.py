"""A comment that is wrong, or hostile, never makes a TileJSON invalid or dangerous; what is left out is told."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from app.documents.merge_patch import patched
from app.repository.comments import parse
from tests.catalogs import catalog_of
from tests.conftest import MakeApp
from tests.tile_decoding import get

_TABLE = """
CREATE TABLE t (id int PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO t VALUES (1, 'SRID=4326;POINT(1 1)'), (2, 'SRID=4326;POINT(9 9)');
CREATE FUNCTION pictures(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT '\\x89504e47'::bytea $$;
"""
_PLAIN = {"tilejson": "3.0.0", "name": "public.t", "version": "1.0.0", "tiles": ["http://localhost/tiles/public.t/{z}/{x}/{y}"],
          "minzoom": 2, "maxzoom": 12, "bounds": [0, 0, 10, 10], "center": [5, 5, 6], "vector_layers": [{"id": "public.t"}]}  # fmt: skip
_PICTURES = {name: value for name, value in _PLAIN.items() if name != "vector_layers"} | {
    "format": "png",
    "media_type": "image/png",
}


@pytest.fixture
def commented(database: str) -> Any:
    """`commented(document, on)` comments a table, or a function that makes pictures, with this JSON. Gives the URL."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TABLE.encode())

    def comment(document: Any, on: str = "TABLE t") -> str:
        with psycopg.connect(database, autocommit=True) as connection:
            literal = connection.execute("SELECT quote_literal(%s)", [json.dumps(document)]).fetchone()
            assert literal is not None
            connection.execute(f"COMMENT ON {on} IS {literal[0]}".encode())
        return database

    return comment


def _tilejson(make_app: MakeApp, dsn: str, layer: str = "t", query: str = "") -> dict[str, Any]:
    response = get(make_app(dsn), f"/{layer}/tilejson.json{query}")
    assert response.status_code == 200, response.get_data(as_text=True)
    document: dict[str, Any] = response.get_json()
    return document


def _unusable(document: Any) -> tuple[str, ...]:
    entry = parse(document if isinstance(document, str) else json.dumps(document)).entry
    return () if entry is None else entry.unusable


def _with(document: Any, plain: dict[str, Any] = _PLAIN) -> dict[str, Any]:
    """The TileJSON `plain` as this comment changes it."""
    return patched(plain, parse(document if isinstance(document, str) else json.dumps(document)).members)


# --- through the database -----------------------------------------------------------------------------------------------


def test_what_cannot_be_used_is_left_out_of_tilejson_and_told(commented: Any, make_app: MakeApp) -> None:
    wrong = {"version": "1.0", "center": [5, 5, 1.5], "fillzoom": 31, "legend": 5, "tileSize": 1, "webpage": "javascript:alert(1)",
             "__proto__": {"x": 1}}  # fmt: skip
    plain = _tilejson(make_app, commented({"description": "D"}))
    dsn = commented({"description": "D", **wrong, "foo": "kept"})
    assert _tilejson(make_app, dsn) == {**plain, "foo": "kept"}
    (notice,) = [
        notice for notice in catalog_of(dsn).notices if "the comment of public.t: the value of " in notice
    ]
    for name in wrong:
        assert name in notice


def test_a_center_outside_of_what_the_document_says_stays_away(commented: Any, make_app: MakeApp) -> None:
    """TileJSON 3.0.0 §3.6: within the bounds, and between minzoom and maxzoom, which a request can narrow."""
    dsn = commented({"center": [5, 5, 4], "fillzoom": 9})
    app = make_app(dsn)
    document = get(app, "/t/tilejson.json").get_json()
    assert (document["center"], document["fillzoom"]) == ([5, 5, 4], 9)
    assert get(app, "/t/tilejson.json?minzoom=5").get_json()["center"][2] >= 5
    narrowed = get(app, "/t/tilejson.json?maxzoom=3").get_json()
    assert narrowed["center"][2] <= 3
    assert "fillzoom" not in narrowed
    assert _tilejson(make_app, commented({"center": [50, 5, 4]}))["center"][0] < 10


def test_pictures_may_say_how_large_they_are(commented: Any, make_app: MakeApp) -> None:
    said = {"content_type": "image/png", "format": "webp", "tileSize": 512}
    document = _tilejson(make_app, commented(said, "FUNCTION pictures(int, int, int)"), "pictures")
    assert (document["tileSize"], document["format"]) == (512, "png")


@pytest.mark.parametrize("depth", [20, 900, 3000])
def test_a_comment_that_is_nested_deeply_does_no_harm(database: str, make_app: MakeApp, depth: int) -> None:
    objects, lists = '{"a":' * depth + "1" + "}" * depth, "[" * depth + "]" * depth
    deep = f'{{"description": "D", "foo": {objects}, "bar": {lists}}}'
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute((_TABLE + f"COMMENT ON TABLE t IS '{deep}'").encode())
    document = _tilejson(make_app, database)
    assert not {"foo", "bar"} & set(document)
    assert get(make_app(database), "/tiles/t/0/0/0").status_code == 200


# --- member by member ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "today", "", " 1.0.0", "1.0.0\n", "١.٠.٠",
                                     "1.0.0-" + "a" * 200, 2, 1.5, [], {}, True])  # fmt: skip
def test_a_version_is_one_of_semver(version: Any) -> None:
    """TileJSON 3.0.0 §3.17."""
    assert _with({"version": version}) == _PLAIN
    assert _unusable({"version": version}) == ("version",)


@pytest.mark.parametrize("version", ["0.0.0", "12.3.45", "1.0.0-rc.1", "2.1.0+build.7", "1.0.0-alpha-x+001"])
def test_a_version_is_taken_as_it_is(version: str) -> None:
    assert _with({"version": version}) == {**_PLAIN, "version": version}
    assert not _unusable({"version": version})


@pytest.mark.parametrize("center", [[5, 5], [5, 5, 1.5], [5, 5, 31], [5, 5, -1], ["5", 5, 5], [True, 5, 5], "5,5,5", {}, [5, 5, None],
                                    [181, 5, 5], [5, 91, 5], [[5], 5, 5], [5, 5, True], 5])  # fmt: skip
def test_a_center_is_longitude_latitude_and_a_whole_zoom(center: Any) -> None:
    assert _with({"center": center}) == _PLAIN
    assert _unusable({"center": center}) == ("center",)


@pytest.mark.parametrize("center", [[5, 5, 1], [5, 5, 13], [11, 5, 5], [5, -1, 5]])
def test_a_center_that_does_not_fit_the_document_stays_away(center: Any) -> None:
    assert _with({"center": center}) == _PLAIN


@pytest.mark.parametrize("fillzoom", [-1, 31, 1.5, "9", True, [], {}])
def test_a_fillzoom_is_a_zoom(fillzoom: Any) -> None:
    assert _with({"fillzoom": fillzoom}) == _PLAIN
    assert _unusable({"fillzoom": fillzoom}) == ("fillzoom",)


@pytest.mark.parametrize(
    "name", ["legend", "template", "htmlAttribution", "name", "attribution", "description"]
)
@pytest.mark.parametrize("value", [5, [], {"a": 1}, True])
def test_what_should_be_text_is_text(name: str, value: Any) -> None:
    assert _with({name: value}) == _PLAIN
    assert name in _unusable({name: value})


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)></svg>",
                                   "<scr<script>ipt>", "<a href='javascript:x'>", "<a href='https://a.example' onclick=x>"])  # fmt: skip
def test_markup_in_members_that_maps_show_as_html_is_text_and_links(value: str) -> None:
    document = _with(dict.fromkeys(("legend", "template", "htmlAttribution"), f"{value} fine"))
    for name in ("legend", "template", "htmlAttribution"):
        shown = document[name].replace('<a href="https://a.example">', "").replace("</a>", "")
        assert "<" not in shown, name


@pytest.mark.parametrize(
    ("member", "value"),
    [("tileSize", 512), ("encoding", "mlt"), ("format", "png"), ("media_type", "text/html"), ("arguments", [{"name": "x"}]),
     ("tiles", ["https://evil.example/{z}/{x}/{y}"]), ("urls", ["https://evil.example"]), ("tilejson", "1.0.0"), ("scheme", "tms"),
     ("grids", ["https://evil.example"]), ("data", ["https://evil.example"]), ("vector_layers", []), ("raster_layers", []),
     ("tileMatrixSet", "x"), ("crs", "EPSG:2056"), ("json", "{}"), ("minzoom", 4), ("maxzoom", 5), ("bounds", [1, 1, 2, 2])],
)  # fmt: skip
@pytest.mark.parametrize("taken_away", [False, True])
def test_what_a_document_says_of_the_tiles_themselves_stays(
    member: str, value: Any, taken_away: bool
) -> None:
    assert _with({member: None if taken_away else value}) == _PLAIN
    if member != "tileSize":
        assert _with({member: None if taken_away else value}, _PICTURES) == _PICTURES


@pytest.mark.parametrize("size", [0, 1, -512, 5.5, "512", 100_000, True, [512]])
def test_the_size_of_a_picture_is_a_number_of_pixels(size: Any) -> None:
    assert _with({"tileSize": size}, _PICTURES) == _PICTURES
    assert _unusable({"tileSize": size}) == ("tileSize",)


@pytest.mark.parametrize("name", ["__proto__", "constructor", "prototype"])
def test_names_that_would_change_objects_of_the_page_stay_away(name: str) -> None:
    document = _with(
        {"fine": {"deeper": {name: {"x": 1}, "y": 2}}, name: {"x": 1}, "list": [{name: 1, "z": 3}]}
    )
    assert document == {**_PLAIN, "fine": {"deeper": {"y": 2}}, "list": [{"z": 3}]}


@pytest.mark.parametrize("address", ["javascript:alert(1)", " JavaScript:alert(1)", "java\tscript:alert(1)", "\x01javascript:x", "vbscript:x",
                                     "data:text/html,<script>", "DATA:text/html;base64,eA=="])  # fmt: skip
def test_addresses_that_run_code_stay_away(address: str) -> None:
    document = _with(
        {"webpage": address, "links": [{"href": address, "title": "T"}], "logo": "https://a.example"}
    )
    assert document == {**_PLAIN, "links": [{"title": "T"}], "logo": "https://a.example"}


@pytest.mark.parametrize("name", ["version", "description", "legend", "center", "foo", "name", "__proto__"])
def test_a_null_leaves_a_document_that_is_valid(name: str) -> None:
    document = _with({name: None})
    assert {"tilejson", "tiles", "vector_layers", "name"} <= set(document)
    assert name not in document or name == "name"


def test_what_is_left_out_for_its_size_is_told() -> None:
    said = parse(json.dumps({"description": "D", "foo": "x" * 30_000}))
    assert not said.members
    assert _unusable({"description": "D", "foo": "x" * 30_000}) == ("foo",)


def test_a_broken_member_does_not_take_the_others_along() -> None:
    said = parse('{"version": "x", "foo": 1, "bar": NaN, "center": "x", "minzoom": 3}')
    assert said.members == {"foo": 1}
    assert said.entry is not None
    assert said.entry.minzoom == 3
    assert set(said.entry.unusable) == {"version", "center", "bar"}
