"""What each role gets: tiles as a role that the login takes, and what PostgreSQL itself shows that role."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from typing import Any

import psycopg
from flask import Flask
from mapbox_vector_tile import decode
from psycopg import sql

from app.backend import Backend
from app.caching.entry import Entry
from app.layers.identity import Identity
from app.layers.member import Member
from app.layers.request import layer_requests
from app.layers.tile import Tile


def backend_of(app: Flask) -> Backend:
    backend: Backend = app.extensions["flagstone"]
    return backend


def entry_as(app: Flask, layer: str, role: str | None, tile: Tile, **parameters: str) -> Entry:
    """A tile as the reader gives it to a role; None is the login itself."""
    backend, identity = backend_of(app), Identity(role=role)
    with app.app_context():
        found = backend.catalog.catalog().layer(layer, identity)
        asked = {name: [value] for name, value in parameters.items()}
        requests = layer_requests(
            [Member(layer, found)], backend.grids.get("WebMercatorQuad"), asked, backend.settings, identity
        )
        return backend.reader.tile(backend.source(requests), tile)


def attributes_of(entry: Entry) -> list[dict[str, Any]]:
    if not entry.body:
        return []
    layers = decode(gzip.decompress(entry.body))
    return [feature["properties"] for layer in layers.values() for feature in layer["features"]]


def over(zoom: int, west: float, south: float, east: float, north: float) -> Iterator[Tile]:
    """The tiles of WebMercatorQuad that a box in degrees meets."""
    left, right = (math.floor((x + 180) / 360 * 2**zoom) for x in (west, east))
    top, bottom = (
        math.floor((1 - math.asinh(math.tan(math.radians(y))) / math.pi) / 2 * 2**zoom)
        for y in (north, south)
    )
    return (Tile(zoom, x, y) for x in range(left, right + 1) for y in range(top, bottom + 1))


def ids_as(dsn: str, role: str, table: str, box: tuple[float, float, float, float]) -> set[int]:
    """What PostgreSQL itself shows a role of a table, within a box in degrees."""
    with psycopg.connect(dsn) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        rows = connection.execute(
            sql.SQL("SELECT id FROM {} WHERE geom && ST_MakeEnvelope(%s, %s, %s, %s, 4326)").format(
                sql.Identifier("public", table)
            ),
            box,
        )
        return {number for (number,) in rows}


def run(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
