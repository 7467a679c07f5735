"""Row parameters of layers that configuration or a function shapes, and the indexes that they use."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask

from app.layers.tile import Tile
from tests.conftest import MakeApp
from tests.plans import plan_of
from tests.row_parameters import address, fault
from tests.tile_decoding import features, get


@pytest.fixture
def commented(make_app: MakeApp, oddity: Callable[[str], str]) -> Callable[..., Flask]:
    """The application after these statements."""

    def made(*statements: str) -> Flask:
        dsn = oddity("row_parameters")
        with psycopg.connect(dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
        return make_app(dsn)

    return made


class TestIdColumn:
    def test_the_configured_column_gives_feature_ids_and_is_what_ids_mean(self, commented: Callable[..., Flask]) -> None:
        app = commented("""COMMENT ON TABLE stations IS '{"id": "limit"}'""", """UPDATE stations SET "limit" = 100 + id""")
        assert {feature["id"] for feature in features(app, address())} == set(range(101, 109))
        assert {feature["id"] for feature in features(app, address(ids="103,104"))} == {103, 104}
        assert features(app, address(ids="3")) == []

    def test_it_makes_ids_possible_where_the_key_has_two_columns(self, commented: Callable[..., Flask]) -> None:
        app = commented("""COMMENT ON TABLE pairs IS '{"id": "two"}'""")
        assert {feature["id"] for feature in features(app, address("public.pairs", ids="2,3"))} == {2, 3}

    def test_views_have_the_id_of_their_table(self, commented: Callable[..., Flask]) -> None:
        app = commented("CREATE VIEW some_stations AS SELECT id AS number, name, geom FROM stations WHERE active")
        assert {feature["id"] for feature in features(app, address("public.some_stations", ids="2,3,4"))} == {2, 4}


def test_a_functions_argument_is_not_the_column_of_its_name(commented: Callable[..., Flask]) -> None:
    app = commented(
        "CREATE FUNCTION stations_like(name text, lines int DEFAULT 0)"
        " RETURNS TABLE (id int, name_ text, lines_ smallint, active boolean, geom geometry(Point, 4326)) LANGUAGE sql STABLE"
        " AS $$ SELECT s.id, s.name, s.lines, s.active, s.geom FROM stations s WHERE s.name LIKE stations_like.name $$",
        """COMMENT ON FUNCTION stations_like(text, int) IS '{"layer": true}'""",
    )
    path = address("public.stations_like", name="B%")
    assert {feature["properties"]["name_"] for feature in features(app, path)} == {"Bern"}
    assert len(features(app, path + "&lines_=-20")) == 1
    assert len(features(app, path + "&lines=77")) == 2
    assert features(app, path + "&active=false") == []
    assert fault(app, path + "&active=x") == "active"


INDEXED: list[tuple[dict[str, list[str]], str]] = [
    ({"code": ["c77"]}, "coded_code"), ({"code": ["c1", "c2"]}, "coded_code"), ({"ids": ["5,6"]}, "coded_pkey"),
    ({"number": ["7"]}, "coded_number"), ({"made": ["2024-01-05"]}, "coded_made"), ({"datetime": ["2024-01-05"]}, "coded_made"),
    ({"ref": ["00000000-0000-0000-0000-000000000007"]}, "coded_ref"), ({"price": ["7.5"]}, "coded_price"),
    ({"rate": ["7.5"]}, "coded_rate"), ({"bbox": ["1,20.5,1.5,21.5"]}, "coded_geom"),
]  # fmt: skip


def test_a_condition_uses_the_index_of_its_column(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE coded (id int PRIMARY KEY, code varchar(9), number smallint, made timestamptz, ref uuid, price numeric(9, 2), rate real,"
            " geom geometry(Point, 4326))"
        )
        connection.execute(
            "INSERT INTO coded SELECT i, 'c' || i, i, '2024-01-01'::timestamptz + i * interval '1 hour', lpad(i::text, 32, '0')::uuid, i + 0.5, i + 0.5,"
            " ST_SetSRID(ST_MakePoint(i % 360 - 180, i % 80), 4326) FROM generate_series(1, 30000) AS i"
        )
        for column in ("code", "number", "made", "ref", "price", "rate"):
            connection.execute(f"CREATE INDEX coded_{column} ON coded ({column})".encode())
        connection.execute("CREATE INDEX coded_geom ON coded USING gist (geom)")
        connection.execute("ANALYZE coded")
    app = make_app(database)
    for query, index in INDEXED:
        plan = plan_of(app, "public.coded", Tile(0, 0, 0), query)
        assert index in plan, plan
        (name, values), *_ = query.items()
        assert get(app, address("public.coded", **{name: values})).status_code == 200
