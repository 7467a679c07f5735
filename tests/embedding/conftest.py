"""Flagstone in somebody else's application."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from flask import Flask

from app import Flagstone
from tests.servers.postgres import DatabaseServer

TILE = "tiles/places/0/0/0"
MAKE_PLACES = (
    "CREATE TABLE places (id int PRIMARY KEY, name text, people int, geom geometry(Point, 4326));"
    "INSERT INTO places VALUES (1, '{0}', 500, 'SRID=4326;POINT(9.5 47.1)'), (2, 'large {0}', 5000, 'SRID=4326;POINT(9.6 47.2)')"
)


@pytest.fixture(scope="module")
def databases(server: DatabaseServer, template: str) -> Iterator[tuple[str, str]]:
    """Two databases with a table of the same name: places of the world, places of a city."""
    made = (server.create(template), server.create(template))
    for dsn, name in zip(made, ("world", "city"), strict=True):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(MAKE_PLACES.format(name).encode())
    yield made
    for dsn in made:
        server.drop(dsn)


@pytest.fixture
def mounted() -> Iterator[Callable[..., Flagstone]]:
    """`mounted(app, prefix, …)` mounts a Flagstone and closes it in the end."""
    with ExitStack() as made:

        def mount(app: Flask, url_prefix: str, *given: Any, **named: Any) -> Flagstone:
            flagstone = Flagstone(*given, **named)
            flagstone.init_app(app, url_prefix=url_prefix)
            made.callback(flagstone.close)
            return flagstone

        yield mount


@pytest.fixture
def host(databases: tuple[str, str], mounted: Callable[..., Flagstone]) -> Flask:
    """A host with a page of its own, and two Flagstones."""
    app = Flask("host")
    app.add_url_rule("/", view_func=lambda: "the host's page")
    mounted(app, "/world", DATABASE_URL=databases[0])
    mounted(app, "/internal/city", DATABASE_URL=databases[1], name="city")
    return app
