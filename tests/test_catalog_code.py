"""Somebody's functions that run when a plain table is read, and cannot outlive the request."""

import psycopg
import pytest

from tests.catalogs import catalog_of
from tests.conftest import MakeApp
from tests.tile_decoding import features

CODE = """
CREATE FUNCTION note() RETURNS void LANGUAGE sql AS
    $$ SELECT set_config('default_transaction_read_only', 'off', false), set_config('application_name', 'noted', false) $$;
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE FUNCTION mood_text(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM note(); RETURN 'very ' || enum_out($1); END $$;
CREATE CAST (mood AS text) WITH FUNCTION mood_text(mood);
CREATE TYPE colour AS ENUM ('red');
CREATE FUNCTION colour_json(colour) RETURNS json LANGUAGE plpgsql AS $$ BEGIN PERFORM note(); RETURN '"blue"'; END $$;
CREATE CAST (colour AS json) WITH FUNCTION colour_json(colour);
CREATE SCHEMA odd;
CREATE TYPE odd.int4 AS ENUM ('one');
CREATE FUNCTION odd_number(odd.int4) RETURNS pg_catalog.int4 LANGUAGE plpgsql AS $$ BEGIN PERFORM note(); RETURN 1; END $$;
CREATE CAST (odd.int4 AS pg_catalog.int4) WITH FUNCTION odd_number(odd.int4);
CREATE TYPE plain_enum AS ENUM ('a');
CREATE CAST (plain_enum AS text) WITH INOUT;
CREATE DOMAIN mood_domain AS mood;
CREATE DOMAIN colour_domain AS colour;
CREATE TYPE pair AS (n int, c colour_domain);
CREATE FUNCTION sure(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM note(); RETURN $1; END $$;
CREATE OPERATOR <-+-> (LEFTARG = int, RIGHTARG = int, FUNCTION = added);
"""
COLUMNS = {
    "by_cast": ("mood", "'glad'"),
    "by_array": ("colour[]", "'{red}'"),
    "by_domain": ("mood_domain", "'glad'"),
    "by_composite": ("pair", "'(1,red)'"),
    "by_composites": ("pair[]", "'{\"(1,red)\"}'"),
    "by_name": ("odd.int4", "'one'"),
    "plain": ("plain_enum", "'a'"),
    "plainer": ("int", "1"),
}
PLANNED = {
    "by_index": "CREATE INDEX ON by_index ((value + sure(1)))",
    "by_predicate": "CREATE INDEX ON by_predicate (value) WHERE value > sure(1)",
    "by_operator": "CREATE INDEX ON by_operator ((value + (1 <-+-> 2)))",
    "by_statistics": "CREATE STATISTICS by_statistics_too ON (value + sure(1)) FROM by_statistics; ANALYZE by_statistics",
    "by_check": "CREATE TABLE by_check_below (CHECK (value > sure(0))) INHERITS (by_check)",
}


@pytest.fixture
def dsn(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        added = "CREATE FUNCTION added(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM note(); RETURN $1 + $2; END $$;"
        connection.execute(CODE.replace("CREATE OPERATOR", added + "CREATE OPERATOR").encode())
        for table, (kind, value) in {**COLUMNS, **dict.fromkeys(PLANNED, ("int", "1"))}.items():
            connection.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, value {kind}, geom geometry(Point, 4326))".encode())
            connection.execute(f"INSERT INTO {table} VALUES (1, {value}, 'SRID=4326;POINT(1 2)')".encode())
        for statements in PLANNED.values():
            for statement in statements.split("; "):
                connection.execute(statement.encode())
        connection.execute(
            "CREATE TABLE by_partition (id int, value int, geom geometry(Point, 4326)) PARTITION BY RANGE ((id + sure(1)))"
        )
        connection.execute("CREATE TABLE by_partition_1 PARTITION OF by_partition FOR VALUES FROM (0) TO (9)")
        connection.execute("CREATE VIEW over_index AS SELECT id, value, geom FROM by_index")
        connection.execute("CREATE VIEW over_plain AS SELECT id, value, geom FROM plain")
    return database


def test_only_what_runs_code_is_said_to(dsn: str) -> None:
    runs_code = {layer.name: layer.runs_code for layer in catalog_of(dsn).relations}
    quiet = {"plain", "plainer", "over_plain"}
    assert {name for name, runs in runs_code.items() if not runs} == quiet
    assert {*COLUMNS, *PLANNED, "by_partition", "over_index"} - quiet <= runs_code.keys()


@pytest.mark.parametrize("table", [*COLUMNS, *PLANNED, "by_partition", "over_index"])
def test_what_a_tile_runs_leaves_its_connection_as_it_was(dsn: str, make_app: MakeApp, table: str) -> None:
    app = make_app(dsn, CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="1")
    for _ in range(2):
        features(app, f"/tiles/{table}/0/0/0?columns=value,id")
    pool = app.extensions["flagstone"].pool
    with pool.borrowed("a look at the connection") as connection:
        settings = connection.execute(
            "SELECT current_setting('default_transaction_read_only'), current_setting('application_name')"
        ).fetchone()
    assert settings == ("on", "flagstone")


def test_the_casts_do_run(dsn: str, make_app: MakeApp) -> None:
    [feature] = features(make_app(dsn), "/tiles/by_cast/0/0/0")
    assert feature["properties"]["value"] == "very glad"
