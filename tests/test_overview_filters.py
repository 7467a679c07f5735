"""Overviews of filtered layers: bands built for a filter, and what makes them fit no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.layers.layers_file import parse
from tests.conftest import MakeApp
from tests.test_overview_cli import FEW, asked, execute, said
from tests.tile_decoding import attributes, decoded, get


@pytest.fixture
def layers(oddity: Any) -> str:
    dsn: str = oddity("overview_layers")
    return dsn


def test_a_comment_on_a_column_of_the_filter_leaves_the_overview_as_it_is(
    layers: str, make_app: MakeApp, tmp_path: Path
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.plain"]\nfilter = "name LIKE \'row 1%\' AND id > 0"\nrank = "name"\n')
    app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
    said(app, "build", "public.plain")
    execute(layers, "COMMENT ON COLUMN plain.name IS 'What people call it.'")
    app.extensions["flagstone"].catalog.reload()
    assert asked(app, "status", "public.plain")[0]["state"] == "served"
    assert get(app, "/tiles/public.plain/0/0/0").headers["Flagstone-Tile"] == "overview"
    assert sum(each["feature_count"] for each in attributes(app, "/tiles/public.plain/0/0/0")) == 111


@pytest.mark.parametrize("value", ["{x}", "{{x}}", "50%", "%s", "a{0}b"])
def test_signs_in_a_value_of_the_filter_are_read_as_they_are(
    layers: str, make_app: MakeApp, tmp_path: Path, value: str
) -> None:
    execute(layers, f"UPDATE plain SET name = '{value}' WHERE id = 7")
    file = tmp_path / "layers.toml"
    for condition, rows in ((f"name = '{value}' OR id > 100", 401), (f"name <> '{value}'", 499)):
        file.write_text(f'[layers."public.plain"]\nfilter = "{condition}"\n')
        app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
        said(app, "build", "public.plain")
        app.extensions["flagstone"].catalog.reload()
        assert get(app, "/tiles/public.plain/0/0/0").headers["Flagstone-Tile"] == "overview"
        assert sum(each["feature_count"] for each in attributes(app, "/tiles/public.plain/0/0/0")) == rows


FILTERED = """
[layers."public.plain"]
overview = { filters = ["name LIKE 'row 1%'", "id > 400"] }

[composites.both]
layers = [{ layer = "public.plain", name = "all" }, { layer = "public.plain", name = "last", filter = "id > 400" }]
"""


@pytest.fixture
def filtered(layers: str, make_app: MakeApp, tmp_path: Path) -> Flask:
    """The application with overviews of a table for two filters, and for all rows."""
    file = tmp_path / "layers.toml"
    file.write_text(FILTERED)
    app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
    said(app, "build", "public.plain")
    app.extensions["flagstone"].catalog.reload()
    return app


TILE = "/tiles/public.plain/0/0/0"


def test_a_filter_that_has_a_band_is_answered_by_it(filtered: Flask) -> None:
    for asked_for, rows in (("", 500), ("?filter=name LIKE 'row 1%25'", 111), ("?filter=id>400", 100)):
        assert sum(each["feature_count"] for each in attributes(filtered, f"{TILE}{asked_for}")) == rows
        assert get(filtered, f"{TILE}{asked_for}").headers["Flagstone-Tile"] == "overview"
    # The winners are those of rows that fulfil it.
    assert all(each["id"] > 400 for each in attributes(filtered, f"{TILE}?filter=id>400"))


def test_the_same_filter_written_otherwise_is_answered_by_it_too(filtered: Flask) -> None:
    for written in ("( id > 400 )", "id  >  400", '{"op":">","args":[{"property":"id"},400]}'):
        response = filtered.test_client().get(
            TILE,
            query_string={"filter": written} | ({"filter-lang": "cql2-json"} if written[0] == "{" else {}),
        )
        assert response.headers["Flagstone-Tile"] == "overview", written


@pytest.mark.parametrize(
    "asked_for",
    ["filter=id>401", "filter=id>400 AND id<450", "filter=id>400&name=row 450", "filter=id>400&sortby=name"],
)
def test_any_other_condition_is_answered_by_the_table(filtered: Flask, asked_for: str) -> None:
    assert get(filtered, f"{TILE}?{asked_for}").headers["Flagstone-Tile"] in ("full", "sampled", "limited")


def test_members_of_a_composite_have_the_bands_of_their_filters(filtered: Flask) -> None:
    response = get(filtered, "/tiles/both/0/0/0")
    assert response.headers["Flagstone-Tile"] == "overview"
    drawn = decoded(response)
    assert {
        name: sum(each["properties"]["feature_count"] for each in layer["features"])
        for name, layer in drawn.items()
    } == {"all": 500, "last": 100}


def test_status_names_the_filters_and_counts_their_rows(filtered: Flask) -> None:
    found = {each["filter"]: each for each in asked(filtered, "status", "public.plain")}
    assert {name: (each["state"], each["rows"]["drawn"], each["rows"]["is_exact"]) for name, each in found.items()} == {
        None: ("served", 500, True), "name LIKE 'row 1%'": ("served", 111, True), "id > 400": ("served", 100, True),
    }  # fmt: skip
    assert "public.plain where id > 400" in said(filtered, "status")


def test_plan_tells_of_each_filter(filtered: Flask) -> None:
    assert [(each["filter"], each["rows"]) for each in asked(filtered, "plan", "public.plain")] == [
        (None, 500), ("name LIKE 'row 1%'", 111), ("id > 400", 100),
    ]  # fmt: skip


def test_a_build_again_replaces_each_by_itself(filtered: Flask) -> None:
    said(filtered, "build", "public.plain", "--again", "--jobs", "3")
    filtered.extensions["flagstone"].catalog.reload()
    found = asked(filtered, "status", "public.plain")
    assert len(found) == 3 and {each["state"] for each in found} == {"served"}
    assert {each["outcome"] for each in asked(filtered, "build", "public.plain")} == {"kept"}


@pytest.mark.parametrize("which", [("public.plain",), ("--all",)])
def test_refresh_keeps_each_of_them_fresh(filtered: Flask, layers: str, which: tuple[str, ...]) -> None:
    execute(layers, "UPDATE plain SET id = id + 1000 WHERE id <= 10; DELETE FROM plain WHERE id = 450")
    assert {each["outcome"] for each in asked(filtered, "refresh", *which)} == {"refreshed"}
    filtered.extensions["flagstone"].catalog.reload()
    for asked_for, rows in (("", 499), ("?filter=id>400", 109)):
        assert get(filtered, f"{TILE}{asked_for}").headers["Flagstone-Tile"] == "overview"
        assert sum(each["feature_count"] for each in attributes(filtered, f"{TILE}{asked_for}")) == rows


def test_a_filter_that_is_configured_no_more_is_not_served_and_dropped_as_unused(
    filtered: Flask, layers: str, make_app: MakeApp, tmp_path: Path
) -> None:
    file = tmp_path / "less.toml"
    file.write_text('[layers."public.plain"]\noverview = { filters = ["name LIKE \'row 1%\'"] }\n')
    app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
    states = {each["filter"]: each["state"] for each in asked(app, "status", "public.plain")}
    assert states[None] == states["name LIKE 'row 1%'"] == "served" and "no more" in states["id > 400"]
    assert get(app, f"{TILE}?filter=id>400").headers["Flagstone-Tile"] != "overview"
    assert {each["outcome"] for each in asked(app, "refresh", "--all")} == {"fresh", "gone"}
    said(app, "drop", "--unused")
    assert len(asked(app, "status")) == 2


def test_a_filter_of_the_layer_and_one_of_the_overview_hold_together(
    layers: str, make_app: MakeApp, tmp_path: Path
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.plain"]\nfilter = "id <= 480"\noverview = { filters = ["id > 200"] }\n')
    app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
    said(app, "build", "public.plain")
    app.extensions["flagstone"].catalog.reload()
    for asked_for, rows in (("", 480), ("?filter=id>200", 280)):
        assert get(app, f"{TILE}{asked_for}").headers["Flagstone-Tile"] == "overview"
        assert sum(each["feature_count"] for each in attributes(app, f"{TILE}{asked_for}")) == rows


def test_a_filter_that_cannot_be_understood_is_named_and_left_out(
    layers: str, make_app: MakeApp, tmp_path: Path
) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.plain"]\noverview = { filters = ["ida > 4", "id >", "id > 400"] }\n')
    app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
    checked = app.test_cli_runner().invoke(args=["config", "check"]).output
    assert (
        "overview.filters[0]" in checked
        and "overview.filters[1]" in checked
        and "overview.filters[2]" not in checked
    )
    assert len(asked(app, "plan", "public.plain")) == 2


def test_filters_and_merging_survive_the_printed_layers_file(
    layers: str, make_app: MakeApp, tmp_path: Path
) -> None:
    execute(
        layers,
        """COMMENT ON TABLE mixed IS '{"overview": {"merge": ["kind"], "filters": ["kind = ''area''", "id > 4"]}}'""",
    )
    printed = make_app(layers).test_cli_runner().invoke(args=["config", "layers"]).output
    file = tmp_path / "layers.toml"
    file.write_text(printed)
    overview = parse(printed, "layers.toml").layers["public.mixed"].overview
    assert overview is not None
    assert (overview.merge, overview.filters) == (("kind",), ("kind = 'area'", "id > 4"))
    checked = (
        make_app(layers, FLAGSTONE_LAYERS_FILE=str(file)).test_cli_runner().invoke(args=["config", "check"])
    )
    assert checked.exit_code == 0, checked.output


def test_the_same_filter_in_other_words_is_one_overview(layers: str, make_app: MakeApp, tmp_path: Path) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.plain"]\noverview = { filters = ["id > 400", "(id > 400)"] }\n')
    app = make_app(layers, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
    said(app, "build", "public.plain", "--jobs", "3")
    found = asked(app, "status", "public.plain")
    assert [each["state"] for each in found] == ["served", "served"]
