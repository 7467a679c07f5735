"""Every line of the log that a request writes carries its id."""

from __future__ import annotations

import logging

import psycopg
import pytest
from flask import Flask

from app.log_format import JsonLines, TextLines
from tests.conftest import MakeApp
from tests.tile_decoding import get


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.partition(".")[0] == "app"]


def test_error_of_the_database_and_its_cause_share_one_id(
    database: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places AS SELECT 0 AS id, 'SRID=4326;POINT(9.5 47.1)'::geometry(Point, 4326) AS geom")
        connection.execute("CREATE VIEW broken AS SELECT id, 1 / id AS share, geom FROM places")
    app = make_app(database)
    app.extensions["flagstone"].catalog.catalog()
    caplog.clear()
    answer = get(app, "/tiles/broken/8/134/89")
    assert answer.status_code == 500
    cause, said = lines(caplog)
    assert "division by zero" in cause.getMessage()
    assert "500" in said.getMessage()
    for formatter in (TextLines(), JsonLines()):
        assert all(answer.headers["X-Request-Id"] in formatter.format(record) for record in (cause, said))


def test_traceback_of_what_nobody_foresaw_has_it_too(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app("postgresql://nowhere/x")
    app.add_url_rule("/boom", view_func=lambda: str(1 // 0))
    answer = get(app, "/boom", X_Request_Id="abc-123")
    assert answer.status_code == 500
    assert {record.request_id for record in lines(caplog)} == {"abc-123"}  # type: ignore[attr-defined]
    assert any(record.exc_info for record in lines(caplog))


def test_line_outside_a_request_has_none(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    app: Flask = make_app("postgresql://nowhere/x")
    app.logger.warning("nobody asked")
    [record] = lines(caplog)
    assert not hasattr(record, "request_id")


def test_loggers_of_a_host_application_are_left_alone(make_app: MakeApp) -> None:
    host, root = logging.getLogger("application"), logging.getLogger()
    before = (list(host.filters), list(root.filters), [list(handler.filters) for handler in root.handlers])
    make_app("postgresql://nowhere/x")
    make_app("postgresql://nowhere/x")
    assert (list(host.filters), list(root.filters), [list(handler.filters) for handler in root.handlers]) == before
    assert len(logging.getLogger("app.repository.faults").filters) == 1, "once, however many applications there are"
