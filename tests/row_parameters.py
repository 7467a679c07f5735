"""The tables of tests/oddities/row_parameters.sql, asked for by their parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import psycopg
from flask import Flask

from app import create_app
from app.settings import Settings
from tests.conftest import ODDITIES
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import decoded, features, get

EVERYTHING = {1, 2, 3, 4, 5, 6, 7, 8}


@contextmanager
def serving(server: DatabaseServer, template: str, **settings: Any) -> Iterator[Flask]:
    """The application on a database with these tables. The tests of a file share it: none changes a row."""
    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute((ODDITIES / "row_parameters.sql").read_bytes())
    app = create_app(Settings.of(DATABASE_URL=made, **settings))
    try:
        yield app
    finally:
        app.extensions["flagstone"].close()
        server.drop(made)


def address(layer: str = "public.stations", tile: str = "0/0/0", /, **asked: object) -> str:
    """A tile's address; a list repeats its parameter, and an underscore stands for a hyphen."""
    query = urlencode({name.replace("_", "-"): value for name, value in asked.items()}, doseq=True)
    return f"/tiles/{layer}/{tile}?{query}"


def stations(app: Flask, **asked: object) -> set[int]:
    """Which stations the tile of the whole world holds."""
    found = [feature["id"] for feature in features(app, address(**asked))]
    assert len(found) == len(set(found))
    return set(found)


def parts(app: Flask, path: str) -> dict[str, list[dict[str, Any]]]:
    """The features of a composite by layer."""
    return {name: layer["features"] for name, layer in decoded(get(app, path)).items()}


def fault(app: Flask, path: str) -> str:
    """The parameter that a 400 names; its sentence repeats little of the request and nothing of the database."""
    response = get(app, path)
    text = response.get_data(as_text=True)
    assert response.status_code == 400, text
    document = response.get_json(force=True)
    assert len(document["detail"]) < 500
    assert not any(word in text for word in ("psycopg", "SQLSTATE", "LINE 1", "syntax error", "ERROR:"))
    return str(document["parameter"])
