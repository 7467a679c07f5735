"""Who may read what: the login, and the roles that it may take."""

import psycopg
import pytest

from app.errors import NotFound
from app.layers.identity import ANONYMOUS, Identity
from tests.catalogs import catalog_of, catalog_store, reasons
from tests.conftest import Login

TABLES = (
    "CREATE SCHEMA hidden",
    "CREATE TABLE open_to_all (id int PRIMARY KEY, secret text, geom geometry(Point, 4326))",
    "CREATE TABLE for_editors (id int PRIMARY KEY, geom geometry)",
    "INSERT INTO for_editors VALUES (1, 'SRID=2056;POINT(2600000 1200000)')",
    "CREATE TABLE by_column (id int PRIMARY KEY, secret text, name text, geom geometry(Point, 4326), other geometry(Point, 4326))",
    "CREATE TABLE no_geometry_for_you (id int PRIMARY KEY, geom geometry(Point, 4326))",
    "CREATE TABLE hidden.behind_a_door (id int PRIMARY KEY, geom geometry(Point, 4326))",
    "CREATE TABLE closed (id int PRIMARY KEY, geom geometry(Point, 4326))",
)
GRANTS = (
    "GRANT SELECT ON open_to_all TO flagstone_test_viewer, flagstone_test_editor",
    "GRANT SELECT ON for_editors TO flagstone_test_editor",
    "GRANT SELECT (id, name, geom) ON by_column TO flagstone_test_viewer",
    "GRANT SELECT (id) ON no_geometry_for_you TO flagstone_test_viewer",
    "GRANT SELECT ON hidden.behind_a_door TO flagstone_test_viewer",
)
VIEWER, EDITOR = Identity("flagstone_test_viewer"), Identity("flagstone_test_editor")


@pytest.fixture
def gate(database: str, login: Login) -> str:
    """A login without rights of its own that may take two roles."""
    login(database, "flagstone_test_viewer", *TABLES)
    login(database, "flagstone_test_editor", *GRANTS)
    return login(
        database, "flagstone_test_gate", attributes="NOINHERIT IN ROLE flagstone_test_viewer, flagstone_test_editor"
    )


def test_a_noinherit_login_sees_nothing_itself_and_its_roles_what_they_may_read(gate: str) -> None:
    catalog = catalog_of(gate)
    assert catalog.login == "flagstone_test_gate"
    assert catalog.visible(ANONYMOUS) == []
    assert [layer.id for layer in catalog.visible(VIEWER)] == ["public.by_column", "public.open_to_all"]
    assert [layer.id for layer in catalog.visible(EDITOR)] == ["public.for_editors", "public.open_to_all"]
    assert catalog.table("for_editors", EDITOR).readers == {"flagstone_test_editor": None}


def test_an_unknown_role_and_a_predefined_one_read_nothing(gate: str) -> None:
    catalog = catalog_of(gate)
    for role in ("pg_read_all_data", "postgres", "nobody"):
        assert catalog.visible(Identity(role)) == []


def test_nearest_names_are_only_those_that_the_identity_may_know(gate: str) -> None:
    catalog = catalog_of(gate)
    with pytest.raises(NotFound) as known:
        catalog.table("for_editor", EDITOR)
    with pytest.raises(NotFound) as unknown:
        catalog.table("for_editor", VIEWER)
    assert known.value.nearest == ("public.for_editors",)
    assert "public.for_editors" not in unknown.value.nearest


def test_columns_that_a_role_may_not_read_are_not_its_columns(gate: str) -> None:
    by_column = catalog_of(gate).table("by_column", VIEWER)
    assert by_column.readers == {"flagstone_test_viewer": frozenset({"id", "name", "geom"})}
    assert [column.name for column in by_column.columns_for(VIEWER)] == ["id", "name"]


def test_a_role_that_may_not_read_the_geometry_is_no_reader(gate: str) -> None:
    left = reasons(catalog_of(gate))
    assert "may read the column" in left["public.no_geometry_for_you.geom"]
    assert "may read the column" in left["public.by_column.other"]
    assert "may use its schema and read it" in left["hidden.behind_a_door"]
    assert "may use its schema and read it" in left["public.closed"]


def test_an_inheriting_login_has_its_roles_rights(database: str, login: Login) -> None:
    login(database, "flagstone_test_viewer", *TABLES)
    login(database, "flagstone_test_editor", *GRANTS)
    heir = login(database, "flagstone_test_heir", attributes="IN ROLE flagstone_test_viewer")
    catalog = catalog_of(heir)
    assert [layer.id for layer in catalog.visible(ANONYMOUS)] == ["public.by_column", "public.open_to_all"]
    assert catalog.table("open_to_all", ANONYMOUS).readers == {"flagstone_test_heir": None, "flagstone_test_viewer": None}
    assert catalog.find("open_to_all", EDITOR) is None


def test_a_superuser_login_reads_all_and_takes_no_role(gate: str, database: str) -> None:
    catalog = catalog_of(database)
    assert {tuple(layer.readers) for layer in catalog.relations} == {(catalog.login,)}
    assert catalog.find("hidden.behind_a_door", ANONYMOUS) and not catalog.find("open_to_all", VIEWER)
    assert any("superuser" in notice for notice in catalog.notices)
    assert not catalog_of(gate).notices


def test_the_same_bare_name_leads_each_identity_to_its_own_schema(database: str, login: Login) -> None:
    login(database, "flagstone_test_viewer", "CREATE SCHEMA mine", "GRANT USAGE ON SCHEMA mine TO PUBLIC",
          "CREATE TABLE roads (geom geometry(Point, 4326))", "CREATE TABLE mine.roads (geom geometry(Point, 4326))",
          "GRANT SELECT ON mine.roads TO flagstone_test_viewer")  # fmt: skip
    login(database, "flagstone_test_editor", "GRANT SELECT ON roads, mine.roads TO flagstone_test_editor")
    gate = login(database, "flagstone_test_gate", attributes="NOINHERIT IN ROLE flagstone_test_viewer, flagstone_test_editor")
    catalog = catalog_of(gate)
    assert catalog.table("roads", VIEWER).schema == "mine"
    assert catalog.table("roads", EDITOR).schema == "public"
    assert catalog.short_name(catalog.table("mine.roads", EDITOR), EDITOR) is None
    assert catalog.short_name(catalog.table("mine.roads", VIEWER), VIEWER) == "roads"


def test_row_security_that_holds_for_the_login_counts_as_code(database: str, login: Login) -> None:
    reader = login(database, "flagstone_test_reader",
                   "CREATE TABLE secured (id int, geom geometry(Point, 4326))", "ALTER TABLE secured ENABLE ROW LEVEL SECURITY",
                   "CREATE POLICY p ON secured USING (true)", "GRANT SELECT ON secured TO flagstone_test_reader")  # fmt: skip
    assert catalog_of(reader).table("secured", ANONYMOUS).runs_code
    assert not catalog_of(database).table("secured", ANONYMOUS).runs_code


def test_a_partition_stays_where_its_parent_may_not_be_read(database: str, login: Login) -> None:
    reader = login(database, "flagstone_test_reader",
                   "CREATE TABLE whole (id int, geom geometry(Point, 4326)) PARTITION BY RANGE (id)",
                   "CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)",
                   "GRANT SELECT ON part TO flagstone_test_reader")  # fmt: skip
    assert [layer.name for layer in catalog_of(reader).relations] == ["part"]


def test_without_postgis_own_schema_a_role_reads_nothing_and_is_told(gis_database: str, login: Login) -> None:
    reader = login(gis_database, "flagstone_test_reader", "CREATE TABLE t (geom gis.geometry(Point, 4326))",
                   "GRANT SELECT ON t TO flagstone_test_reader")  # fmt: skip
    catalog = catalog_of(reader)
    assert catalog.relations == ()
    assert any("no USAGE on schema 'gis'" in notice for notice in catalog.notices)
    with psycopg.connect(gis_database, autocommit=True) as connection:
        connection.execute("GRANT USAGE ON SCHEMA gis TO flagstone_test_reader")
    assert [layer.name for layer in catalog_of(reader).relations] == ["t"]


def test_the_sample_is_taken_by_who_may_read_the_column_not_by_who_may_read_another(database: str, login: Login) -> None:
    login(database, "flagstone_test_viewer", *TABLES)
    login(database, "flagstone_test_editor", *GRANTS)
    gate = login(
        database, "flagstone_test_gate", "GRANT SELECT (id) ON for_editors TO flagstone_test_gate",
        attributes="NOINHERIT IN ROLE flagstone_test_editor",
    )  # fmt: skip
    catalog = catalog_of(gate)
    assert catalog.table("for_editors", EDITOR).geometry.crs.srid == 2056
    assert catalog.find("for_editors", ANONYMOUS) is None
    assert "public.for_editors.geom" not in reasons(catalog)


def test_a_role_only_table_is_sampled_and_measured_as_that_role(gate: str) -> None:
    with catalog_store(gate) as store:
        layer = store.table("for_editors", EDITOR)
        assert layer.geometry.crs.srid == 2056
        box = store.extent(layer, wait_s=5)
        assert box and 7.4 < box.xmin < 7.5 and 46.9 < box.ymin < 47.0
