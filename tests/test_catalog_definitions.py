"""Another definition of a view, or another policy of a table, is another layer for the cache."""

from collections.abc import Callable

import psycopg
import pytest

from app.layers.identity import ANONYMOUS
from tests.catalogs import catalog_of, catalog_store
from tests.conftest import Login, MakeApp
from tests.tile_decoding import features

BASE = """
CREATE TABLE base (id int PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO base VALUES (1, 'SRID=4326;POINT(1 2)'), (2, 'SRID=4326;POINT(3 4)');
CREATE VIEW v AS SELECT id, geom FROM base;
CREATE VIEW above AS SELECT id, geom FROM v;
CREATE TABLE other (id int PRIMARY KEY, geom geometry(Point, 4326));
CREATE POLICY p ON other USING (id = 1);
CREATE VIEW over_other AS SELECT id, geom FROM other;
"""
OTHER_ROWS = "CREATE OR REPLACE VIEW v AS SELECT id, geom FROM base WHERE id = 1"

Execute = Callable[[str], None]


@pytest.fixture
def execute(database: str) -> Execute:
    def run(statements: str) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(statements.encode())

    run(BASE)
    return run


def digests(dsn: str) -> dict[str, str]:
    return {layer.name: layer.digest for layer in catalog_of(dsn).relations}


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        (OTHER_ROWS, {"v", "above"}),
        ("ALTER TABLE other ENABLE ROW LEVEL SECURITY", {"other", "over_other"}),
        ("ALTER POLICY p ON other USING (id = 2)", set()),
        ("COMMENT ON VIEW v IS 'words'; ANALYZE base; INSERT INTO base VALUES (3, NULL)", set()),
    ],
)
def test_a_digest_changes_where_and_only_where_the_rows_may(
    database: str, execute: Execute, statement: str, changed: set[str]
) -> None:
    before = digests(database)
    for one in statement.split("; "):
        execute(one)
    after = digests(database)
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    "statement",
    ["ALTER POLICY p ON other USING (id = 2)", "CREATE POLICY q ON other USING (id = 2)", "DROP POLICY p ON other",
     "ALTER POLICY p ON other TO pg_monitor", "ALTER TABLE other FORCE ROW LEVEL SECURITY",
     "ALTER TABLE other DISABLE ROW LEVEL SECURITY"],
)  # fmt: skip
def test_every_change_of_row_security_changes_the_digest(database: str, execute: Execute, statement: str) -> None:
    execute("ALTER TABLE other ENABLE ROW LEVEL SECURITY")
    before = digests(database)
    execute(statement)
    after = digests(database)
    assert {name for name in before if before[name] != after[name]} == {"other", "over_other"}


def test_whose_rights_a_view_uses_is_part_of_its_digest(database: str, execute: Execute, login: Login) -> None:
    login(database, "flagstone_test_viewer", "GRANT SELECT ON base TO flagstone_test_viewer")
    before = digests(database)
    execute("ALTER VIEW v OWNER TO flagstone_test_viewer")
    after = digests(database)
    assert before["v"] != after["v"]
    execute("ALTER VIEW v OWNER TO CURRENT_USER")


def test_tiles_of_the_old_definition_are_not_found_any_more(database: str, execute: Execute, make_app: MakeApp) -> None:
    app = make_app(database)
    assert len(features(app, "/tiles/v/0/0/0")) == 2
    execute(OTHER_ROWS)
    app.extensions["flagstone"].catalog.reload()
    assert len(features(app, "/tiles/v/0/0/0")) == 1


def test_a_locked_view_is_known_by_its_definition_all_the_same(database: str, execute: Execute) -> None:
    with catalog_store(database) as store, psycopg.connect(database) as other:
        before = store.catalog().table("v", ANONYMOUS)
        execute(OTHER_ROWS)
        other.execute("LOCK TABLE base IN ACCESS EXCLUSIVE MODE")
        after = store.reload().table("v", ANONYMOUS)
        assert after.key == before.key
        assert after.digest != before.digest
