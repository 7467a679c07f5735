"""The map page in a real Chromium in front of a real gunicorn."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser

from tests.chromium import Watched, started
from tests.servers.gunicorn import Gunicorn
from tests.servers.postgres import DatabaseServer

LIBRARY = Path(__file__).parents[2] / "node_modules" / "maplibre-gl" / "dist" / "maplibre-gl.mjs"
ODDITIES = Path(__file__).parents[1] / "oddities"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with started(chromium, LIBRARY) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(sample_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Flagstone that serves the sample."""
    with Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": sample_database}) as running:
        yield running.url


@pytest.fixture(scope="module")
def odd_site(
    server: DatabaseServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a Flagstone that serves tests/oddities/markup.sql."""
    dsn = server.create(template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((ODDITIES / "markup.sql").read_bytes())
    with ExitStack() as made:
        made.callback(server.drop, dsn)
        yield made.enter_context(Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": dsn})).url


@pytest.fixture
def visit(browser: Browser) -> Iterator[Any]:
    """`visit(address)` opens a page; afterwards it must have complained of nothing and asked one host only."""
    with ExitStack() as opened:
        visited: list[tuple[Watched, str]] = []

        def go(address: str, width: int = 1000, height: int = 700) -> Watched:
            context = browser.new_context(viewport={"width": width, "height": height}, locale="en-US")
            opened.callback(context.close)
            watched = Watched(context.new_page())
            watched.page.goto(address)
            visited.append((watched, urlsplit(address).netloc))
            return watched

        yield go
        for watched, host in visited:
            assert watched.complaints == []
            assert {asked for asked in watched.hosts if asked} == {host}
