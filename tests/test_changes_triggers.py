"""What the triggers write down, statement by statement: a writer notices nothing, and nothing is left out."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from app.repository.changes.triggers_sql import MOST_BOXES, MOST_ROWS
from tests.change_logs import Written, install, watching
from tests.servers.postgres import DatabaseServer

VADUZ, WELLINGTON = (9.5, 47.1, 9.5, 47.1, 4326.0), (174.8, -41.3, 174.8, -41.3, 4326.0)
ODD = '"a ""b"" %s $1 %(x)s"'


@pytest.fixture(scope="module")
def dsn(server: DatabaseServer, template: str) -> Iterator[str]:
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute("SET search_path = public")
        for statement in (
            "CREATE TABLE point (id int PRIMARY KEY, name text, geom geometry(Point, 4326))",
            f"CREATE TABLE {ODD} (id int PRIMARY KEY, {ODD} geometry)",
            "CREATE TABLE mixed (id serial PRIMARY KEY, geom geometry)",
            "CREATE TABLE two (id int PRIMARY KEY, a geometry, b geometry)",
            "CREATE TABLE plain (id int PRIMARY KEY, name text)",
            "CREATE TABLE sphere (id int PRIMARY KEY, geog geography)",
            "CREATE TABLE made (id int PRIMARY KEY, lon float8, geom geometry GENERATED ALWAYS AS (ST_SetSRID(ST_MakePoint(lon, 0), 4326)) STORED)",
            "CREATE TABLE parent (id int PRIMARY KEY)",
            "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE, geom geometry)",
            "CREATE TABLE renamed (id int, geom geometry)",
            "CREATE TABLE solid (id serial, geom geometry)",
        ):
            connection.execute(statement.encode())
    install(
        made, "point", ODD, "mixed", "two", "plain", "sphere", "made", "parent", "child", "renamed", "solid"
    )
    yield made
    server.drop(made)


@pytest.fixture
def written(dsn: str) -> Iterator[Written]:
    with watching(dsn) as there:
        there.after("TRUNCATE point, mixed, two, sphere, made, parent, child, solid")
        yield there


def boxes(news: list[tuple[str, list[tuple[float, ...]] | None]]) -> set[tuple[float, ...]] | None:
    """The boxes of one change, each once."""
    [(_, found)] = news
    return None if found is None else set(found)


def test_each_event_writes_where_rows_were_and_where_they_are(written: Written) -> None:
    assert written.after("INSERT INTO point VALUES (1, 'a', 'SRID=4326;POINT(9.5 47.1)')") == [
        ("point", [VADUZ])
    ]
    assert boxes(written.after("UPDATE point SET name = 'b'")) == {VADUZ}
    assert boxes(written.after("UPDATE point SET geom = 'SRID=4326;POINT(174.8 -41.3)'")) == {
        VADUZ,
        WELLINGTON,
    }
    assert boxes(written.after("UPDATE point SET geom = NULL")) == {WELLINGTON}
    assert boxes(written.after("UPDATE point SET name = 'nowhere'")) == set()
    assert boxes(written.after("DELETE FROM point")) == set()
    assert boxes(written.after("TRUNCATE point")) is None


def test_statement_that_changes_no_row_writes_nothing(written: Written) -> None:
    assert written.after("UPDATE point SET name = 'x' WHERE false") == []
    assert written.after("DELETE FROM point") == []


def test_every_way_to_write_rows_is_seen(written: Written) -> None:
    one, other = "'SRID=4326;POINT(9.5 47.1)'", "'SRID=4326;POINT(174.8 -41.3)'"
    assert boxes(written.after(f"INSERT INTO point VALUES (1, 'a', {one}) ON CONFLICT DO NOTHING")) == {VADUZ}
    assert written.after(f"INSERT INTO point VALUES (1, 'a', {other}) ON CONFLICT DO NOTHING") == []
    upserted = written.after(
        f"INSERT INTO point VALUES (1, 'a', {other}) ON CONFLICT (id) DO UPDATE SET geom = EXCLUDED.geom"
    )
    assert {box for _, found in upserted for box in found or ()} == {VADUZ, WELLINGTON}
    merged = written.after(
        "MERGE INTO point USING (VALUES (1), (2)) AS s (id) ON point.id = s.id WHEN MATCHED THEN DELETE"
        f" WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'b', {one})"
    )
    assert {box for _, found in merged for box in found or ()} == {VADUZ, WELLINGTON}
    assert boxes(
        written.after("WITH gone AS (DELETE FROM point RETURNING geom) SELECT count(*) FROM gone")
    ) == {VADUZ}
    with written._connection.cursor().copy("COPY point (id, geom) FROM STDIN") as copy:
        copy.write_row((7, "SRID=4326;POINT(9.5 47.1)"))
    assert boxes(written.news()) == {VADUZ}


def test_rows_that_a_foreign_key_deletes_are_seen(written: Written) -> None:
    written.after("INSERT INTO parent VALUES (1)")
    written.after("INSERT INTO child VALUES (1, 1, 'SRID=4326;POINT(9.5 47.1)')")
    assert dict(written.after("DELETE FROM parent"))["child"] == [VADUZ]


def test_two_geometry_columns_write_the_boxes_of_both(written: Written) -> None:
    found = boxes(
        written.after(
            "INSERT INTO two VALUES (1, 'SRID=4326;POINT(9.5 47.1)', 'SRID=3857;LINESTRING(0 0, 5 7)')"
        )
    )
    assert found == {VADUZ, (0.0, 0.0, 5.0, 7.0, 3857.0)}


def test_table_without_geometry_says_that_something_changed(written: Written) -> None:
    assert written.after("INSERT INTO plain VALUES (1, 'a')") == [("plain", [])]
    assert written.after("UPDATE plain SET name = 'b'") == [("plain", [])]
    assert written.after("TRUNCATE plain") == [("plain", None)]


def test_names_with_quotes_percent_and_dollar_signs(written: Written) -> None:
    [(_, found)] = written.after(f"INSERT INTO {ODD} VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")
    assert found == [VADUZ]


def test_generated_geometry_is_seen(written: Written) -> None:
    assert boxes(written.after("INSERT INTO made (id, lon) VALUES (1, 5)")) == {(5.0, 0.0, 5.0, 0.0, 4326.0)}
    assert boxes(written.after("UPDATE made SET lon = 7")) == {
        (5.0, 0.0, 5.0, 0.0, 4326.0),
        (7.0, 0.0, 7.0, 0.0, 4326.0),
    }


def test_many_rows_are_a_few_boxes_that_hold_them_all(written: Written) -> None:
    [(_, found)] = written.after(
        "INSERT INTO mixed (geom) SELECT ST_SetSRID(ST_MakePoint(i % 100, i / 100), 3857) FROM generate_series(0, 4999) i"
    )
    assert found is not None and 1 < len(found) <= MOST_BOXES
    assert all(
        any(x1 <= i % 100 <= x2 and y1 <= i // 100 <= y2 for x1, y1, x2, y2, _ in found) for i in range(5000)
    )
    assert sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2, _ in found) < 99 * 49


def test_a_bulk_change_is_a_change_of_everything(written: Written) -> None:
    insert = (
        "INSERT INTO mixed (geom) SELECT ST_SetSRID(ST_MakePoint(i, 0), 3857) FROM generate_series(1, {}) i"
    )
    assert boxes(written.after(insert.format(MOST_ROWS + 1))) is None
    assert boxes(written.after("UPDATE mixed SET geom = geom")) is None


def test_many_systems_in_one_statement_are_bounded(written: Written) -> None:
    found = boxes(
        written.after(
            "INSERT INTO mixed (geom) SELECT ST_SetSRID(ST_MakePoint(i, 0), 2000 + i % 300) FROM generate_series(1, 900) i"
        )
    )
    assert found is None
    found = boxes(
        written.after(
            "INSERT INTO mixed (geom) SELECT ST_SetSRID(ST_MakePoint(i, 0), 2000 + i % 2) FROM generate_series(1, 900) i"
        )
    )
    assert (
        found is not None and {box[4] for box in found} == {2000.0, 2001.0} and len(found) <= 2 * MOST_BOXES
    )


def test_many_statements_of_one_transaction_are_bounded(written: Written) -> None:
    news = written.after(
        "DO $$ BEGIN FOR i IN 1..5000 LOOP INSERT INTO mixed (geom) VALUES ('SRID=4326;POINT(9.5 47.1)'); END LOOP; END $$"
    )
    # One in a hundred is counted, so that about a thousand are written down.
    assert 50 < len(news) < 4900
    assert [found for _, found in news].count(None) == 1
    assert len(written.after("INSERT INTO mixed (geom) VALUES ('SRID=4326;POINT(9.5 47.1)')")) == 1


def test_a_savepoint_that_goes_back_takes_what_was_said_with_it(written: Written) -> None:
    connection = written._connection
    insert = b"DO $$ BEGIN FOR i IN 1..5000 LOOP INSERT INTO mixed (geom) VALUES (NULL); END LOOP; END $$"
    with connection.transaction():
        with connection.transaction(force_rollback=True):
            connection.execute(insert)
        connection.execute("INSERT INTO mixed (geom) VALUES ('SRID=4326;POINT(9.5 47.1)')")
    assert written.news() == [("mixed", [VADUZ])]


AWKWARD = [
    "SRID=4326;POINT EMPTY", "SRID=4326;GEOMETRYCOLLECTION EMPTY", "CIRCULARSTRING(0 0, 1 1, 2 0)", "POINT ZM(1 2 3 4)",
    "SRID=3857;CURVEPOLYGON(CIRCULARSTRING(0 0, 4 0, 4 4, 0 4, 0 0))", "TIN Z(((0 0 0, 0 0 1, 0 1 0, 0 0 0)))",
    "SRID=4326;LINESTRING M(170 0 1, 190 0 2)", "SRID=999999;POINT(1 2)", "SRID=4326;POINT(1e300 -1e300)",
]  # fmt: skip


@pytest.mark.parametrize("geometry", AWKWARD)
def test_no_geometry_fails_its_writer(written: Written, geometry: str) -> None:
    for statement in (
        "INSERT INTO solid (geom) VALUES ('{}')",
        "UPDATE solid SET geom = '{}'",
        "DELETE FROM solid WHERE geom = '{}'",
    ):
        assert len(written.after(statement.format(geometry))) == 1


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_coordinates_that_are_no_numbers_fail_no_writer(written: Written, value: str) -> None:
    assert (
        len(written.after(f"INSERT INTO solid (geom) VALUES (ST_SetSRID(ST_MakePoint('{value}', 1), 4326))"))
        == 1
    )
    assert len(written.after("DELETE FROM solid")) == 1


def test_a_curve_s_box_holds_its_bulge(written: Written) -> None:
    found = boxes(
        written.after("INSERT INTO solid (geom) VALUES ('SRID=4326;CIRCULARSTRING(0 0, 1 1, 2 0)')")
    )
    assert found is not None and max(box[3] for box in found) >= 1


def test_an_edge_on_the_sphere_leaves_the_box_of_its_ends(written: Written) -> None:
    found = boxes(written.after("INSERT INTO sphere VALUES (1, 'LINESTRING(-60 50, 60 50)')"))
    [(_, south, _, north, srid)] = found or set()
    # Half way the great circle is at atan(tan 50° / cos 60°) = 67.24° north.
    assert north > 67.2 and south <= 50 and srid == 4326
    assert boxes(written.after("INSERT INTO sphere VALUES (2, 'POINT(9.5 47.1)')")) == {VADUZ}


@pytest.mark.parametrize(
    "geography",
    [
        "POLYGON((0 60, 90 60, 180 60, -90 60, 0 60))",
        "LINESTRING(170 10, -170 10)",
        "LINESTRING(0 89, 180 89)",
    ],
)
def test_what_goes_around_a_pole_or_across_180_degrees_may_be_anywhere(
    written: Written, geography: str
) -> None:
    assert boxes(written.after(f"INSERT INTO sphere VALUES (1, '{geography}')")) == {
        (-180.0, -90.0, 180.0, 90.0, 4326.0)
    }


def test_an_edge_between_antipodes_fails_no_writer_and_may_be_anywhere(written: Written) -> None:
    assert boxes(written.after("INSERT INTO sphere VALUES (1, 'LINESTRING(0 0, 180 0)')")) in (
        None,
        {(-180.0, -90.0, 180.0, 90.0, 4326.0)},
    )


def test_a_renamed_geometry_column_fails_no_writer(written: Written) -> None:
    written.after("ALTER TABLE renamed RENAME COLUMN geom TO shape")
    assert boxes(written.after("INSERT INTO renamed VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")) is None


def test_serializable_writers_do_not_fail_each_other(dsn: str, written: Written) -> None:
    """Two that write different rows of one table at the same time: without triggers both would commit."""
    with psycopg.connect(dsn) as one, psycopg.connect(dsn) as other:
        for place, connection in enumerate((one, other)):
            connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
            for each in range(300):
                connection.execute(
                    "INSERT INTO public.point VALUES (%s, 'a', 'SRID=4326;POINT(9.5 47.1)')",
                    [1000 * place + each],
                )
        one.commit()
        other.commit()
    assert len(written.news()) == 600


def test_a_replication_role_writes_past_ordinary_triggers_and_says_so_where_that_is_asked(
    dsn: str, written: Written
) -> None:
    written.after("ALTER TABLE two ENABLE ALWAYS TRIGGER flagstone_change_insert")
    written.after("SET session_replication_role = replica")
    assert boxes(written.after("INSERT INTO two VALUES (5, 'SRID=4326;POINT(9.5 47.1)', NULL)")) == {VADUZ}
    assert written.after("DELETE FROM two") == []
    written.after("RESET session_replication_role")
