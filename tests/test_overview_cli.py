"""`flask overviews plan | build | status | drop`, as a person types them."""

from __future__ import annotations

import json
import re
from typing import Any

import psycopg
import pytest
from click.testing import Result
from flask import Flask

from tests.conftest import Login, MakeApp
from tests.tile_decoding import attributes, features, get

FEW = {"FLAGSTONE_MAX_FEATURES": 60, "FLAGSTONE_CATALOG_INTERVAL_S": 60, "FLAGSTONE_CATALOG_MISS_INTERVAL_S": 0.2}
"""With so few features to a tile small tables need overviews too."""


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["overviews", *arguments])


def said(app: Flask, *arguments: str) -> str:
    answer = run(app, *arguments)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def asked(app: Flask, *arguments: str) -> Any:
    return json.loads(said(app, *arguments, "--format", "json"))


def execute(dsn: str, statement: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else None


@pytest.fixture
def layers(oddity: Any) -> str:
    dsn: str = oddity("overview_layers")
    return dsn


@pytest.fixture
def app(layers: str, make_app: MakeApp) -> Flask:
    return make_app(layers, **FEW)


class TestPlan:
    def test_what_a_table_needs_is_said_with_reasons_and_costs(self, app: Flask) -> None:
        [plan] = asked(app, "plan", "public.plain")
        assert plan["is_needed"] and plan["rows"] == 500 and plan["limit"] == 60
        first = plan["zooms"][0]
        assert first["zoom"] == 0 and first["features"] == 500 and "features" in first["why"]
        assert 0 < first["band"]["features"] <= 60 and first["band"]["disk_bytes"] > 0
        text = said(app, "plan", "public.plain")
        assert "500 rows" in text and "Disk of cells and simplified rows" in text and "seconds" in text

    def test_a_layer_that_needs_none_is_told_so(self, app: Flask) -> None:
        assert "needs no overview" in said(app, "plan", "public.nothing")

    def test_nothing_is_changed_by_a_plan(self, app: Flask, layers: str) -> None:
        said(app, "plan", "--all")
        assert execute(layers, "SELECT to_regnamespace('flagstone') IS NULL") == [(True,)]

    def test_all_says_what_keeps_a_layer_from_having_one(self, app: Flask) -> None:
        by_layer = {plan["layer"]: plan for plan in asked(app, "plan", "--all")}
        assert "no key" in by_layer["public.no_key"]["fault"]
        assert by_layer["public.two_keys"]["is_needed"]

    def test_pieces_have_a_disk_of_their_own(self, app: Flask) -> None:
        [plan] = asked(app, "plan", "public.heavy")
        assert plan["pieces_rows"] == 40 and 0 < plan["pieces_bytes"] < 1.6 * plan["pieces_of_bytes"]
        assert "pieces of 40 heavy polygons" in said(app, "plan", "public.heavy")

    def test_attributes_that_break_the_budget_are_named(self, layers: str, make_app: MakeApp) -> None:
        app = make_app(layers, FLAGSTONE_TILE_BUDGET_KB=100)
        [plan] = asked(app, "plan", "public.long_texts")
        assert [each["name"] for each in plan["heavy_attributes"]] == ["story"]
        assert plan["heavy_attributes"][0]["mean_bytes"] == pytest.approx(1280)
        assert "story (1,280 bytes on average)" in said(app, "plan", "public.long_texts")

    @pytest.mark.parametrize("arguments", [(), ("public.plain", "--all")])
    def test_layers_or_all_one_of_them(self, app: Flask, arguments: tuple[str, ...]) -> None:
        answer = run(app, "plan", *arguments)
        assert answer.exit_code == 2 and "--all" in answer.output

    def test_unknown_layer_ends_with_the_nearest_name(self, app: Flask) -> None:
        answer = run(app, "plan", "public.plane")
        assert answer.exit_code == 1 and "Did you mean" in answer.output and "public.plain" in answer.output

    @pytest.mark.parametrize("command", ["plan", "build"])
    def test_a_view_that_fails_is_a_sentence(self, app: Flask, layers: str, command: str) -> None:
        execute(layers, "CREATE VIEW broken AS SELECT 1 / (id - 500) AS n, id, geom FROM plain")
        answer = run(app, command, "public.broken")
        assert answer.exit_code == 1 and "public.broken: the database refused a statement" in answer.output
        assert "division by zero" in answer.output

    def test_unknown_grid_is_a_sentence(self, app: Flask) -> None:
        answer = run(app, "plan", "public.plain", "--grid", "Nowhere")
        assert answer.exit_code == 1 and "Nowhere" in answer.output


class TestBuild:
    def test_what_was_built_is_said_and_served(self, app: Flask) -> None:
        text = said(app, "build", "public.plain")
        assert "public.plain has its overview in WebMercatorQuad: zooms 0 to" in text
        assert "nothing is to be restarted" in text
        app.extensions["flagstone"].catalog.reload()
        answer = get(app, "/tiles/public.plain/0/0/0")
        assert answer.headers["Flagstone-Tile"] == "overview"

    def test_a_whole_one_that_fits_is_kept_unless_again(self, app: Flask) -> None:
        said(app, "build", "public.plain")
        [before] = asked(app, "status")
        assert "--again" in said(app, "build", "public.plain")
        assert [each["overview"] for each in asked(app, "status")] == [before["overview"]]
        said(app, "build", "public.plain", "--again")
        assert [each["overview"] for each in asked(app, "status")] == [before["overview"] + 1]

    def test_one_that_does_not_fit_any_more_is_built_anew(self, app: Flask, layers: str) -> None:
        said(app, "build", "public.plain")
        execute(layers, "ALTER TABLE plain ADD COLUMN more int DEFAULT 5")
        app.extensions["flagstone"].catalog.reload()
        assert "table, columns, key, filter or rank changed" in said(app, "status")
        assert "has its overview" in said(app, "build", "public.plain")
        app.extensions["flagstone"].catalog.reload()
        assert all(each["more"] == 5 for each in attributes(app, "/tiles/public.plain/0/0/0"))
        assert [each["state"] for each in asked(app, "status")] == ["served"]

    def test_what_needs_none_gets_none(self, app: Flask) -> None:
        assert "needs no overview" in said(app, "build", "public.nothing")
        assert asked(app, "status") == []

    def test_all_takes_the_layers_that_need_it_side_by_side(self, app: Flask) -> None:
        outcomes = {each["layer"]: each for each in asked(app, "build", "--all", "--jobs", "3")}
        assert outcomes["public.no_key"]["outcome"] == "impossible"
        assert outcomes["public.nothing"]["outcome"] == "unneeded"
        built = {name for name, each in outcomes.items() if each["outcome"] == "built"}
        assert {"public.plain", "public.uuid_key", "public.a_view", "public.mixed", "public.heavy"} <= built
        assert {each["state"] for each in asked(app, "status")} == {"served"}
        assert "Nothing was to be built" in said(app, "build", "--all")

    def test_a_table_without_key_is_told_what_is_missing(self, app: Flask) -> None:
        answer = run(app, "build", "public.no_key", "public.plain")
        assert answer.exit_code == 1
        assert "no key that tells its rows apart" in answer.output and "primary" in answer.output
        assert "public.plain has its overview" in answer.output

    def test_in_another_grid_beside_the_first(self, app: Flask) -> None:
        said(app, "build", "public.plain")
        said(app, "build", "public.plain", "--grid", "WorldCRS84Quad")
        assert {each["grid"] for each in asked(app, "status")} == {"WebMercatorQuad", "WorldCRS84Quad"}
        app.extensions["flagstone"].catalog.reload()
        answer = get(app, "/tiles/WorldCRS84Quad/public.plain/0/0/0")
        assert answer.headers["Flagstone-Tile"] == "overview"

    def test_an_admin_login_builds_what_a_reader_serves(self, layers: str, make_app: MakeApp, login: Login) -> None:
        reader = login(layers, "flagstone_only_reads", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO flagstone_only_reads")
        answer = run(make_app(reader, **FEW), "build", "public.plain")
        assert answer.exit_code == 1 and "FLAGSTONE_ADMIN_DATABASE_URL names a login that may" in answer.output
        app = make_app(reader, FLAGSTONE_ADMIN_DATABASE_URL=layers, **FEW)
        said(app, "build", "public.plain")
        served = make_app(reader, **FEW)
        served.extensions["flagstone"].catalog.reload()
        assert get(served, "/tiles/public.plain/0/0/0").headers["Flagstone-Tile"] == "overview"
        # The reader may look at what there is, too.
        assert "served" in said(served, "status")
        assert "FLAGSTONE_ADMIN_DATABASE_URL" in run(served, "drop", "public.plain").output

    def test_database_that_does_not_answer_is_a_sentence(self, layers: str, make_app: MakeApp) -> None:
        app = make_app(layers, FLAGSTONE_ADMIN_DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/x", **FEW)
        answer = run(app, "build", "public.plain")
        assert answer.exit_code == 1 and "FLAGSTONE_ADMIN_DATABASE_URL" in answer.output
        assert "hunter2" not in answer.output and "Traceback" not in answer.output


class TestStatusAndDrop:
    def test_there_is_none_where_nothing_was_built(self, app: Flask) -> None:
        assert "There is no overview." in said(app, "status")
        assert "There was no such overview." in said(app, "drop", "--all")

    def test_every_row_is_accounted_for(self, app: Flask) -> None:
        said(app, "build", "public.mixed")
        [status] = asked(app, "status", "public.mixed")
        rows = status["rows"]
        assert rows["is_exact"], rows
        assert (rows["null"], rows["empty"], rows["outside"], rows["filtered"]) == (7, 7, 3, 0)
        assert rows["drawn"] == rows["table"] - 17
        assert set(rows["by_zoom"].values()) == {rows["drawn"]}
        text = said(app, "status", "public.mixed")
        assert "7 without geometry (NULL), 7 empty, 3 outside of the grid" in text and "add up to" in text

    def test_rows_that_came_later_are_said(self, app: Flask, layers: str) -> None:
        said(app, "build", "public.plain")
        execute(layers, "INSERT INTO plain VALUES (1000, 'late', 'SRID=4326;POINT(1 1)')")
        text = said(app, "status", "public.plain")
        assert "stands for 500" in text and "501 to be drawn" in text

    def test_one_whose_table_is_gone_is_listed_and_dropped(self, app: Flask, layers: str) -> None:
        said(app, "build", "public.plain", "public.text_key")
        execute(layers, "DROP TABLE text_key CASCADE")
        app.extensions["flagstone"].catalog.reload()
        states = {each["layer"]: each["state"] for each in asked(app, "status")}
        assert "its table is gone" in states["public.text_key"] and states["public.plain"] == "served"
        assert "Dropped the overview of public.text_key" in said(app, "drop", "--unused")
        assert [each["layer"] for each in asked(app, "status")] == ["public.plain"]
        tables = execute(layers, "SELECT relname FROM pg_class WHERE relnamespace = 'flagstone'::regnamespace AND relname LIKE 'overview!_2%' ESCAPE '!'")
        assert tables == []

    def test_one_whose_table_is_gone_is_dropped_by_its_name(self, app: Flask, layers: str) -> None:
        said(app, "build", "public.text_key")
        execute(layers, "DROP TABLE text_key CASCADE")
        assert "Dropped" in said(app, "drop", "public.text_key")

    def test_a_band_that_somebody_dropped_is_noticed_and_made_again(self, app: Flask, layers: str) -> None:
        said(app, "build", "public.plain")
        [status] = asked(app, "status")
        execute(layers, f'DROP TABLE flagstone."{status["tables"][0]["table"]}"')
        assert "a table of it was dropped" in said(app, "status")
        assert "has its overview" in said(app, "build", "public.plain")
        assert asked(app, "status")[0]["state"] == "served"

    def test_dropped_layers_are_served_from_their_tables(self, app: Flask) -> None:
        said(app, "build", "public.plain", "public.heavy")
        assert "Dropped the overview of public.plain" in said(app, "drop", "public.plain")
        app.extensions["flagstone"].catalog.reload()
        assert get(app, "/tiles/public.plain/0/0/0").headers["Flagstone-Tile"] == "sampled"
        assert features(app, "/tiles/public.heavy/0/0/0")
        assert [each["layer"] for each in asked(app, "status")] == ["public.heavy"]
        said(app, "drop", "--all")
        assert asked(app, "status") == []

    def test_nothing_to_drop_is_said(self, app: Flask) -> None:
        assert "There was no such overview." in said(app, "drop", "public.plain")
        assert run(app, "drop").exit_code == 2
        assert run(app, "drop", "public.plan").exit_code == 1


def test_rows_of_status_are_those_that_a_build_tells_of(layers: str, make_app: MakeApp) -> None:
    app = make_app(layers, **FEW)
    built = said(app, "build", "public.plain")
    told = re.search(r"([\d,]+) rows", built)
    assert told is not None
    listed = said(app, "status")
    assert f" {told[1]} " in listed, f"{built}\n{listed}"


def test_a_layer_beside_all_is_refused(layers: str, make_app: MakeApp) -> None:
    made = run(make_app(layers, **FEW), "plan", "public.plain", "--all")
    assert made.exit_code == 2 and "not both" in made.output
