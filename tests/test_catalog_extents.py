"""Where layers lie: declared, from statistics, from an index, from rows."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from app.layers.bounds import WORLD, Bounds
from app.layers.crs import Crs
from app.layers.identity import ANONYMOUS
from app.repository.lonlat_extent import lonlat_extent
from tests.catalogs import catalog_store

TWO_POINTS = "VALUES (1, 'SRID=4326;POINT(9 47)'), (2, 'SRID=4326;POINT(10 48)')"
TABLES = f"""
CREATE TABLE declared (id int, geom geometry(Point, 4326));
COMMENT ON TABLE declared IS '{{"bounds": [1, 2, 3, 4]}}';
CREATE TABLE analysed (id int, geom geometry(Point, 4326)); INSERT INTO analysed {TWO_POINTS}; ANALYZE analysed;
CREATE TABLE indexed (id int, geom geometry(Point, 4326)); INSERT INTO indexed {TWO_POINTS};
CREATE INDEX ON indexed USING gist (geom);
CREATE TABLE neither (id int, geom geometry(Point, 4326)); INSERT INTO neither {TWO_POINTS};
CREATE TABLE "quo""ted" (id int, geom geometry(Point, 4326)); INSERT INTO "quo""ted" {TWO_POINTS}; ANALYZE "quo""ted";
CREATE VIEW viewed AS SELECT * FROM analysed;
CREATE TABLE sphere (id int, geom geography(Point)); INSERT INTO sphere {TWO_POINTS}; ANALYZE sphere;
CREATE TABLE parts (id int, geom geometry(Point, 4326)) PARTITION BY LIST (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1); CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN (2);
INSERT INTO parts {TWO_POINTS}; ANALYZE parts_1, parts_2;
CREATE TABLE projected (id int, geom geometry(Point, 2056));
INSERT INTO projected SELECT id, ST_Transform(geom, 2056) FROM analysed; ANALYZE projected;
CREATE TABLE one (id int, geom geometry(Point, 4326)); INSERT INTO one VALUES (1, 'SRID=4326;POINT(9 47)');
CREATE TABLE empty (id int, geom geometry(Point, 4326)); ANALYZE empty;
CREATE TABLE two (id int, geom geometry(Point, 4326), there geometry(Point, 4326));
INSERT INTO two VALUES (1, 'SRID=4326;POINT(9 47)', 'SRID=4326;POINT(-9 -47)'); ANALYZE two;
CREATE TABLE round (id int, geom geometry(Point, 4326));
INSERT INTO round VALUES (1, 'SRID=4326;POINT(0 -95)'), (2, 'SRID=4326;POINT(359 10)');
"""


@pytest.fixture
def dsn(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    return database


def near(box: Bounds | None, *edges: float) -> bool:
    return box is not None and box.as_list() == pytest.approx(edges, abs=0.05)


def test_every_kind_of_layer_has_the_extent_that_its_database_can_tell(dsn: str) -> None:
    with catalog_store(dsn) as store:
        boxes = {layer.id.removeprefix("public."): store.extent(layer, wait_s=5) for layer in store.catalog().relations}
    assert boxes["declared"] == Bounds(1, 2, 3, 4)
    for name in ("analysed", "indexed", "neither", 'quo"ted', "viewed", "sphere", "parts", "projected"):
        assert near(boxes[name], 9, 47, 10, 48), name
    assert boxes["one"] == Bounds(9, 47, 9, 47)
    assert boxes["empty"] is None
    assert near(boxes["two"], 9, 47, 9, 47) and near(boxes["two.there"], -9, -47, -9, -47)
    assert boxes["round"] == Bounds(-180, -90, 180, 10)


def test_many_extents_at_once_never_wait_for_rows(dsn: str) -> None:
    with catalog_store(dsn) as store:
        layers = store.catalog().relations
        boxes = store.extents(layers)
        assert boxes.keys() == {layer.id for layer in layers}
        assert near(boxes["public.analysed"], 9, 47, 10, 48)
        end = time.monotonic() + 5
        while store.extents(layers)["public.viewed"] is None:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_table_dropped_meanwhile_costs_the_others_nothing(dsn: str) -> None:
    with catalog_store(dsn) as store:
        layers = store.catalog().relations
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("DROP TABLE one, neither")
        boxes = store.extents(layers)
        assert near(boxes["public.indexed"], 9, 47, 10, 48)
        assert store.extent(store.catalog().layer("neither", ANONYMOUS), wait_s=5) is None


MANY = """
DO $$ BEGIN
    FOR n IN 1..64 LOOP
        EXECUTE format('CREATE TABLE many_%s (geom geometry(Point, 4326))', n);
        EXECUTE format('INSERT INTO many_%s VALUES (''SRID=4326;POINT(9 47)'')', n);
        EXECUTE format('CREATE INDEX ON many_%s USING gist (geom)', n);
    END LOOP;
END $$
"""


@pytest.mark.parametrize("statement", ["TRUNCATE many_33", "DROP TABLE many_33"])
def test_a_table_that_somebody_holds_locked_costs_the_others_nothing_and_little_time(database: str, statement: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(MANY.encode())
    with catalog_store(database, FLAGSTONE_EXTENT_TIMEOUT_MS=0) as store, psycopg.connect(database) as other:
        layers = store.catalog().relations
        other.execute(statement.encode())
        began = time.monotonic()
        boxes = store.extents(layers)
        assert time.monotonic() - began < 1.5
        assert [name for name, box in boxes.items() if box is None] == ["public.many_33"]


def test_a_table_that_is_dropped_while_its_extent_is_read_costs_the_others_nothing(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(MANY.encode())
    waiting = "SELECT FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    with catalog_store(database, FLAGSTONE_EXTENT_TIMEOUT_MS=0) as store, psycopg.connect(database) as other:
        layers = store.catalog().relations
        other.execute("DROP TABLE many_33")
        with psycopg.connect(database, autocommit=True) as watch, ThreadPoolExecutor(1) as thread:
            reading = thread.submit(store.extents, layers)
            while not watch.execute(waiting).fetchall() and not reading.done():
                time.sleep(0.002)
            other.commit()
            boxes = reading.result()
        assert [name for name, box in boxes.items() if box is None] == ["public.many_33"]


def test_a_slow_view_is_given_up_within_the_limit_and_zero_never_reads_rows(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (geom geometry(Point, 4326)); INSERT INTO t VALUES ('SRID=4326;POINT(9 47)')")
        connection.execute("CREATE VIEW slow AS SELECT geom FROM t, pg_sleep(60)")
    with catalog_store(database, FLAGSTONE_EXTENT_TIMEOUT_MS=200) as store:
        began = time.monotonic()
        assert store.extent(store.layer("slow", ANONYMOUS)) is None
        assert store.extent(store.layer("t", ANONYMOUS), wait_s=5) == Bounds(9, 47, 9, 47)
        assert time.monotonic() - began < 3
    with catalog_store(database, FLAGSTONE_EXTENT_TIMEOUT_MS=0) as store:
        assert store.extent(store.layer("t", ANONYMOUS), wait_s=5) is None


def test_reading_rows_can_change_nothing(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE seen (n int); CREATE TABLE t (geom geometry(Point, 4326))")
        connection.execute("INSERT INTO t VALUES ('SRID=4326;POINT(9 47)')")
        connection.execute(
            "CREATE FUNCTION note() RETURNS int LANGUAGE plpgsql AS $$ BEGIN"
            " PERFORM set_config('default_transaction_read_only', 'off', false), set_config('transaction_read_only', 'off', true);"
            " INSERT INTO seen VALUES (1); RETURN 1; END $$"
        )
        connection.execute("CREATE VIEW noting AS SELECT note() AS n, geom FROM t")
        connection.execute("CREATE VIEW filtered AS SELECT geom FROM t WHERE note() = 1")
    with catalog_store(database) as store:
        assert store.extent(store.layer("filtered", ANONYMOUS), wait_s=5) is None
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM seen").fetchone() == (0,)


def test_statistics_are_asked_again_after_a_reload(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (geom geometry(Point, 4326)); INSERT INTO t VALUES ('SRID=4326;POINT(9 47)'); ANALYZE t")
        with catalog_store(database) as store:
            assert store.extent(store.layer("t", ANONYMOUS)) == Bounds(9, 47, 9, 47)
            connection.execute("UPDATE t SET geom = 'SRID=4326;POINT(1 2)'; ANALYZE t")
            assert store.extent(store.layer("t", ANONYMOUS)) == Bounds(9, 47, 9, 47)
            store.reload()
            assert store.extent(store.layer("t", ANONYMOUS)) == Bounds(1, 2, 1, 2)


@pytest.mark.parametrize(
    ("edges", "crs", "expected"),
    [
        ((-181.5, -91.0, 181.5, 91.0), "EPSG:4326", WORLD),
        ((-20037508.4, -20048966.1, 20037508.4, 20048966.1), "EPSG:3857", Bounds(-180, -85.06, 180, 85.06)),
        ((None, None, None, None), "EPSG:4326", None),
        ((0.0, 0.0, float("inf"), 1.0), "EPSG:4326", None),
        ((0.0, 0.0, float("nan"), 1.0), "EPSG:4326", None),
        ((0.0, 95.0, 1.0, 96.0), "EPSG:4326", None),
        ((0.0, 0.0, 1.0, 1.0), "nothing that PROJ knows", None),
        ((), "EPSG:4326", None),
    ],
)
def test_boxes_become_bounds_within_the_world(
    edges: tuple[float | None, ...], crs: str, expected: Bounds | None
) -> None:
    found = lonlat_extent(edges, Crs(1, crs))
    assert found == expected or (expected is not None and near(found, *expected.as_list()))


def test_a_box_across_the_date_line_keeps_its_order() -> None:
    found = lonlat_extent((1_000_000.0, 5_000_000.0, 2_500_000.0, 6_000_000.0), Crs(2193, "EPSG:2193"))
    assert found and found.xmin > found.xmax
