"""How statements run: by whose rights, read only, bounded, behind PgBouncer, with the index of their table."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from app.layers.tile import Tile
from tests.catalogs import catalog_of
from tests.conftest import Login, MakeApp
from tests.plans import plan_of
from tests.servers.pgbouncer import PgBouncer
from tests.test_pgbouncer import pgbouncer  # noqa: F401  # a fixture
from tests.tile_decoding import attributes, features, get


def test_statements_find_postgis_only_where_the_login_does(gis_database: str, make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "qualified.sql").write_text("SELECT 1 AS a, gis.ST_Centroid(:bounds) AS geom")
    app = make_app(gis_database, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    assert attributes(app, "/tiles/qualified/0/0/0") == [{"a": 1}]


def test_a_login_without_any_right_to_create_is_enough(login: Login, squares: str, make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("SELECT id, geom FROM squares WHERE geom && :bounds")
    reader = login(squares, "reads_only", "GRANT SELECT ON squares TO reads_only")
    assert len(features(make_app(reader, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)), "/tiles/mine/5/16/15")) == 10


def test_what_one_login_may_read_is_kept_apart_from_what_another_may(login: Login, squares: str, tmp_path: Path) -> None:
    (tmp_path / "rows.sql").write_text("SELECT id, geom FROM squares")
    (tmp_path / "made.sql").write_text("SELECT ST_AsMVT(s.*) FROM squares AS s")
    reader = login(squares, "reader", "GRANT SELECT ON squares TO reader")
    digests = [
        {layer.id: layer.digest for layer in catalog_of(dsn, FLAGSTONE_SQL_DIRECTORY=str(tmp_path)).layers} for dsn in (squares, reader)
    ]
    assert digests[0].keys() == digests[1].keys() == {"rows", "made", "public.squares"}
    assert not digests[0].items() & digests[1].items()


@pytest.fixture
def writing(squares: str) -> str:
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute(
            """
            CREATE FUNCTION write_something() RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO squares (id) VALUES (99); RETURN 1; END $$;
            CREATE FUNCTION set_something() RETURNS int LANGUAGE plpgsql AS
                $$ BEGIN PERFORM set_config('transaction_read_only', 'off', false), set_config('search_path', 'nowhere', false); RETURN 1; END $$
            """
        )
    return squares


def test_a_statement_that_writes_through_a_function_is_refused_with_a_sentence(
    sql_app: Callable[..., Flask], writing: str
) -> None:
    app = sql_app(writes="SELECT write_something() AS n, ST_Centroid(:bounds) AS geom", reads="SELECT id, geom FROM squares")
    response = get(app, "/tiles/writes/0/0/0")
    assert response.status_code == 403, response.get_data(as_text=True)
    assert len(features(app, "/tiles/reads/5/16/15")) == 10


def test_what_a_statement_sets_ends_with_it(make_app: MakeApp, writing: str, tmp_path: Path) -> None:
    (tmp_path / "sets.sql").write_text("SELECT set_something() AS n, ST_Centroid(:bounds) AS geom")
    (tmp_path / "path.sql").write_text("SELECT current_setting('search_path') AS path, ST_Centroid(:bounds) AS geom")
    app = make_app(writing, FLAGSTONE_SQL_DIRECTORY=str(tmp_path), FLAGSTONE_POOL_SIZE=1, CACHE_TYPE="NullCache")
    before = attributes(app, "/tiles/path/0/0/0")
    get(app, "/tiles/sets/0/0/0")
    assert attributes(app, "/tiles/path/0/0/0") == before


def test_a_statement_that_takes_long_ends_with_the_time_limit(make_app: MakeApp, squares: str, tmp_path: Path) -> None:
    (tmp_path / "slow.sql").write_text("SELECT 1 AS n, pg_sleep(20)::text AS s, ST_Centroid(:bounds) AS geom")
    app = make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path), FLAGSTONE_STATEMENT_TIMEOUT_MS=300)
    assert get(app, "/tiles/slow/0/0/0").status_code == 504
    assert len(features(app, "/tiles/public.squares/5/16/15")) == 10


def test_a_statement_that_fails_on_its_values_is_an_error_of_its_own(sql_app: Callable[..., Flask]) -> None:
    app = sql_app(divides="-- parameter: by int = 1\nSELECT 1 / :by AS n, ST_Centroid(:bounds) AS geom")
    assert attributes(app, "/tiles/divides/0/0/0") == [{"n": 1}]
    response = get(app, "/tiles/divides/0/0/0?by=0")
    assert response.status_code in (400, 500)
    assert "division" not in response.get_data(as_text=True)


def test_statements_work_behind_pgbouncer(
    pgbouncer: PgBouncer, squares: str, make_app: MakeApp, tmp_path: Path  # noqa: F811
) -> None:
    (tmp_path / "rows.sql").write_text("-- parameter: least int = 3\nSELECT id, geom FROM squares WHERE id >= :least AND geom && :bounds")
    (tmp_path / "bad.sql").write_text("SELECT gem FROM squares")
    app = make_app(
        pgbouncer.dsn(squares), FLAGSTONE_TRANSACTION_POOLING="true", FLAGSTONE_SQL_DIRECTORY=str(tmp_path), CACHE_TYPE="NullCache",
        FLAGSTONE_POOL_SIZE="2",
    )  # fmt: skip
    for _ in range(3):
        app.extensions["flagstone"].catalog.reload()
        assert len(features(app, "/tiles/rows/5/16/15")) == 7
        assert len(features(app, "/tiles/rows/5/16/15?least=9")) == 1
        assert get(app, "/tiles/bad/5/16/15").status_code == 404


def test_the_box_of_a_statement_uses_the_index_of_its_table(make_app: MakeApp, squares: str, tmp_path: Path) -> None:
    (tmp_path / "many.sql").write_text("SELECT id, geom FROM many WHERE geom && :bounds")
    with psycopg.connect(squares, autocommit=True) as connection:
        connection.execute(
            """
            CREATE TABLE many AS SELECT n AS id, ST_SetSRID(ST_MakePoint(n % 360 - 180, n % 170 - 85), 4326)::geometry(Point, 4326) AS geom
            FROM generate_series(1, 50000) AS n;
            CREATE INDEX many_geom ON many USING gist (geom);
            ANALYZE many
            """
        )
    app = make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path))
    assert "many_geom" in plan_of(app, "many", Tile(8, 130, 120))
