"""`flask catalog`: what it prints, and how it ends."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import Result

from tests.conftest import Login, MakeApp

Run = Callable[..., Result]


@pytest.fixture
def run(make_app: MakeApp, database: str) -> Run:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE roads (id int PRIMARY KEY, name text, geom geometry(LineString, 2056))")
        connection.execute("COMMENT ON COLUMN roads.name IS 'What [people] call it'")
        connection.execute("INSERT INTO roads VALUES (1, 'a', 'SRID=2056;LINESTRING(2600000 1200000, 2600100 1200100)')")
        connection.execute("CREATE TABLE unknown (geom geometry)")

    def invoke(*arguments: str, dsn: str = database) -> Result:
        app = make_app(dsn, FLAGSTONE_POOL_TIMEOUT_MS=300)
        return app.test_cli_runner().invoke(args=["catalog", *arguments])

    return invoke


def test_list_names_every_layer(run: Run) -> None:
    result = run("list")
    assert result.exit_code == 0
    heads, row = result.stdout.splitlines()
    assert heads.split() == ["id", "kind", "type", "srid", "rows", "key", "readers"]
    assert row.split()[:5] == ["public.roads", "table", "LINESTRING", "2056", "id"]


def test_list_as_json(run: Run) -> None:
    [document] = json.loads(run("list", "--format", "json").stdout)
    assert document["id"] == "public.roads"
    assert document["key"] == ["id"]
    assert document["rows"] is None


@pytest.mark.parametrize("arguments", [(), ("--format", "json")])
def test_list_rejected_says_why(run: Run, arguments: tuple[str, ...]) -> None:
    result = run("list", "--rejected", *arguments)
    assert result.exit_code == 0
    assert "unknown" in result.stdout and "roads" not in result.stdout
    assert "no row with a geometry" in " ".join(result.stdout.split())
    if arguments:
        [left] = json.loads(result.stdout)
        assert left.keys() == {"schema", "name", "kind", "column", "reason"}


def test_show_tells_columns_and_extent(run: Run) -> None:
    result = run("show", "roads")
    assert result.exit_code == 0
    assert "EPSG:2056" in result.stdout
    assert "What [people] call it" in result.stdout
    document: dict[str, Any] = json.loads(run("show", "public.roads", "--format", "json").stdout)
    assert [column["name"] for column in document["columns"]] == ["id", "name"]
    assert document["extent"][0] == pytest.approx(7.43, abs=0.05)


def test_an_unknown_layer_ends_with_one_and_the_nearest_name(run: Run) -> None:
    result = run("show", "raods")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no layer 'raods'" in result.stderr and "public.roads" in result.stderr


@pytest.mark.parametrize("arguments", [("list",), ("list", "--rejected"), ("show", "roads")])
def test_a_database_that_is_down_ends_with_one_and_a_sentence(run: Run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, dsn="postgresql://nobody:hush@127.0.0.1:1/nothing")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ") or "\nError: " in result.stderr
    assert "Traceback" not in result.stderr and "hush" not in result.stderr


def test_a_layer_of_a_role_is_shown_though_the_login_may_not_read_it(run: Run, database: str, login: Login) -> None:
    login(database, "flagstone_test_viewer", "GRANT SELECT (id, geom) ON roads TO flagstone_test_viewer")
    gate = login(database, "flagstone_test_gate", attributes="NOINHERIT IN ROLE flagstone_test_viewer")
    assert json.loads(run("list", "--format", "json", dsn=gate).stdout)[0]["readers"] == ["flagstone_test_viewer"]
    document = json.loads(run("show", "public.roads", "--format", "json", dsn=gate).stdout)
    assert document["readable_columns"] == {"flagstone_test_viewer": ["geom", "id"]}
    assert document["extent"]


@pytest.mark.parametrize("arguments", [("--help",), ("list", "--help"), ("show", "--help")])
def test_help_needs_no_database(run: Run, arguments: tuple[str, ...]) -> None:
    assert run(*arguments, dsn="postgresql://127.0.0.1:1/nothing").exit_code == 0
