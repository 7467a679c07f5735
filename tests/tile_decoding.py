"""Reads tiles as a map would: through HTTP, decoded, as features in the tile's own units."""

from __future__ import annotations

import gzip
from typing import Any
from urllib.parse import urljoin

from flask import Flask
from mapbox_vector_tile import decode
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from werkzeug.test import TestResponse

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"


def get(app: Flask, path: str, **headers: str) -> TestResponse:
    """One GET; underscores in header names stand for hyphens."""
    return app.test_client().get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def followed(app: Flask, path: str) -> TestResponse:
    """The answer at the address that `path` leads to. werkzeug's own client does not climb `../`."""
    response = get(app, path)
    assert response.status_code == 301, response.get_data(as_text=True)
    return get(app, urljoin(path, response.headers["Location"]))


def decoded(response: TestResponse) -> dict[str, Any]:
    """The layers of a tile response by name, y downwards; none for an empty tile."""
    assert response.status_code in (200, 204), response.get_data(as_text=True)
    if response.status_code == 204:
        return {}
    assert response.mimetype == MEDIA_TYPE
    body = response.get_data()
    raw = gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body
    layers: dict[str, Any] = decode(raw, default_options={"y_coord_down": True})
    return layers


def features(app: Flask, path: str) -> list[dict[str, Any]]:
    """The features of a tile of one layer."""
    layers = decoded(get(app, path))
    assert len(layers) <= 1
    return [feature for layer in layers.values() for feature in layer["features"]]


def attributes(app: Flask, path: str) -> list[dict[str, Any]]:
    return [feature["properties"] for feature in features(app, path)]


def drawn(feature: dict[str, Any]) -> BaseGeometry:
    """The feature's geometry in tile units."""
    return shape(feature["geometry"])
