"""What filters cost: the index that finds their rows, and the statements that they share."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from psycopg import sql

from app.layers.cql2.asked import parse_for
from app.layers.identity import ANONYMOUS
from app.layers.relation import RelationLayer
from app.layers.tile import Tile
from app.repository.filter_sql import condition
from app.repository.postgis import PostGIS, find
from tests.catalogs import catalog_of
from tests.conftest import MakeApp
from tests.cql2_filtered import application, filtered_database, ids
from tests.plans import plan_of
from tests.servers.postgres import DatabaseServer


@pytest.fixture(scope="module")
def dsn(server: DatabaseServer, template: str) -> Iterator[str]:
    with filtered_database(server, template) as made:
        yield made


@pytest.fixture(scope="module")
def filtered(dsn: str) -> Iterator[Flask]:
    with application(dsn) as app:
        yield app


@pytest.fixture(scope="module")
def indexed(server: DatabaseServer, template: str) -> Iterator[str]:
    """Fifty thousand rows in one pixel, so that only the filter's own index can be of use, and one geometry elsewhere."""
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE many (id int PRIMARY KEY, whole int, huge bigint, price numeric, part real, short varchar(20), name text,"
            " fixed char(8), day date, instant timestamptz, code uuid, geom geometry(Point, 4326), far geometry(Point, 4326))"
        )
        connection.execute(
            "INSERT INTO many SELECT n, n, n, n, n, 'v' || n, 'v' || n, 'v' || n, DATE '1900-01-01' + n,"
            " timestamptz '2000-01-01Z' + n * interval '1 hour', lpad(to_hex(n), 32, '0')::uuid,"
            " 'SRID=4326;POINT(0.001 0.001)', ST_Point(n % 360 - 180, n / 360 - 70, 4326) FROM generate_series(1, 50000) n"
        )
        for column in ("whole", "huge", "price", "part", "short", "name", "fixed", "day", "instant", "code"):
            connection.execute(f"CREATE INDEX many_{column} ON many ({column})".encode())
        connection.execute("CREATE INDEX many_lower ON many (lower(name))")
        connection.execute("CREATE INDEX many_pattern ON many (name text_pattern_ops)")
        connection.execute("CREATE INDEX many_geom ON many USING gist (geom)")
        connection.execute("CREATE INDEX many_far ON many USING gist (far)")
        connection.execute("VACUUM ANALYZE many")
    yield made
    server.drop(made)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("whole = 77", "many_whole"),
        ("whole IN (77, 78, 79)", "many_whole"),
        ("whole BETWEEN 77 AND 80", "many_whole"),
        ("huge = 77", "many_huge"),
        ("price = 77", "many_price"),
        ("price > 10.5 AND price < 11.5", "many_price"),
        ("part = 77", "many_part"),
        ("short = 'v77'", "many_short"),
        ("short IN ('v77', 'v78')", "many_short"),
        ("name = 'v77'", "many_name|many_pattern"),
        ("name LIKE 'v777%'", "many_pattern"),
        ("CASEI(name) = CASEI('V77')", "many_lower"),
        ("fixed = 'v77'", "many_fixed"),
        ("day = DATE('1900-03-01')", "many_day"),
        ("T_DURING(day, INTERVAL('1900-03-01', '1900-03-05'))", "many_day"),
        ("day < TIMESTAMP('1900-02-01T00:00:00Z')", "many_day"),
        ("instant < TIMESTAMP('2000-01-02T00:00:00Z')", "many_instant"),
        ("code = '0000000000000000000000000000004d'", "many_code"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_filter_on_an_indexed_column_uses_the_index(text: str, index: str, mode: str, indexed: str) -> None:
    assert any(f"on many using {name}" in plan or f"on {name}" in plan or f"using {name} on" in plan
               for plan in [explained(indexed, text, mode)] for name in index.split("|"))  # fmt: skip


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("predicate", ["INTERSECTS", "WITHIN", "TOUCHES", "EQUALS", "OVERLAPS", "CROSSES", "CONTAINS"])
def test_spatial_filter_uses_the_spatial_index(predicate: str, mode: str, indexed: str) -> None:
    for text in (f"S_{predicate}(far, BBOX(10.5, 10.5, 12.5, 12.5))", "DWITHIN(far, POINT(10.5 10.5), 1)"):
        assert "many_far" in explained(indexed, text, mode, "public.many.far")


def test_the_whole_query_of_a_tile_uses_the_index_too(indexed: str, make_app: MakeApp) -> None:
    app = make_app(indexed)
    for text, index in (("whole = 77", "many_whole"), ("instant < TIMESTAMP('2000-01-02T00:00:00Z')", "many_instant")):
        assert index in plan_of(app, "public.many", Tile(10, 512, 511), {"filter": [text]})


def explained(dsn: str, text: str, mode: str, layer_id: str = "public.many") -> str:
    """The plan of the rows that a filter alone finds, as a prepared statement with values of its parameters."""
    catalog = catalog_of(dsn)
    layer = next(each for each in catalog.layers if each.id == layer_id)
    assert isinstance(layer, RelationLayer)
    with psycopg.connect(dsn) as connection:
        found = condition(parse_for(layer, text), find(connection).postgis)
        connection.execute(f"SET plan_cache_mode = {mode}".encode())
        query = b"SELECT 1 FROM many AS source WHERE " + found.text.as_bytes(None)
        names = list(found.values)
        numbered = query % {name.encode(): b"$%d" % number for number, name in enumerate(names, 1)}
        connection.execute(b"PREPARE asked AS " + numbered)
        values = [value if isinstance(value, str) else "{" + ",".join(value) + "}" for value in found.values.values()]  # type: ignore[arg-type]
        run = sql.SQL("EXPLAIN EXECUTE asked ({})").format(sql.SQL(", ").join(sql.Literal(value) for value in values))
        return "\n".join(line for (line,) in connection.execute(run))


def test_filters_of_one_shape_share_one_statement(filtered: Flask) -> None:
    layer = filtered.extensions["flagstone"].catalog.catalog().find("public.things", ANONYMOUS)

    def text(filter_: str) -> bytes:
        return condition(parse_for(layer, filter_), PostGIS("public", (3, 3, 0), "")).text.as_bytes(None)

    assert text("whole IN (1, 2)") == text("whole IN (" + ",".join(map(str, range(100))) + ")")
    assert text("name = 'a' AND whole > 1") == text("name = 'b; --' AND whole > 99999")
    assert text("S_INTERSECTS(geom, POINT(1 2))") == text("S_INTERSECTS(geom, BBOX(1, 2, 3, 4))")
    assert b"99999" not in text("whole > 99999")


def test_endless_filters_do_not_fill_the_memory(filtered: Flask) -> None:
    texts = filtered.extensions["flagstone"].reader._tiles.questions._texts
    before = texts.bytes
    for number in range(50):
        ids(filtered, "things", f"whole = {number} OR name = 'x{number}' OR whole IN ({','.join(map(str, range(number + 1)))})")
    assert texts.bytes - before < 10_000
