"""`flask catalog install`: functions of a file in schema flagstone, all of them or none."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import Result

from app.repository.sql_script import first_words, replacing, statements
from app.settings import Settings
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.tile_decoding import decoded, get

SQUARES = """
-- TiMVT's own example, as its documentation has it; in one word: squares.
CREATE FUNCTION squares(
    xmin float, ymin float, xmax float, ymax float, epsg integer,
    query_params json
)
RETURNS bytea AS $$
DECLARE
    result bytea; depth integer := coalesce((query_params ->> 'depth')::integer, 2);
BEGIN
    WITH mvtgeom AS (
        SELECT ST_AsMVTGeom(
            ST_MakeEnvelope(
                xmin + (xmax - xmin) / depth * (a - 1), ymin, xmin + (xmax - xmin) / depth * a, ymax, epsg
            ), ST_MakeEnvelope(xmin, ymin, xmax, ymax, epsg)
        ) AS geom
        FROM generate_series(1, depth) a
    )
    SELECT ST_AsMVT(mvtgeom.*, 'default') INTO result FROM mvtgeom;
    RETURN result;
END;
$$ LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION squares IS 'Squares; of a tile';
"""

Install = Callable[..., Result]


@pytest.fixture
def reader(login: Login, database: str) -> str:
    return login(database, "install_reader")


@pytest.fixture
def install(make_app: MakeApp, database: str, reader: str, tmp_path: Path) -> Install:
    """`install(text)` runs the command over a file of this text, as a server whose login may create nothing."""

    def run(text: str | bytes, *arguments: str, admin: str | None = database) -> Result:
        file = tmp_path / "squares.sql"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        more = {} if admin is None else {"FLAGSTONE_ADMIN_DATABASE_URL": admin}
        app = make_app(reader, **more)
        return app.test_cli_runner().invoke(args=["catalog", "install", str(file), *arguments])

    return run


def in_schema(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        # A login called flagstone would have the schema on its path.
        connection.execute("SET search_path = public")
        rows = connection.execute(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = to_regnamespace('flagstone') ORDER BY 1"
        ).fetchall()
    return [row[0] for row in rows]


def test_a_function_of_timvt_is_installed_and_is_a_layer(install: Install, make_app: MakeApp, reader: str) -> None:
    result = install(SQUARES, "--format", "json")
    assert result.exit_code == 0, result.output
    [said] = json.loads(result.output)
    assert (said["name"], said["login"]) == ("flagstone.squares", "install_reader")
    app = make_app(reader)
    [layer] = decoded(get(app, "/tiles/squares/3/4/2?depth=5")).values()
    assert len(layer["features"]) == 5
    assert next(layer for layer in catalog_of(reader).layers if layer.id == "flagstone.squares").description == "Squares; of a tile"


def test_a_function_that_returns_rows_needs_no_more_than_to_be_installed(install: Install, make_app: MakeApp, reader: str) -> None:
    result = install("""CREATE FUNCTION middle(bounds geometry, n int DEFAULT 1) RETURNS TABLE (number int, geom geometry)
        LANGUAGE sql STABLE AS 'SELECT n, ST_Centroid(bounds)'""")  # fmt: skip
    assert result.exit_code == 0, result.output
    [layer] = decoded(get(make_app(reader), "/tiles/flagstone.middle/3/4/2?n=7")).values()
    assert [feature["properties"] for feature in layer["features"]] == [{"number": 7}]


def test_a_second_installation_replaces(install: Install, database: str, make_app: MakeApp, reader: str) -> None:
    assert install(SQUARES).exit_code == 0
    assert install(SQUARES.replace(", 2)", ", 3)")).exit_code == 0
    [layer] = decoded(get(make_app(reader), "/tiles/squares/3/4/2")).values()
    assert len(layer["features"]) == 3
    # Names of arguments cannot be replaced, only dropped with the function.
    result = install(SQUARES.replace("query_params", "query"))
    assert result.exit_code == 0, result.output
    assert len(in_schema(database)) == 1
    [layer] = decoded(get(make_app(reader), "/tiles/squares/3/4/2?depth=4")).values()
    assert len(layer["features"]) == 4


def test_the_schema_holds_its_version_and_no_layer_but_functions(install: Install, database: str) -> None:
    assert install(SQUARES).exit_code == 0
    assert install(SQUARES).exit_code == 0
    with psycopg.connect(database, autocommit=True) as connection:
        assert connection.execute("SELECT version FROM flagstone.version").fetchall() == [(1,)]
        connection.execute("CREATE TABLE flagstone.hidden (id int, geom geometry(Point, 4326))")
    assert [layer.id for layer in catalog_of(database).layers] == ["flagstone.squares"]


def test_a_newer_version_is_left_alone(install: Install, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA flagstone; CREATE TABLE flagstone.version (version int); INSERT INTO flagstone.version VALUES (2)")
    result = install(SQUARES)
    assert result.exit_code == 1
    assert "has version 2, made by a newer Flagstone; this one knows 1" in result.output
    assert in_schema(database) == []


REFUSED = {
    "nothing": ("", "creates no function"),
    "a comment": ("-- nothing", "creates no function"),
    "a drop": ("DROP SCHEMA public CASCADE", "holds DROP SCHEMA"),
    "a drop behind": (SQUARES + "; DROP TABLE x", "holds DROP TABLE"),
    "a table": ("CREATE TABLE a (b int)", "holds CREATE TABLE"),
    "a procedure": ("CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", "holds CREATE PROCEDURE"),
    "an end of the transaction": (SQUARES + "; COMMIT", "holds COMMIT"),
    "a select": ("SELECT geom FROM squares", "holds SELECT"),
    "another schema": (SQUARES.replace("FUNCTION squares", "FUNCTION public.squares"), "names the schema public"),
    "a syntax error": ("CREATE FUNCTION f() RETURNS bytea AS", "could not be installed. Nothing was changed.\nsyntax error"),
    "an open quote": ("CREATE FUNCTION f() RETURNS bytea AS $$ SELECT", "quote $$ of line 1 is not closed"),
    "a comment on another": (SQUARES.replace("COMMENT ON FUNCTION squares", "COMMENT ON FUNCTION cubes"), "could not be installed"),
    "another encoding": (b"-- \xff\n" + SQUARES.encode(), "cannot be read as UTF-8"),
}


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_does_something_else_changes_nothing(
    install: Install, database: str, text: str | bytes, sentence: str
) -> None:
    result = install(text)
    assert result.exit_code == 1
    assert sentence in result.output
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regnamespace('flagstone')").fetchone() == (None,)
        assert connection.execute("SELECT to_regproc('public.squares')").fetchone() == (None,)


def test_without_an_admin_url_nothing_is_installed(install: Install) -> None:
    result = install(SQUARES, admin=None)
    assert result.exit_code == 1
    assert "FLAGSTONE_ADMIN_DATABASE_URL is not set" in result.output


def test_an_admin_login_without_rights_changes_nothing(install: Install, reader: str) -> None:
    result = install(SQUARES, admin=reader)
    assert result.exit_code == 1
    assert "Nothing was changed.\npermission denied" in result.output


def test_the_password_of_the_admin_is_never_repeated(install: Install) -> None:
    result = install(SQUARES, admin="postgresql://admin:hush%@nowhere:99999999/x")
    assert result.exit_code == 1
    assert "hush" not in result.output
    shown = Settings.of(FLAGSTONE_ADMIN_DATABASE_URL="postgresql://admin:hush@nowhere/x").shown()
    assert shown["FLAGSTONE_ADMIN_DATABASE_URL"] == "********"


def test_postgis_is_found_wherever_it_is(
    make_app: MakeApp, gis_database: str, tmp_path: Path
) -> None:
    (tmp_path / "it.sql").write_text(
        "CREATE FUNCTION it(bounds geometry) RETURNS TABLE (geom geometry) LANGUAGE sql STABLE AS 'SELECT ST_Centroid(bounds)'"
    )
    app = make_app(gis_database, FLAGSTONE_ADMIN_DATABASE_URL=gis_database)
    result = app.test_cli_runner().invoke(args=["catalog", "install", str(tmp_path / "it.sql")])
    assert result.exit_code == 0, result.output
    assert in_schema(gis_database) == ["flagstone.it(gis.geometry)"]


def test_a_script_is_cut_where_postgresql_would() -> None:
    script = """CREATE FUNCTION a() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END;
    -- ; nothing
    CREATE FUNCTION b() RETURNS text AS $x$ BEGIN; END; $x$ LANGUAGE sql; ;
    COMMENT ON FUNCTION b IS 'a;b' /* ; */"""
    assert [first_words(each)[:2] for each in statements(script)] == [["create", "function"], ["create", "function"], ["comment", "on"]]
    assert replacing("-- create\nCREATE /* or */ FUNCTION f()") == "-- create\nCREATE /* or */ OR REPLACE FUNCTION f()"
    assert replacing("create or replace function f()") == "create or replace function f()"
