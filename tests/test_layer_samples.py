"""What a build planned by is kept, and the next plan does not read the table again."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg.errors import InsufficientPrivilege

from tests.conftest import Login, MakeApp


@pytest.fixture
def app(database: str, make_app: MakeApp) -> Flask:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT setseed(0.1)")
        connection.execute(
            "CREATE TABLE trees (id int PRIMARY KEY, kind text, geom geometry(Point, 4326));"
            "INSERT INTO trees SELECT i, 'kind ' || i % 9, ST_SetSRID(ST_MakePoint(random() * 300 - 150, random() * 120 - 60), 4326)"
            " FROM generate_series(1, 3000) AS i; CREATE INDEX ON trees USING gist (geom)"
        )
        connection.execute("ANALYZE trees")
    return make_app(database, FLAGSTONE_ADMIN_DATABASE_URL=database, FLAGSTONE_MAX_FEATURES=200)


def run(app: Flask, *arguments: str) -> str:
    result = app.test_cli_runner().invoke(args=["overviews", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def planned(app: Flask) -> dict[str, Any]:
    [document] = json.loads(run(app, "plan", "trees", "--format", "json"))
    found: dict[str, Any] = document
    return found


def forge(database: str) -> None:
    """Make the kept sample say something that the table does not."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "UPDATE flagstone.layer_sample SET facts = jsonb_set(facts, '{table_rows}', '77777')"
        )


def is_read(app: Flask) -> bool:
    """Whether a plan takes the forged sample for the table."""
    text = json.dumps(planned(app))
    return "77777" in text or "77,777" in text


def test_a_plan_after_the_build_says_the_same_and_reads_what_was_kept(app: Flask, database: str) -> None:
    before = planned(app)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('flagstone.layer_sample')").fetchone() == (None,)
    run(app, "build", "trees")
    # The table's own maps of free and of visible pages come with time.
    assert planned(app) | {"table_bytes": 0} == before | {"table_bytes": 0}
    assert not is_read(app)
    forge(database)
    assert is_read(app)


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO trees SELECT i, 'new', 'SRID=4326;POINT(0 0)' FROM generate_series(4001, 5000) AS i",
        "ALTER TABLE trees ADD height int",
        "UPDATE flagstone.layer_sample SET taken = now() - interval '2 days'",
        "DROP TABLE flagstone.layer_sample",
    ],
)
def test_what_no_longer_fits_is_not_believed(app: Flask, database: str, change: str) -> None:
    run(app, "build", "trees")
    forge(database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(change.encode())
    app.extensions["flagstone"].catalog.reload()
    assert not is_read(app)


def test_nobody_but_who_builds_may_read_where_rows_lie(app: Flask, database: str, login: Login) -> None:
    run(app, "build", "trees")
    reader = login(
        database,
        "flagstone_sampler",
        "GRANT SELECT ON trees TO flagstone_sampler",
        "GRANT USAGE ON SCHEMA flagstone TO flagstone_sampler",
    )
    with psycopg.connect(reader) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("SELECT FROM flagstone.layer_sample")


def test_a_second_build_writes_over_it(app: Flask, database: str) -> None:
    run(app, "build", "trees")
    run(app, "build", "trees", "--again")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM flagstone.layer_sample").fetchone() == (1,)
