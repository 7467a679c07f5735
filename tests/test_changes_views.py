"""Which layers are followed: tables, views, policies, functions, statements; and why others are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection

from app.layers.layer import Layer
from app.repository.catalog import Catalog
from tests.catalogs import catalog_of
from tests.change_logs import following, install, oid, watching
from tests.conftest import Login, MakeApp
from tests.servers.postgres import DatabaseServer

POINT = "'SRID=4326;POINT(9.5 47.1)'"

BY_PLACE = {
    "plain": "SELECT * FROM town",
    "a_few": "SELECT id, geom FROM town WHERE kind > 3",
    "odd": 'SELECT id AS "i (d)", geom AS "the ""geom"" here" FROM town',
    "nested": "SELECT id, geom FROM a_few WHERE id < 100",
    "computed": "SELECT id, geom, ST_Area(geom) AS area, upper(name) AS name FROM town",
    "timeless": "SELECT id, geom, to_char(made, 'YYYY') AS year FROM town",
    "own": "SELECT id, geom, own_immutable(id) AS more FROM town",
    "part": "SELECT id, geom FROM low",
}
EVERYWHERE = {
    "joined": "SELECT t.id, t.geom, k.name AS kind_name FROM town t JOIN kind k ON k.id = t.kind",
    "grouped": "SELECT kind AS id, ST_Collect(geom)::geometry(MultiPoint, 4326) AS geom FROM town GROUP BY kind",
    "shifted": "SELECT id, ST_Translate(geom, 1, 1)::geometry(Point, 4326) AS geom FROM town",
    "first": "SELECT id, geom FROM town ORDER BY id LIMIT 3",
    "ranked": "SELECT id, geom, row_number() OVER (ORDER BY id) AS place FROM town",
    "both": "SELECT id, geom FROM town UNION ALL SELECT id, geom FROM low",
    "counted": "SELECT id, geom, (SELECT count(*) FROM town o WHERE o.kind = t.kind) AS others FROM town t",
    "of_a_table": "SELECT id, geom FROM refreshed",
}
NOT = {
    "of_now": (
        "SELECT id, geom FROM town WHERE made < now()",
        "calls now(), which depends on more than rows",
    ),
    "of_today": ("SELECT id, geom FROM town WHERE made < CURRENT_DATE", "asks for the time"),
    "of_local": ("SELECT id, geom FROM town WHERE made < LOCALTIMESTAMP(0)", "asks for the time"),
    "of_age": ("SELECT id, geom FROM town WHERE age(made) > '1 day'", "calls age()"),
    "of_chance": (
        "SELECT id, geom FROM town WHERE random() < 0.5",
        "calls random(), which may give something else each time",
    ),
    "of_a_sample": ("SELECT id, geom FROM town TABLESAMPLE SYSTEM (50)", "takes samples"),
    "of_own": (
        "SELECT id, geom, own_stable() AS more FROM town",
        "calls own_stable(), which may read anything",
    ),
    "of_an_operator": (
        "SELECT id, geom FROM town WHERE id === 3",
        "calls own_equal(), which may give something else",
    ),
    "of_catalog": (
        "SELECT t.id, t.geom, c.relname FROM town t JOIN pg_class c ON c.oid = t.id::oid",
        "pg_catalog.pg_class: nothing tells",
    ),
    "of_another": (
        "SELECT t.id, t.geom FROM town t JOIN unfollowed u USING (id)",
        "public.unfollowed: nothing tells of its changes",
    ),
    "of_clock": ("SELECT id, geom, clock_timestamp() AS at FROM plain", "calls clock_timestamp()"),
    "above": ("SELECT * FROM of_now", "public.of_now calls now()"),
}


@pytest.fixture(scope="module")
def dsn(server: DatabaseServer, template: str) -> Iterator[str]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        for statement in (
            "CREATE TABLE kind (id int PRIMARY KEY, name text)",
            "CREATE TABLE town (id serial PRIMARY KEY, kind int, name text, made timestamptz, geom geometry(Point, 4326))",
            "CREATE TABLE unfollowed (id int PRIMARY KEY, geom geometry(Point, 4326))",
            "CREATE TABLE whole (id int, geom geometry(Point, 4326)) PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF whole FOR VALUES FROM (0) TO (10)",
            "CREATE FUNCTION own_immutable(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
            "CREATE FUNCTION own_stable() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM kind'",
            "CREATE FUNCTION own_equal(int, int) RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT $1 = $2'",
            "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = own_equal)",
            "CREATE MATERIALIZED VIEW refreshed AS SELECT id, geom FROM town",
            "CREATE UNIQUE INDEX ON refreshed (id)",
        ):
            connection.execute(statement.encode())
        for name, text in (
            *BY_PLACE.items(),
            *EVERYWHERE.items(),
            *((name, text) for name, (text, _) in NOT.items()),
        ):
            connection.execute(f'CREATE VIEW "{name}" AS {text}'.encode())
    install(made, "town", "kind", "whole", "refreshed")
    yield made
    server.drop(made)


@pytest.fixture(scope="module")
def catalog(dsn: str) -> Catalog:
    return catalog_of(dsn)


@pytest.fixture
def there(dsn: str) -> Iterator[Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        yield connection


def layer(catalog: Catalog, layer_id: str) -> Layer:
    return next(each for each in catalog.layers if each.id == layer_id)


@pytest.mark.parametrize("name", BY_PLACE)
def test_simple_views_follow_their_table_at_its_places(
    catalog: Catalog, there: Connection, name: str
) -> None:
    table = oid(there, "whole" if name == "part" else "town")
    follows = layer(catalog, f"public.{name}").follows
    assert follows is not None, catalog.unfollowed
    assert (follows.places, follows.everywhere, follows.is_whole) == (frozenset({table}), frozenset(), True)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_other_views_follow_what_they_read_everywhere(catalog: Catalog, there: Connection, name: str) -> None:
    reads = {"joined": ["town", "kind"], "both": ["town", "whole"], "of_a_table": ["refreshed"]}.get(
        name, ["town"]
    )
    follows = layer(catalog, f"public.{name}").follows
    assert follows is not None, catalog.unfollowed
    assert follows.everywhere == {oid(there, each) for each in reads}
    assert follows.is_whole


@pytest.mark.parametrize("name", NOT)
def test_views_of_more_than_followed_rows_are_not_followed_and_it_is_said_why(
    catalog: Catalog, name: str
) -> None:
    assert layer(catalog, f"public.{name}").follows is None
    assert NOT[name][1] in catalog.unfollowed[f"public.{name}"]


def test_a_view_with_a_sublink_follows_its_own_table_by_place_and_the_other_everywhere(
    there: Connection, dsn: str
) -> None:
    there.execute(
        "CREATE OR REPLACE VIEW linked AS SELECT id, geom FROM town WHERE kind IN (SELECT id FROM kind)"
    )
    follows = layer(catalog_of(dsn), "public.linked").follows
    assert follows is not None
    assert (follows.places, follows.everywhere) == (
        frozenset({oid(there, "town")}),
        frozenset({oid(there, "kind")}),
    )


def test_a_geometry_column_that_came_later_is_not_followed_until_it_is_installed(
    there: Connection, dsn: str
) -> None:
    there.execute("CREATE TABLE grown (id int PRIMARY KEY, geom geometry(Point, 4326))")
    install(dsn, "grown")
    there.execute("ALTER TABLE grown ADD COLUMN later geometry(Point, 4326)")
    found = catalog_of(dsn)
    assert layer(found, "public.grown").follows is not None
    assert layer(found, "public.grown.later").follows is None
    assert (
        "does not look" in found.unfollowed["public.grown.later"]
        or "do not look" in found.unfollowed["public.grown.later"]
    )
    install(dsn, "grown")
    assert layer(catalog_of(dsn), "public.grown.later").follows is not None


def test_a_refresh_tells_of_itself(there: Connection, dsn: str) -> None:
    view = oid(there, "refreshed")
    with following(dsn) as reader, watching(dsn) as written:
        first = reader.version(view)
        there.execute(f"INSERT INTO town (kind, geom) VALUES (1, {POINT})".encode())
        assert reader.version(view) == first
        written.news()
        assert written.after("REFRESH MATERIALIZED VIEW CONCURRENTLY refreshed") == [("refreshed", None)]
        second = reader.version(view)
        assert second not in (None, first)
        assert written.after("REFRESH MATERIALIZED VIEW refreshed") == [("refreshed", None)]
        assert reader.version(view) not in (None, second)
        written.after("SET session_replication_role = replica")
        assert written.after("REFRESH MATERIALIZED VIEW refreshed") == [("refreshed", None)]


def test_without_the_event_trigger_a_materialized_view_has_its_time_to_live_too(
    dsn: str, there: Connection, login: Login
) -> None:
    there.execute("CREATE MATERIALIZED VIEW slow AS SELECT id, geom FROM town")
    admin = login(dsn, "changes_view_admin", f'GRANT CREATE ON DATABASE "{there.info.dbname}" TO changes_view_admin',
                  "ALTER MATERIALIZED VIEW public.slow OWNER TO changes_view_admin", "ALTER SCHEMA flagstone OWNER TO changes_view_admin")  # fmt: skip
    there.execute("GRANT SELECT ON town TO changes_view_admin")
    there.execute("DROP EVENT TRIGGER flagstone_change_refreshed")
    try:
        for name in ("version", "change", "change_horizon", "change_followed"):
            there.execute(f"ALTER TABLE flagstone.{name} OWNER TO changes_view_admin".encode())
        there.execute("GRANT flagstone_changes TO changes_view_admin")
        [done] = install(admin, "slow", login=there.info.user)
        assert "takes a superuser" in done.notices[0]
        assert done.partly is not None and "there is no event trigger" in done.partly
        follows = layer(catalog_of(dsn), "public.slow").follows
        assert follows is not None and not follows.is_whole
        above = layer(catalog_of(dsn), "public.of_a_table").follows
        assert above is not None and not above.is_whole
        with following(dsn) as reader:
            first = reader.version(oid(there, "slow"))
            there.execute("SELECT flagstone.changed('slow', 9, 47, 10, 48)")
            assert reader.version(oid(there, "slow")) not in (None, first)
    finally:
        for name in ("version", "change", "change_horizon", "change_followed"):
            there.execute(f"ALTER TABLE flagstone.{name} OWNER TO CURRENT_USER".encode())
        there.execute("ALTER SCHEMA flagstone OWNER TO CURRENT_USER")
        there.execute("DROP MATERIALIZED VIEW slow")
        install(dsn, "refreshed")


def test_a_foreign_table_is_partly_followed(dsn: str, there: Connection, make_app: MakeApp) -> None:
    for statement in (
        "CREATE EXTENSION file_fdw", "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "CREATE FOREIGN TABLE far (id int, geom geometry(Point, 4326)) SERVER files OPTIONS (filename '/dev/null', format 'csv')",
    ):  # fmt: skip
        there.execute(statement.encode())
    said = make_app(dsn).test_cli_runner().invoke(args=["changes", "install", "far"]).output
    assert "public.far: followed by name, partly: public.far is a foreign table" in said
    follows = layer(catalog_of(dsn), "public.far").follows
    assert follows is not None and not follows.is_whole


def test_row_security_is_followed_where_what_policies_read_is(database: str, login: Login) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE public.town (id int PRIMARY KEY, owner name, geom geometry(Point, 4326))",
            "CREATE TABLE public.member (town int, who name)",
            "ALTER TABLE public.town ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY own ON public.town FOR SELECT USING (owner = CURRENT_USER OR current_setting('app.all', true) = 'yes')",
        ):
            connection.execute(statement.encode())
        connection.execute("SET search_path = public")
        web = login(database, "changes_web", "GRANT SELECT ON public.town, public.member TO changes_web")
        install(database, "town", login="changes_web")

        def follows() -> object:
            return layer(catalog_of(web), "public.town").follows

        assert follows() is not None
        connection.execute(
            "CREATE POLICY mine ON town FOR SELECT USING (id IN (SELECT town FROM member WHERE who = CURRENT_USER))"
        )
        assert follows() is None
        assert "public.member: nothing tells of its changes" in catalog_of(web).unfollowed["public.town"]
        install(database, "member", login="changes_web")
        assert repr(follows()) == f"Follows([{oid(connection, 'town')}], [{oid(connection, 'member')}], None)"
        connection.execute("CREATE POLICY hours ON town FOR SELECT USING (now() > '2000-01-01')")
        assert "a policy of public.town calls now()" in catalog_of(web).unfollowed["public.town"]
        connection.execute("DROP POLICY hours ON town")
        connection.execute("CREATE POLICY writing ON town FOR INSERT WITH CHECK (random() < 1)")
        assert follows() is not None


FUNCTION = """CREATE FUNCTION public.drawn(z int, x int, y int, query_params json DEFAULT '{}') RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE tile bytea;
BEGIN
    SELECT ST_AsMVT(t, 'drawn') INTO tile FROM (SELECT id, ST_AsMVTGeom(ST_Transform(geom, 3857), ST_TileEnvelope(z, x, y)) AS geom FROM town) AS t;
    RETURN tile;
END $$"""


def test_functions_and_statements_follow_what_they_are_said_to_read(
    dsn: str, there: Connection, tmp_path: Path, make_app: MakeApp
) -> None:
    there.execute(FUNCTION.encode())
    there.execute('COMMENT ON FUNCTION drawn IS \'{"reads": ["public.town"]}\'')
    folder = tmp_path / "sql"
    folder.mkdir()
    for name in ("told", "untold", "missing", "nothing"):
        (folder / f"{name}.sql").write_text("SELECT id, geom FROM public.town")
    file = tmp_path / "layers.toml"
    file.write_text(
        '[layers.told]\nreads = ["public.town", "public.kind"]\n[layers.missing]\nreads = ["public.unfollowed"]\n[layers.nothing]\nreads = []\n'
    )
    settings = {"FLAGSTONE_SQL_DIRECTORY": str(folder), "FLAGSTONE_LAYERS_FILE": str(file)}
    backend = make_app(dsn, **settings).extensions["flagstone"]
    found = backend.catalog.catalog()
    told = {each.id: each.follows for each in found.layers}
    town, kind = oid(there, "town"), oid(there, "kind")
    assert told["public.drawn"].everywhere == {town}
    assert told["told"].everywhere == {town, kind}
    assert told["nothing"].everywhere == frozenset()
    assert told["untold"] is None and "`reads`" in found.unfollowed["untold"]
    assert (
        told["missing"] is None
        and "public.unfollowed, which it reads, is not followed" in found.unfollowed["missing"]
    )
    output = make_app(dsn, **settings).test_cli_runner().invoke(args=["changes", "install", "told"]).output
    assert "public.kind: triggers on 1 table." in output and "public.town: triggers on 1 table." in output
    refused = make_app(dsn, **settings).test_cli_runner().invoke(args=["changes", "install", "untold"])
    assert refused.exit_code == 1 and "What untold reads is not known" in refused.output


def test_a_view_that_is_named_has_its_tables_followed(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        connection.execute("CREATE TABLE town (id int PRIMARY KEY, kind int, geom geometry(Point, 4326))")
        connection.execute("CREATE TABLE kind (id int PRIMARY KEY, name text)")
        connection.execute(
            "CREATE VIEW known AS SELECT t.id, t.geom, k.name FROM town t JOIN kind k ON k.id = t.kind"
        )
    app = make_app(database)
    output = app.test_cli_runner().invoke(args=["changes", "install", "known"]).output
    assert "public.town: triggers on 1 table." in output and "public.kind: triggers on 1 table." in output
    assert layer(catalog_of(database), "public.known").follows is not None


def test_a_fault_is_a_notice_of_the_catalog(dsn: str, there: Connection) -> None:
    there.execute("ALTER TABLE kind DISABLE TRIGGER ALL")
    try:
        found = catalog_of(dsn)
        assert any(
            "Changes of public.kind are not followed: public.kind lacks triggers" in notice
            for notice in found.notices
        )
        assert layer(found, "public.joined").follows is None
    finally:
        there.execute("ALTER TABLE kind ENABLE TRIGGER ALL")
