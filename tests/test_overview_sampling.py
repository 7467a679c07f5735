"""What a plan and a build read of a table to plan by: of a large one some of its pages, and a build as long as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from app.layers.identity import ANONYMOUS
from app.layers.overview_sample import Sample
from app.repository.overviews import sampling
from app.repository.overviews.administering import administering
from app.repository.overviews.target import Target, target
from app.settings import Settings
from tests.conftest import MakeApp
from tests.test_overview_cli import FEW, execute, run, said

DEGREE = 20037508.342789244 / 180
ROWS = 20_000
FILL = "SELECT n, repeat('x', 200), ST_SetSRID(ST_MakePoint(n / 1000.0, 47), 4326) FROM generate_series(1, 20000) AS n"
PLAIN = f"CREATE TABLE many (id int PRIMARY KEY, name text, geom geometry(Point, 4326)); INSERT INTO many {FILL}; ANALYZE many"
PARTED = (
    "CREATE TABLE many (id int PRIMARY KEY, name text, geom geometry(Point, 4326)) PARTITION BY RANGE (id);"
    "CREATE TABLE low PARTITION OF many FOR VALUES FROM (0) TO (9000);"
    "CREATE TABLE high PARTITION OF many FOR VALUES FROM (9000) TO (30000);"
    "CREATE TABLE empty PARTITION OF many FOR VALUES FROM (30000) TO (40000);"
    f"INSERT INTO many {FILL}; ANALYZE many"
)


@contextmanager
def sampled(dsn: str, layer: str) -> Iterator[tuple[Any, Target]]:
    given = Settings.of(DATABASE_URL=dsn, **FEW)
    app = create_app(given)
    with closing(app.extensions["flagstone"]) as there, app.app_context(), administering(given) as connection:
        catalog = there.catalog.catalog()
        yield connection, target(there.pool, catalog.layer(layer, ANONYMOUS), there.grids.get("WebMercatorQuad"), catalog.postgis)


def sample(dsn: str, layer: str, *, is_bounded: bool) -> Sample:
    with sampled(dsn, layer) as (connection, found):
        return sampling.sample(connection, found, is_bounded=is_bounded)


@pytest.mark.parametrize("statements", [PLAIN, PARTED], ids=["a table", "partitions"])
def test_of_a_large_table_some_pages_are_read(
    database: str, monkeypatch: pytest.MonkeyPatch, statements: str
) -> None:
    execute(database, statements)
    [(size,)] = execute(database, "SELECT sum(pg_relation_size(oid))::int FROM pg_class WHERE relname IN ('many', 'low', 'high')")
    pages = dict(execute(database, "SELECT id, tableoid::text || split_part(ctid::text, ',', 1) FROM many"))
    monkeypatch.setattr(sampling, "ROWS", 4000)
    monkeypatch.setattr(sampling, "_PAGES_BYTES", size // 4)
    for is_bounded in (True, False):
        found = sample(database, "public.many", is_bounded=is_bounded)
        seen = {pages[round(row.x / DEGREE * 1000)] for row in found.rows}
        # Of each page there would be some rows.
        assert len(seen) < len(set(pages.values())) * 0.4
        assert 3000 < len(found.rows) < 5000
        assert 0.75 * ROWS < found.table_rows < 1.25 * ROWS


def test_partitions_are_not_counted(database: str) -> None:
    execute(database, PARTED)
    with sampled(database, "public.many") as (connection, found):
        assert sampling._size(connection, found).rows == ROWS
        # Nobody looked at these rows yet, and PostgreSQL would not know of them by their pages.
        execute(database, "CREATE TABLE more PARTITION OF many FOR VALUES FROM (50000) TO (60000); INSERT INTO many"
                          " VALUES (50001)")
        assert sampling._size(connection, found).rows == ROWS + 1


def test_a_plan_looks_at_some_heavy_polygons_and_a_build_at_all(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(
        database,
        "CREATE TABLE lands (id int PRIMARY KEY, geom geometry(Polygon, 4326)); INSERT INTO lands SELECT n,"
        " ST_Buffer(ST_SetSRID(ST_MakePoint(n % 80, n % 70), 4326), 2, 400) FROM generate_series(1, 400) AS n; ANALYZE lands",
    )
    [(size,)] = execute(database, "SELECT pg_total_relation_size('lands')::int")
    monkeypatch.setattr(sampling, "_PAGES_BYTES", size // 2)
    assert sample(database, "public.lands", is_bounded=False).heavy_rows == 400
    found = sample(database, "public.lands", is_bounded=True)
    assert found.heavy_rows != 400
    assert 200 < found.heavy_rows < 600
    assert found.heavy_vertices == pytest.approx(found.heavy_rows * 1601, abs=1601)


def test_a_build_takes_the_time_that_its_sample_takes(
    database: str, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    execute(
        database,
        "CREATE TABLE places (id int PRIMARY KEY, geom geometry(Point, 4326)); INSERT INTO places"
        " SELECT n, ST_SetSRID(ST_MakePoint(n, 47), 4326) FROM generate_series(1, 170) AS n;"
        " CREATE VIEW slow AS SELECT places.* FROM places, (SELECT pg_sleep(0.3) OFFSET 0) AS nap",
    )
    monkeypatch.setattr(sampling, "_SECONDS", 0.2)
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.slow"]\nid = "id"\n')
    app = make_app(database, FLAGSTONE_LAYERS_FILE=str(file), **FEW)
    answer = run(app, "plan", "public.slow")
    assert answer.exit_code == 1 and "`flask overviews build` takes one without that limit" in answer.output
    assert "has its overview" in said(app, "build", "public.slow")
