"""Views: the key of the table behind them, and whether reading them runs code."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.layers.relation import RelationLayer
from tests.catalogs import catalog_of, catalog_store, reasons
from tests.servers.postgres import DatabaseServer

ODDITIES = Path(__file__).parent / "oddities"


@pytest.fixture(scope="module")
def dsn(server: DatabaseServer, template: str) -> Iterator[str]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute((ODDITIES / "traced_views.sql").read_bytes())
    yield made
    server.drop(made)


@pytest.fixture(scope="module")
def layer(dsn: str) -> dict[str, RelationLayer]:
    return {layer.name: layer for layer in catalog_of(dsn).relations}


@pytest.mark.parametrize(
    ("view", "key"),
    [
        ("everything", ("gid",)),
        ("renamed", ("id",)),
        ("of_view", ("my id",)),
        ("swapped", ("other",)),
        ("by_unique_index", ("other",)),
        ("repeated", ("gid",)),
        ("both_columns", ("x", "y")),
        ("made_geometry", ("gid",)),
        ("sub_selects", ("gid",)),
        ("odd_names", ("{b :resno 7 \\ }",)),
        ("with_enum", ("gid",)),
    ],
)
def test_a_plain_view_has_its_tables_key(layer: dict[str, RelationLayer], view: str, key: tuple[str, ...]) -> None:
    assert layer[view].key == key
    assert not layer[view].runs_code


@pytest.mark.parametrize(
    "view",
    ["without_key", "half_a_key", "joined", "grouped", "distinct_rows", "first_rows", "united", "repeated_rows",
     "constant", "of_parent", "of_united", "ruled"],
)  # fmt: skip
def test_a_view_whose_rows_are_not_the_tables_has_no_key(layer: dict[str, RelationLayer], view: str) -> None:
    assert layer[view].key == ()
    assert layer[view].kind == "v"


@pytest.mark.parametrize(
    "view", ["code_of_mine", "code_below", "code_by_operator", "code_random", "code_setting", "code_of_policies"]
)
def test_a_view_that_calls_somebodys_function_runs_code(layer: dict[str, RelationLayer], view: str) -> None:
    assert layer[view].runs_code


def test_tables_run_no_code(layer: dict[str, RelationLayer]) -> None:
    # The login is a superuser, for whom row security is off.
    assert not any(layer[table].runs_code for table in ("base", "parent", "secured"))


def test_a_view_that_is_locked_keeps_the_key_it_had_and_stops_nothing(dsn: str) -> None:
    with catalog_store(dsn) as store, psycopg.connect(dsn) as other:
        store.catalog()
        # LOCK on a view locks what is below it as well.
        other.execute("LOCK TABLE both_columns IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        first = {layer.name: layer for layer in catalog_of(dsn).relations}
        later = {layer.name: layer for layer in store.reload().relations}
        assert time.monotonic() - began < 3
    assert first["everything"].key == ("gid",)
    assert (first["both_columns"].key, first["both_columns"].runs_code) == ((), True)
    assert (later["both_columns"].key, later["both_columns"].runs_code) == (("x", "y"), False)


def test_a_view_whose_function_is_gone_stops_nothing(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE base (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO base VALUES (1, 'SRID=4326;POINT(1 2)')")
        connection.execute("CREATE FUNCTION lost(geometry) RETURNS geometry LANGUAGE plpgsql AS 'BEGIN RETURN $1; END'")
        connection.execute("CREATE VIEW broken AS SELECT id, lost(geom) AS geom FROM base")
        connection.execute("CREATE VIEW broken_typed AS SELECT id, lost(geom)::geometry(Point, 4326) AS geom FROM base")
        connection.execute("CREATE VIEW whole AS SELECT id, geom FROM base")
        connection.execute("DELETE FROM pg_proc WHERE proname = 'lost'")
    with catalog_store(database) as store:
        catalog = store.catalog()
        layer = {layer.name: layer for layer in catalog.relations}
        assert store.extent(layer["broken_typed"], wait_s=5) is None
    assert layer["whole"].key == ("id",)
    assert layer["broken_typed"].runs_code
    assert "cannot be read" in reasons(catalog)["public.broken.geom"]
