"""Which reference system a layer is in: from its type, from its rows, or not known."""

import time

import psycopg
import pyproj
import pytest

from app.layers.identity import ANONYMOUS
from tests.catalogs import catalog_of, catalog_store, reasons
from tests.conftest import Login

UNTYPED = """
CREATE TABLE one_srid (id int, geom geometry);
INSERT INTO one_srid VALUES (1, NULL), (2, 'SRID=2056;POINT(2600000 1200000)'), (3, 'SRID=2056;LINESTRING(0 0, 1 1)');
CREATE TABLE only_type (id int, geom geometry(Point));
INSERT INTO only_type VALUES (1, 'SRID=4326;POINT(1 2)');
CREATE TABLE mixed (id int, geom geometry);
INSERT INTO mixed VALUES (1, 'SRID=4326;POINT(1 2)'), (2, 'SRID=3857;POINT(1 2)');
CREATE TABLE zero (id int, geom geometry);
INSERT INTO zero VALUES (1, 'POINT(1 2)');
CREATE TABLE empty (id int, geom geometry);
CREATE TABLE only_nulls (id int, geom geometry(Point));
INSERT INTO only_nulls VALUES (1, NULL);
CREATE TABLE nowhere (id int, geom geometry(Point, 999123));
CREATE VIEW computed AS SELECT id, ST_Buffer(geom, 1) AS geom FROM one_srid;
CREATE TABLE two (id int, first geometry, second geometry(Point, 4326));
"""


def test_untyped_columns_are_learnt_from_their_rows_or_left_out_with_the_reason(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(UNTYPED.replace("CREATE TABLE nowhere (id int, geom geometry(Point, 999123));", "").encode())
        # A row of spatial_ref_sys may be gone while a table still names it.
        connection.execute("INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, proj4text) VALUES (990001, 'mine', 1, '+proj=longlat')")
        connection.execute("CREATE TABLE nowhere (id int, geom geometry(Point, 990001))")
        connection.execute("DELETE FROM spatial_ref_sys WHERE srid = 990001")
    catalog = catalog_of(database)
    found = {layer.id: (layer.geometry.type, layer.geometry.crs.srid) for layer in catalog.relations}
    assert found == {
        "public.one_srid": ("GEOMETRY", 2056),
        "public.only_type": ("POINT", 4326),
        "public.computed": ("GEOMETRY", 2056),
        "public.two.second": ("POINT", 4326),
    }
    left = reasons(catalog)
    assert left["public.mixed.geom"] == "mixed SRIDs: 3857, 4326"
    assert left["public.zero.geom"].startswith("SRID 0: ")
    assert "no row with a geometry" in left["public.empty.geom"]
    assert "no row with a geometry" in left["public.only_nulls.geom"]
    assert "no row with a geometry" in left["public.two.first"]
    assert left["public.nowhere.geom"] == "SRID 990001 has no definition in spatial_ref_sys that PROJ can use"


def test_reference_systems_are_epsgs_where_proj_knows_them_else_as_spatial_ref_sys_has_them(database: str) -> None:
    wkt = pyproj.CRS(31256).to_wkt("WKT1_GDAL")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO spatial_ref_sys (srid, auth_name, auth_srid, srtext, proj4text) VALUES"
            " (990001, 'mine', 1, %s, ''), (990002, NULL, NULL, '', '+proj=tmerc +lon_0=9'), (990003, 'EPSG', 999999, '', '+proj=longlat'),"
            " (990004, 'epsg', 2056, '', ''), (990005, 'mine', 5, %s, ''), (990006, 'me', 6, '+proj=garbage', '')",
            [wkt, 'LOCAL_CS["Hall",UNIT["metre",1]]'],
        )
        for srid in (4326, 990001, 990002, 990003, 990004, 990005, 990006):
            connection.execute(f"CREATE TABLE t{srid} (geom geometry(Point, {srid}))".encode())
    catalog = catalog_of(database)
    definitions = {layer.geometry.crs.srid: layer.geometry.crs.definition for layer in catalog.relations}
    assert definitions == {
        4326: "EPSG:4326", 990001: wkt, 990002: "+proj=tmerc +lon_0=9", 990003: "+proj=longlat", 990004: "EPSG:2056",
    }  # fmt: skip
    # The plan of a hall is nowhere on earth; and after a failure over garbage PostGIS fails the next good transform too.
    assert {name for name in reasons(catalog) if "PROJ" in reasons(catalog)[name]} == {"public.t990005.geom", "public.t990006.geom"}


def test_a_login_that_may_not_read_spatial_ref_sys_knows_epsgs_numbers(database: str, login: Login) -> None:
    reader = login(database, "flagstone_test_reader", "REVOKE ALL ON spatial_ref_sys FROM PUBLIC",
                   "CREATE TABLE t (geom geometry(Point, 2056))", "GRANT SELECT ON t TO flagstone_test_reader")  # fmt: skip
    crs = catalog_of(reader).table("t", ANONYMOUS).geometry.crs
    assert crs.definition == "EPSG:2056"


def test_a_slow_view_costs_its_own_layer_and_half_a_second(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE quick (geom geometry(Point, 4326))")
        connection.execute("CREATE VIEW slow AS SELECT ST_MakePoint(1, 2) AS geom FROM pg_sleep(60)")
    began = time.monotonic()
    catalog = catalog_of(database)
    assert time.monotonic() - began < 3
    assert [layer.name for layer in catalog.relations] == ["quick"]
    assert "took over 500 ms" in reasons(catalog)["public.slow.geom"]


def test_a_locked_table_keeps_the_srid_that_it_was_known_to_have(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(UNTYPED.replace("999123", "4326").encode())
    with catalog_store(database) as store, psycopg.connect(database) as other:
        assert store.catalog().find("one_srid", ANONYMOUS)
        other.execute("LOCK TABLE one_srid IN ACCESS EXCLUSIVE MODE")
        reloaded = store.reload()
        assert reloaded.find("one_srid", ANONYMOUS)
        assert reloaded.find("only_type", ANONYMOUS)


def test_the_sample_runs_as_a_role_that_may_read_and_can_write_nothing(database: str, login: Login) -> None:
    reader = login(
        database, "flagstone_test_reader",
        "CREATE TABLE seen (who text)", "GRANT INSERT ON seen TO flagstone_test_reader",
        "CREATE FUNCTION note() RETURNS geometry LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO seen VALUES (current_user); RETURN ST_SetSRID(ST_MakePoint(1, 2), 4326); END'",
        "CREATE VIEW noting AS SELECT note() AS geom", "GRANT SELECT ON noting TO flagstone_test_reader",
    )  # fmt: skip
    catalog = catalog_of(reader)
    assert "SQLSTATE 25006" in reasons(catalog)["public.noting.geom"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM seen").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
def test_many_untyped_relations_are_learnt_from_in_batches(database: str, kind: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for n in range(60):
            connection.execute(f"CREATE {kind} many_{n} AS SELECT ST_SetSRID(ST_MakePoint(1, 2), {4326 + n % 2}) AS geom".encode())
        connection.execute("CREATE TABLE many_zero AS SELECT ST_MakePoint(1, 2) AS geom")
        connection.execute("INSERT INTO spatial_ref_sys (srid, proj4text) VALUES (4327, '+proj=longlat') ON CONFLICT DO NOTHING")
    catalog = catalog_of(database)
    assert len(catalog.relations) == 60
    assert list(reasons(catalog)) == ["public.many_zero.geom"]
