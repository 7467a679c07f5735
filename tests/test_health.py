"""/readyz: what it says of a database that cannot be served, and of one that can."""

import logging
import time
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from tests.conftest import MakeApp

_PATIENCE_S = 20.0


def _until(client: FlaskClient, status: int, text: str) -> str:
    """What /readyz says as soon as it has this status and this text."""
    until = time.monotonic() + _PATIENCE_S
    while (answer := client.get("/readyz")).status_code != status or text not in answer.text:
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)
    return answer.text


def test_a_catalog_that_cannot_be_read_is_told_from_one_that_is_still_being_read(make_app: Any, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP EXTENSION postgis CASCADE")
        client = make_app(database).test_client()
        said = _until(client, 503, "The catalog could not be read; the log says why.")
        assert "PostGIS" not in said  # that is for the log
        connection.execute("CREATE EXTENSION postgis")
        _until(client, 200, "ok")


def test_a_catalog_that_takes_long_is_still_being_read(make_app: Any, database: str) -> None:
    with psycopg.connect(database) as connection:
        # The query for the comments waits.
        connection.execute("LOCK TABLE pg_catalog.pg_description IN ACCESS EXCLUSIVE MODE")
        client = make_app(database).test_client()
        assert client.get("/livez").status_code == 200
        _until(client, 503, "The catalog is still being read.")
        connection.rollback()
        _until(client, 200, "ok")


def test_a_database_that_is_down_is_told_as_that(make_app: Any) -> None:
    client = make_app("postgresql://flagstone@127.0.0.1:1/none", FLAGSTONE_POOL_TIMEOUT_MS=300).test_client()
    _until(client, 503, "The database does not answer.")


def test_a_probe_that_asks_too_early_is_no_error_in_the_log(database: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP EXTENSION postgis CASCADE")
    app = make_app(database)
    with caplog.at_level(logging.INFO):
        assert app.test_client().get("/readyz").status_code == 503
    assert {record.levelname for record in caplog.records if "/readyz" in record.getMessage()} == {"INFO"}
