"""Where libpq may choose among servers, no tile is kept by what another one of them tells."""

from __future__ import annotations

import pytest

from app.repository.conninfo import names_several_servers
from app.settings import Settings
from tests.conftest import MakeApp
from tests.servers.postgres import url


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://maps@one/gis", False),
        ("postgresql://maps@one:5432,two:5432/gis", True),
        ("host=one,two dbname=gis", True),
        ("hostaddr=127.0.0.1,127.0.0.2 dbname=gis", True),
    ],
)
def test_several_servers_are_seen(dsn: str, expected: bool) -> None:
    assert names_several_servers(Settings.of(DATABASE_URL=dsn)) is expected


def test_libpq_s_own_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "one,two")
    assert names_several_servers(Settings.of(DATABASE_URL="dbname=gis"))


def test_they_are_not_followed(database: str, make_app: MakeApp) -> None:
    host = url(database).partition("host=")[2].partition("&")[0]
    app = make_app(f"{database.partition('?')[0]}?host={host},{host}")
    assert app.extensions["flagstone"]._follower is None
