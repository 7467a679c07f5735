"""A database of rows to filter, an application on it, and what a filter finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from flask import Flask

from app import create_app
from app.settings import Settings
from tests.conftest import ODDITIES
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import decoded

WORLD = "0/0/0"


@contextmanager
def filtered_database(server: DatabaseServer, template: str) -> Iterator[str]:
    """URL of a database that all tests of a file read, and none changes."""
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute((ODDITIES / "filtered.sql").read_bytes())
    yield made
    server.drop(made)


@contextmanager
def application(dsn: str) -> Iterator[Flask]:
    """One application for all that only reads."""
    app = create_app(Settings.of(DATABASE_URL=dsn))
    yield app
    app.extensions["flagstone"].close()


def ids(app: Flask, layer: str, filter_: str, tile: str = WORLD, **others: str) -> list[int]:
    """Ids of the rows in a tile. `filter_lang` stands for filter-lang."""
    given = {name.replace("_", "-"): value for name, value in others.items()}
    response = app.test_client().get(f"/tiles/{layer}/{tile}", query_string={"filter": filter_, **given})
    return sorted(feature["id"] for found in decoded(response).values() for feature in found["features"])


def refused(app: Flask, layer: str, filter_: str, **others: str) -> str:
    """The sentence of a 400."""
    given = {name.replace("_", "-"): value for name, value in others.items()}
    response = app.test_client().get(f"/tiles/{layer}/{WORLD}", query_string={"filter": filter_, **given})
    assert response.status_code == 400, response.get_data(as_text=True)
    return str(response.get_json()["detail"])
