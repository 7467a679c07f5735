"""Functions in the catalog: which are layers, under which ids, and why others are not."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest

from app.layers.function import Call, TileFunctionLayer
from app.layers.identity import ANONYMOUS
from app.repository.catalog import Catalog
from tests.catalogs import catalog_of, catalog_store, reasons
from tests.conftest import Login

NOT_PLACED = (
    "it returns bytea and takes three whole numbers, but not as a tile function does:"
    " the first three arguments are z (or zoom), x and y, by these names and in this order"
)


@pytest.fixture
def dsn(oddity: Callable[[str], str]) -> str:
    return oddity("functions")


def run(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def found(catalog: Catalog, name: str) -> TileFunctionLayer:
    layer = catalog.layer(name, ANONYMOUS)
    assert isinstance(layer, TileFunctionLayer)
    return layer


def ids(catalog: Catalog) -> set[str]:
    return {layer.id for layer in catalog.layers if isinstance(layer, TileFunctionLayer)}


def test_each_way_to_be_called_is_recognised(dsn: str) -> None:
    catalog = catalog_of(dsn)
    assert {name: found(catalog, name).call for name in ("by_box", "by_name", "plain", "by_query", "by_query_b", "tagged", "picture")} == {
        "by_box": Call.BOX, "by_name": Call.ARGUMENTS, "plain": Call.ARGUMENTS, "by_query": Call.QUERY, "by_query_b": Call.QUERY,
        "tagged": Call.QUERY, "picture": Call.ARGUMENTS,
    }  # fmt: skip
    assert [found(catalog, name).returns_tag for name in ("plain", "by_query_b", "tagged", "tagged_out", "no_row")] == [False, False, True, True, True]
    assert found(catalog, "picture").media_type == "image/png"
    assert found(catalog, "plain").volatility == "s"


def test_arguments_have_names_types_and_defaults_to_show(dsn: str) -> None:
    layer = found(catalog_of(dsn), "by_name")
    assert [(each.name, each.type, each.has_default, each.default, each.description) for each in layer.arguments] == [
        ("smallest", "integer", True, "15", "The smallest."),
        ("word", "text", True, "'a, b'::text", None),
        ('Odd "Name%', "text", True, "NULL::text", None),
    ]
    assert [(each.name, each.has_default) for each in found(catalog_of(dsn), "needy").arguments] == [("smallest", False)]


def test_ids_tell_tables_and_overloads_apart(dsn: str) -> None:
    catalog = catalog_of(dsn)
    assert {"public.places()", "public.twice(int4~2Cint4~2Cint4)", "public.twice(int4~2Cint4~2Cint4~2Ctext)"} <= ids(catalog)
    assert catalog.layer("places", ANONYMOUS).id == "public.places"
    assert catalog.short_name(found(catalog, "public.places()"), ANONYMOUS) == "places()"
    assert catalog.short_name(found(catalog, "plain"), ANONYMOUS) == "plain"
    assert catalog.short_name(found(catalog, "twice(int4~2Cint4~2Cint4~2Ctext)"), ANONYMOUS) == "twice(int4~2Cint4~2Cint4~2Ctext)"


def test_a_bare_name_goes_to_the_first_schema_that_has_it(dsn: str) -> None:
    run(
        dsn, "CREATE SCHEMA early",
        "CREATE FUNCTION early.plain(z int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$",
        "CREATE FUNCTION early.alone(z int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$",
        "CREATE TABLE early.nothing (id int PRIMARY KEY, geom geometry(Point, 4326))",
    )  # fmt: skip
    catalog = catalog_of(dsn)
    assert [catalog.layer(name, ANONYMOUS).id for name in ("plain", "alone", "nothing")] == ["public.plain", "early.alone", "public.nothing"]
    assert catalog_of(dsn, FLAGSTONE_SCHEMA_ORDER="early").layer("nothing", ANONYMOUS).id == "early.nothing"


def test_what_looks_like_a_tile_function_and_is_none_is_rejected_with_a_reason(dsn: str) -> None:
    why = reasons(catalog_of(dsn))
    assert why == {
        "public.any_type": "it takes an argument of any type",
        "public.half_named": "an argument after z, x and y has no name",
        "public.many": "it takes any number of arguments (VARIADIC)",
        "public.no_numbers": "its arguments z, x and y are no integers",
        "public.three_columns": "it returns other columns than a tile (bytea) and a text for its ETag",
        "public.unnamed": NOT_PLACED,
    }


@pytest.mark.parametrize(
    ("arguments", "returns"),
    [
        ("y int, x int, z int", "bytea"), ("zoom int, col int, line int", "bytea"), ("layer text, z int, x int, y int", "bytea"),
        ("int, int, int, json", "bytea"), ("x bigint, y bigint, z smallint, kind text DEFAULT NULL", "TABLE (mvt bytea, key text)"),
        ("query json, z int, x int, y int", "TABLE (mvt bytea)"), ("z int, query json, x int, y int", "bytea"),
    ],
)  # fmt: skip
def test_three_integers_that_are_not_z_x_and_y_are_rejected_with_a_reason(database: str, arguments: str, returns: str) -> None:
    run(database, f"CREATE FUNCTION odd({arguments}) RETURNS {returns} LANGUAGE plpgsql AS $$ BEGIN END $$")
    catalog = catalog_of(database)
    assert "public.odd" not in ids(catalog)
    assert reasons(catalog) == {"public.odd": NOT_PLACED}


@pytest.mark.parametrize(
    ("arguments", "returns"),
    [("a int, b int", "bytea"), ("a text, b text, c text", "bytea"), ("y int, x int, z int", "text"), ("a int, b int, c text, d text, e text, f text, g int", "bytea")],
)  # fmt: skip
def test_functions_that_do_not_look_like_tiles_are_not_mentioned(database: str, arguments: str, returns: str) -> None:
    run(database, f"CREATE FUNCTION odd({arguments}) RETURNS {returns} LANGUAGE plpgsql AS $$ BEGIN END $$")
    assert reasons(catalog_of(database)) == {}


def test_an_extensions_function_that_takes_three_integers_is_not_mentioned(dsn: str) -> None:
    run(dsn, "ALTER EXTENSION postgis ADD FUNCTION unnamed(int, int, int)")
    assert "public.unnamed" not in reasons(catalog_of(dsn))


def test_functions_of_an_extension_are_no_layers(dsn: str) -> None:
    run(dsn, "ALTER EXTENSION postgis ADD FUNCTION plain(int, int, int)")
    catalog = catalog_of(dsn)
    assert "public.plain" not in ids(catalog)
    assert reasons(catalog)["public.plain"] == "belongs to the extension postgis"


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("FLAGSTONE_SCHEMAS", "other,fl*", "its schema is not among FLAGSTONE_SCHEMAS"),
        ("FLAGSTONE_EXCLUDE_SCHEMAS", "pub*", "its schema is excluded by FLAGSTONE_EXCLUDE_SCHEMAS"),
        ("FLAGSTONE_FUNCTIONS", "by_*,public.tagged", "it is not among FLAGSTONE_FUNCTIONS"),
        ("FLAGSTONE_EXCLUDE_FUNCTIONS", "public.pl*", "it is excluded by FLAGSTONE_EXCLUDE_FUNCTIONS"),
    ],
)
def test_settings_choose(dsn: str, setting: str, value: str, reason: str) -> None:
    catalog = catalog_of(dsn, **{setting: value})
    assert reasons(catalog)["public.plain"] == reason
    assert "public.plain" not in ids(catalog)
    assert ("public.by_name" in ids(catalog)) == ("FUNCTIONS" in setting)
    if "FUNCTIONS" in setting:
        assert "public.places" in {layer.id for layer in catalog.relations}


def test_functions_that_were_put_into_flagstones_own_schema_are_layers_and_tables_there_are_not(dsn: str) -> None:
    run(
        dsn, "CREATE SCHEMA flagstone",
        "CREATE FUNCTION flagstone.installed(z int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT drawn(z, x, y, 'i') $$",
        "CREATE TABLE flagstone.inner_things (id int PRIMARY KEY, geom geometry(Point, 4326))",
    )  # fmt: skip
    for settings in ({}, {"FLAGSTONE_SCHEMAS": "public"}):
        catalog = catalog_of(dsn, **settings)
        assert found(catalog, "installed").id == "flagstone.installed"
        assert catalog.find("flagstone.inner_things", ANONYMOUS) is None
    assert catalog_of(dsn, FLAGSTONE_EXCLUDE_SCHEMAS="flagstone").find("installed", ANONYMOUS) is None


def test_a_schema_that_may_not_be_used_holds_no_layers(dsn: str, login: Login) -> None:
    run(dsn, "CREATE SCHEMA shut", "CREATE FUNCTION shut.inside(z int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$")
    catalog = catalog_of(login(dsn, "flagstone_test_outsider"))
    assert "shut.inside" not in ids(catalog)
    assert reasons(catalog)["shut.inside"] == "neither the login nor a role that it may take may use its schema and execute it"


@pytest.mark.parametrize(
    "comment",
    [
        '{"content_type": 5, "vector_layers": "x", "arguments": [], "minzoom": "a", "bounds": {}}',
        '{"content_type": "text/html\\r\\nX: y", "vector_layers": [1, {"id": 2}, {"id": "a", "fields": 3, "minzoom": true}]}',
        "[" * 100_000, "{" * 100_000, "{not json", '{"vector_layers": null}', "plain words",
    ],
)  # fmt: skip
def test_no_comment_costs_a_layer(dsn: str, comment: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("COMMENT ON FUNCTION plain(int, int, int) IS {}").format(comment))
    layer = found(catalog_of(dsn), "plain")
    assert layer.media_type == "application/vnd.mapbox-vector-tile"
    assert layer.arguments == ()


def test_thousands_of_functions_are_read_in_a_moment(database: str) -> None:
    run(
        database,
        """DO $$ BEGIN FOR n IN 1..3000 LOOP
            EXECUTE format('CREATE FUNCTION f%s(z int, x int, y int, a text DEFAULT %L, b int[] DEFAULT NULL) RETURNS bytea LANGUAGE sql AS $f$ SELECT NULL::bytea $f$', n, 'x');
            EXECUTE format('CREATE FUNCTION g%s(a int) RETURNS int LANGUAGE sql AS $f$ SELECT 1 $f$', n);
        END LOOP; END $$""",
    )
    with catalog_store(database) as store:
        store._pool.ping()
        began = time.monotonic()
        assert store.layer("f777", ANONYMOUS).id == "public.f777"
        alone = time.monotonic() - began
        assert not store.loaded
        began = time.monotonic()
        assert len(store.catalog().layers) == 3000
        # Generous, for a busy machine: measured are 0.02 and 0.5 s.
        assert alone < 0.5
        assert time.monotonic() - began < 5


def test_a_function_that_is_being_replaced_keeps_nobody_waiting(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE OR REPLACE FUNCTION plain(zoom int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$")
        connection.execute("LOCK TABLE pg_proc IN SHARE ROW EXCLUSIVE MODE")
        connection.execute("LOCK TABLE places IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        assert "public.plain" in ids(catalog_of(dsn))
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("asked", ["plain", "public.plain", "places()", "public.twice(int4~2Cint4~2Cint4)", "twice"])
def test_look_up_alone_finds_what_the_catalog_finds(dsn: str, asked: str) -> None:
    with catalog_store(dsn) as store:
        alone = store.layer(asked, ANONYMOUS)
        assert not store.loaded
        assert store.catalog().layer(asked, ANONYMOUS) == alone
        assert store.catalog().layer(asked, ANONYMOUS).digest == alone.digest
