"""Which relations become layers, and what is known of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from app.layers.identity import ANONYMOUS
from app.layers.relation import RelationLayer
from app.repository.catalog import Catalog
from tests.catalogs import catalog_of, reasons
from tests.servers.postgres import DatabaseServer

ODDITIES = Path(__file__).parent / "oddities"


@pytest.fixture(scope="module")
def catalog(server: DatabaseServer, template: str) -> Iterator[Catalog]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute((ODDITIES / "relation_kinds.sql").read_bytes())
        connection.execute("ANALYZE source, stored, measured_north, measured_south_1")
        yield catalog_of(made)
    server.drop(made)


@pytest.fixture
def layer(catalog: Catalog) -> dict[str, RelationLayer]:
    return {layer.id: layer for layer in catalog.relations}


def test_every_kind_of_relation_is_a_layer(layer: dict[str, RelationLayer]) -> None:
    kinds = {name: layer[f"public.{name}"].kind for name in ("plain", "simple", "stored", "measured", "far_away")}
    assert kinds == {"plain": "r", "simple": "v", "stored": "m", "measured": "p", "far_away": "f"}
    assert "public.no_geometry" not in layer


def test_layers_are_ordered_by_schema_and_name(catalog: Catalog) -> None:
    names = [(layer.schema, layer.name) for layer in catalog.relations]
    assert names == sorted(names)


def test_the_first_geometry_column_has_the_short_id_and_the_others_name_themselves(
    layer: dict[str, RelationLayer],
) -> None:
    first, second, third = layer["public.plain"], layer["public.plain.geom"], layer["public.plain.third"]
    assert (first.geometry.name, first.geometry.type, first.geometry.crs.srid) == (
        "second", "LINESTRING", 2056,
    )  # fmt: skip
    assert first.is_first_geometry and not second.is_first_geometry
    assert second.geometry.type == "MULTIPOLYGON"
    assert second.geometry.crs.definition == "EPSG:4326"
    assert third.geometry.is_geography and third.geometry.type == "POINT"
    assert third.geometry.crs.srid == 4326


def test_attributes_have_their_types_and_comments_and_no_geometry_or_picture_is_one(
    layer: dict[str, RelationLayer],
) -> None:
    columns = layer["public.plain"].columns
    assert [(c.name, c.type, c.base_type, c.category, c.description) for c in columns] == [
        ("id", "integer", "int4", "N", None),
        ("name", "character varying(20)", "varchar", "S", "What people call it"),
        ("price", "numeric(10,2)", "numeric", "N", None),
        ("tags", "text[]", "_text", "A", None),
    ]
    assert layer["public.only_geometry"].columns == ()


def test_domains_are_seen_through(layer: dict[str, RelationLayer]) -> None:
    by_domain = layer["public.by_domain"]
    assert (by_domain.geometry.type, by_domain.geometry.crs.srid) == ("POINT", 2056)
    assert [(c.name, c.type, c.base_type, c.category) for c in by_domain.columns] == [
        ("id", "integer", "int4", "N"),
        ("part", "public.share", "int4", "N"),
        ("tint", "public.colour", "colour", "E"),
        ("tints", "public.colour[]", "_colour", "A"),
    ]


def test_comments_describe_the_table(layer: dict[str, RelationLayer]) -> None:
    assert layer["public.plain"].description == "Plain words"


def test_keys_are_in_their_own_order_and_whole(layer: dict[str, RelationLayer]) -> None:
    keys = {name: layer[f"public.{name}"].key for name in (
        "plain", "keyed_twice", "keyed_by_index", "keyed_sometimes", "measured", "stored", "far_away", "only_geometry",
    )}  # fmt: skip
    assert keys == {
        "plain": ("id",),
        "keyed_twice": ("a", "b"),
        "keyed_by_index": ("a",),
        "keyed_sometimes": (),
        "measured": ("region", "id"),
        "stored": ("id",),
        "far_away": (),
        "only_geometry": (),
    }


def test_the_key_of_an_inherited_table_is_none_for_its_childrens_rows(layer: dict[str, RelationLayer]) -> None:
    assert layer["public.parent"].key == ()
    assert "public.child" in layer


def test_ctid_is_there_where_rows_are_stored_here(layer: dict[str, RelationLayer]) -> None:
    has_ctid = {name: layer[f"public.{name}"].has_ctid for name in ("plain", "measured", "stored", "simple", "far_away")}
    assert has_ctid == {"plain": True, "measured": True, "stored": True, "simple": False, "far_away": False}


def test_estimated_rows_come_from_statistics_and_from_the_partitions(layer: dict[str, RelationLayer]) -> None:
    rows = {name: layer[f"public.{name}"].estimated_rows for name in ("source", "stored", "measured", "plain", "simple")}
    assert rows == {"source": 50, "stored": 50, "measured": 30, "plain": None, "simple": None}


def test_a_partition_is_left_to_its_parent(catalog: Catalog, layer: dict[str, RelationLayer]) -> None:
    left = reasons(catalog)
    assert left["public.measured_north"] == "partition of public.measured"
    assert left["public.measured_south"] == "partition of public.measured"
    assert left["public.measured_south_1"].startswith("partition of public.measured")
    assert not any(name.startswith("public.measured_") for name in layer)


def test_what_is_left_out_is_kept_with_its_reason(catalog: Catalog, layer: dict[str, RelationLayer]) -> None:
    left = reasons(catalog)
    assert "REFRESH MATERIALIZED VIEW" in left["public.never_filled"]
    assert left["public.of_extension"] == "belongs to the extension postgres_fdw"
    assert left["public.far_away_untyped.geom"] == (
        "SRID unknown: its type names none, and its rows cannot be read (SQLSTATE 08001)"
    )
    assert not left.keys() & layer.keys()


def test_schema_flagstone_and_temporary_tables_are_not_even_left_out(catalog: Catalog) -> None:
    names = {layer.name for layer in catalog.relations} | {left.name for left in catalog.rejected}
    assert not names & {"own", "passing"}


def test_bare_names_reserved_words_and_nearest_names(catalog: Catalog) -> None:
    plain = catalog.table("plain", ANONYMOUS)
    assert plain.id == "public.plain"
    assert catalog.short_name(plain, ANONYMOUS) == "plain"
    assert catalog.short_name(catalog.table("public.plain.geom", ANONYMOUS), ANONYMOUS) is None
    assert catalog.find("plain.geom", ANONYMOUS) is None


def test_impossible_names_are_layers_like_others(database: str) -> None:
    names = ['Ta"ble %s', "a.b", "x" * 63, "straße 東京", "semi;colon", "line\nbreak", "{0} %(x)s %%", "'", "\\", "select"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "Odd Schema"')
        for name in names:
            table = sql.SQL("CREATE TABLE {} ({} int PRIMARY KEY, {} geometry(Point, 4326))").format(
                sql.Identifier("Odd Schema", name), sql.Identifier(name), sql.Identifier("g {} % " + name[:50])
            )
            connection.execute(table)
    catalog = catalog_of(database)
    assert {layer.name for layer in catalog.relations} == set(names)
    assert all(layer.key == (layer.name,) for layer in catalog.relations)
    assert {catalog.table(layer.id, ANONYMOUS).name for layer in catalog.relations} == set(names)


def test_the_same_name_in_two_schemas_goes_to_the_first_in_the_configured_order(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for schema in ("zoo", "aviary", "public"):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
            connection.execute(f"CREATE TABLE {schema}.birds (geom geometry(Point, 4326))".encode())
        connection.execute("CREATE TABLE zoo.tiles (geom geometry(Point, 4326))")
    default, configured = catalog_of(database), catalog_of(database, FLAGSTONE_SCHEMA_ORDER="zoo")
    unnamed = catalog_of(database, FLAGSTONE_SCHEMA_ORDER="")
    assert default.layer("birds", ANONYMOUS).schema == "public"
    assert configured.layer("birds", ANONYMOUS).schema == "zoo"
    assert unnamed.layer("birds", ANONYMOUS).schema == "aviary"
    assert default.short_name(default.layer("zoo.birds", ANONYMOUS), ANONYMOUS) is None
    assert default.find("tiles", ANONYMOUS) is None
    assert default.layer("zoo.tiles", ANONYMOUS).name == "tiles"


def test_patterns_choose_schemas_and_tables_and_say_so(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA maps; CREATE SCHEMA maps_old; CREATE SCHEMA other")
        for table in ("maps.roads", "maps.roads_raw", "maps_old.roads", "other.roads", "maps.rivers"):
            connection.execute(f"CREATE TABLE {table} (geom geometry(Point, 4326))".encode())
    catalog = catalog_of(
        database, FLAGSTONE_SCHEMAS="maps*", FLAGSTONE_EXCLUDE_SCHEMAS="*_old",
        FLAGSTONE_TABLES="roads*,maps.riv*", FLAGSTONE_EXCLUDE_TABLES="maps.*_raw",
    )  # fmt: skip
    assert [layer.id for layer in catalog.relations] == ["maps.rivers", "maps.roads"]
    left = reasons(catalog)
    assert "FLAGSTONE_EXCLUDE_TABLES" in left["maps.roads_raw"]
    assert "FLAGSTONE_EXCLUDE_SCHEMAS" in left["maps_old.roads"]
    assert "FLAGSTONE_SCHEMAS" in left["other.roads"]
    assert "FLAGSTONE_TABLES" in reasons(catalog_of(database, FLAGSTONE_TABLES="nothing"))["maps.roads"]


def test_a_partition_of_an_excluded_parent_is_a_layer(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE whole (id int, geom geometry(Point, 4326)) PARTITION BY RANGE (id)")
        connection.execute("CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9)")
    assert [layer.name for layer in catalog_of(database, FLAGSTONE_EXCLUDE_TABLES="whole").relations] == ["part"]


def test_postgis_in_a_schema_of_its_own_that_is_on_no_search_path(gis_database: str) -> None:
    with psycopg.connect(gis_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE typed (id int PRIMARY KEY, geom gis.geometry(Point, 2056))")
        connection.execute("CREATE TABLE untyped (id int PRIMARY KEY, geom gis.geometry)")
        connection.execute("INSERT INTO untyped VALUES (1, gis.ST_GeomFromEWKT('SRID=3857;POINT(1 1)'))")
    catalog = catalog_of(gis_database)
    assert catalog.postgis.schema == "gis"
    srids = {layer.name: layer.geometry.crs.srid for layer in catalog.relations}
    assert srids == {"typed": 2056, "untyped": 3857}


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
@pytest.mark.parametrize("name", ["relations", "relation_oids", "spatial_ref_sys", "postgis", "view_facts", "code_relations", "statistics_extents"])
def test_every_static_statement_opens_in_psql(server_dsn: str, template: str, name: str) -> None:
    import subprocess

    file = Path(__file__).parent.parent / "app" / "repository" / "sql" / f"{name}.sql"
    variables = ["-v", "postgis=public"]
    for variable in ("relations", "views", "schemas", "names", "geometries", "srids", "code_relations"):
        variables += ["-v", f"{variable}={{}}"]
    ran = subprocess.run(
        ["psql", "-X", "-v", "ON_ERROR_STOP=1", *variables, "-d", template, "-f", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert file.read_text().startswith("-- ")
