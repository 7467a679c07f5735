"""Whether a layer has rows beyond its edge is asked once a minute, and costs ordinary tiles nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from app.layers.identity import ANONYMOUS
from app.repository.far_rows import FarRows, question
from app.repository.pool import Pool
from app.settings import Settings
from tests.catalogs import catalog_of


@pytest.fixture
def pool(database: str) -> Iterator[Pool]:
    made = Pool(Settings.of(DATABASE_URL=database, FLAGSTONE_POOL_SIZE="1"))
    made.open()
    yield made
    made.close()


def test_the_answer_is_remembered_and_asked_again_later(pool: Pool, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE far (id int PRIMARY KEY, geom geometry(Point, 4326))")
    catalog = catalog_of(database)
    (layer,) = catalog.relations
    rows = FarRows(pool)
    assert not rows.of(layer, ANONYMOUS, catalog.postgis, time.monotonic() + 60)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO far VALUES (1, 'SRID=4326;POINT(190 0)')")
    assert not rows.of(layer, ANONYMOUS, catalog.postgis, time.monotonic() + 60), "it was asked a moment ago"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert rows.of(layer, ANONYMOUS, catalog.postgis, now + 120)


def test_a_table_that_is_gone_is_left_to_the_tile_s_own_statement(pool: Pool, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE far (id int PRIMARY KEY, geom geometry(Point, 4326))")
        catalog = catalog_of(database)
        connection.execute("DROP TABLE far")
    (layer,) = catalog.relations
    assert not FarRows(pool).of(layer, ANONYMOUS, catalog.postgis, time.monotonic() + 60)


def test_an_index_answers_it(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE far (id int PRIMARY KEY, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO far SELECT i, ST_SetSRID(ST_MakePoint(i % 360 - 180, i % 90), 4326) FROM generate_series(1, 20000) i")
        connection.execute("CREATE INDEX ON far USING gist (geom)")
        connection.execute("ANALYZE far")
        catalog = catalog_of(database)
        (layer,) = catalog.relations
        plan = "\n".join(row[0] for row in connection.execute(b"EXPLAIN " + question(layer, catalog.postgis).as_bytes(None)))
    assert "far_geom_idx" in plan and "Seq Scan" not in plan, plan
