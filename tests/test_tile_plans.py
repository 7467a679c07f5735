"""Tiles of a layer share one plan of PostgreSQL, but those that take in much of it are planned for their own box."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from psycopg.errors import DivisionByZero

from app.layers.identity import ANONYMOUS
from app.layers.tile import Tile
from app.repository.planning import Plan, is_shared, planned
from app.repository.pool import Pool, read_only
from app.settings import Settings
from tests.conftest import MakeApp
from tests.crowds import crowded, rows_of
from tests.servers.postgres import DatabaseServer

MODE = "SELECT pg_catalog.current_setting('plan_cache_mode')"


@pytest.fixture(scope="module")
def crowds(server: DatabaseServer, template: str) -> Iterator[str]:
    with crowded(server, template) as dsn:
        yield dsn


@pytest.fixture
def pool(crowds: str) -> Iterator[Pool]:
    made = Pool(Settings.of(DATABASE_URL=crowds, FLAGSTONE_POOL_SIZE=1))
    yield made
    made.close()


def mode(pool: Pool) -> str:
    with pool.borrowed("a test") as connection:
        row = connection.execute(MODE, prepare=False).fetchone()
        assert row is not None
        return str(row[0])


def test_deep_tiles_are_planned_once_and_shallow_ones_of_many_rows_each_time(make_app: MakeApp, crowds: str) -> None:
    app = make_app(DATABASE_URL=crowds, CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE="1")
    client = app.test_client()
    for column in range(134, 142):
        assert client.get(f"/tiles/towns/8/{column}/90").status_code in (200, 204)
    counts = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE '%towns%'"
    with app.extensions["flagstone"].pool.borrowed("a test") as connection:
        [(generic, custom)] = connection.execute(counts, prepare=False).fetchall()
    assert generic > 5 and custom == 0
    questions = app.extensions["flagstone"].tiles.questions
    deep, shallow = (questions.whole(rows_of(app, "towns", tile), 100) for tile in (Tile(8, 134, 90), Tile(0, 0, 0)))
    assert (deep.plan, deep.prepare) == (Plan.SHARED, True)
    assert (shallow.plan, shallow.prepare) == (Plan.OWN, False)
    assert client.get("/tiles/towns/0/0/0").status_code == 200
    assert mode(app.extensions["flagstone"].pool) == "force_generic_plan"


def test_a_plan_of_its_own_ends_with_the_block_also_where_the_statement_fails(pool: Pool) -> None:
    with pool.borrowed("a test") as connection, planned(connection, Plan.OWN):
        assert connection.execute(MODE).fetchone() == ("auto",)
        assert not is_shared(connection, Plan.OWN)
    assert mode(pool) == "force_generic_plan"
    with pytest.raises(DivisionByZero), pool.open().connection() as connection, planned(connection, Plan.OWN):
        connection.execute("SELECT 1 / 0")
    assert mode(pool) == "force_generic_plan"


def test_other_people_s_code_is_planned_as_the_server_has_it(pool: Pool) -> None:
    with read_only(pool, ANONYMOUS, "a test", runs_code=True) as connection:
        assert connection.execute(MODE).fetchone() == ("auto",)
        assert not is_shared(connection, Plan.SHARED)
        with planned(connection, Plan.OWN):
            assert connection.execute(MODE).fetchone() == ("auto",)
    with read_only(pool, ANONYMOUS, "a test", until=time.monotonic() + 0.5) as connection:
        assert connection.execute(MODE).fetchone() == ("auto",)
    assert mode(pool) == "force_generic_plan"


def test_what_weighs_millions_of_rows_may_be_planned_in_parallel(pool: Pool) -> None:
    both = "SELECT pg_catalog.current_setting('plan_cache_mode'), pg_catalog.current_setting('parallel_setup_cost')"
    with pool.borrowed("a test") as connection:
        with planned(connection, Plan.WEIGHED):
            assert connection.execute(both).fetchone() == ("auto", "1000")
        assert connection.execute(both, prepare=False).fetchone() == ("force_generic_plan", "1e+06")
