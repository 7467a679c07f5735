"""What low zooms look like in a real Chromium: every winner is on the screen, and countries are whole."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from PIL import Image
from playwright.sync_api import Browser, Page

from app.documents.style import GROUND
from tests.chromium import started, until
from tests.overview_builds import EXTENT, band, land, overview
from tests.servers.gunicorn import Gunicorn
from tests.servers.postgres import DatabaseServer

MODULES = Path(__file__).parents[1] / "node_modules"
SIDE = 512
"""Pixels of a tile, and of the window: a map at a whole zoom shows one tile."""
HTML = """<!doctype html>
<meta charset="utf-8">
<link rel="stylesheet" href="/vendor/maplibre-gl/maplibre-gl.css">
<style>html, body, #map { height: 100%; margin: 0 }</style>
<div id="map"></div>
<script type="module">
  import * as maplibregl from "/vendor/maplibre-gl/maplibre-gl.mjs";
  window.map = new maplibregl.Map({
    container: "map", style: "/LAYER/style.json", attributionControl: false, fadeDuration: 0, renderWorldCopies: false });
  window.map.once("load", () => { window.loaded = true; });
</script>
"""
LAYERS = {
    "sample.cities": (8.55, 47.37),
    "sample.liechtenstein_buildings": (9.53, 47.14),
    "sample.liechtenstein_roads": (9.53, 47.14),
    "sample.countries": (14.0, 47.0),
}
ZOOMS = range(11)


@pytest.fixture(scope="module")
def built(server: DatabaseServer, sample_database: str) -> Iterator[tuple[str, dict[str, int]]]:
    """The sample with overviews, and their numbers."""
    made = server.create(sample_database)
    yield made, {layer: overview(made, layer, ZOOMS, pieces=layer.endswith("countries")) for layer in LAYERS}
    server.drop(made)


@pytest.fixture(scope="module")
def site(built: tuple[str, dict[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": built[0]}) as running:
        yield running.url


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with started(chromium, MODULES / "maplibre-gl" / "dist" / "maplibre-gl.mjs") as browser:
        yield browser


def _opened(browser: Browser, site: str, layer: str) -> Page:
    page = browser.new_page(viewport={"width": SIDE, "height": SIDE})
    page.route(
        f"{site}/mine.html",
        lambda route: route.fulfill(body=HTML.replace("LAYER", layer), content_type="text/html"),
    )
    page.goto(f"{site}/mine.html")
    until(page, "window.loaded === true")
    return page


def _tile(zoom: int, lon: float, lat: float) -> tuple[int, int]:
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return math.floor((lon + 180) / 360 * 2**zoom), math.floor(y * 2**zoom)


def _shown(page: Page, zoom: int, x: int, y: int) -> Any:
    """The tile as a picture: height, width and colour."""
    lon = (x + 0.5) / 2**zoom * 360 - 180
    lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (y + 0.5) / 2**zoom))))
    page.evaluate(
        "([lon, lat, zoom]) => { window.still = false; map.once('idle', () => { window.still = true; });"
        " map.jumpTo({ center: [lon, lat], zoom }); map.triggerRepaint(); }",
        [lon, lat, zoom],
    )
    until(page, "window.still === true")
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def _is_ground(picture: Any) -> Any:
    ground = [int(GROUND[place : place + 2], 16) for place in (1, 3, 5)]
    return np.abs(picture - ground).max(axis=2) <= 2


@pytest.mark.parametrize("layer", LAYERS)
def test_at_least_as_many_pixels_are_drawn_as_cells_have_winners(
    built: tuple[str, dict[str, int]], site: str, browser: Browser, layer: str, tmp_path: Path
) -> None:
    dsn, numbers = built
    page = _opened(browser, site, layer)
    for zoom in ZOOMS:
        x, y = _tile(zoom, *LAYERS[layer])
        picture = _shown(page, zoom, x, y)
        Image.fromarray(picture.astype("uint8")).save(tmp_path / f"{zoom}.png")
        half = 20037508.342789244
        span = 2 * half / 2**zoom
        places = band(dsn, numbers[layer], zoom, '"~x", "~y", "~width"')
        inside = [
            (px, py) for px, py, width in places
            if 0 < (px + half) / span - x < 1 and 0 < (half - py) / span - y < 1 and width < span / SIDE
        ]  # fmt: skip
        cells = {
            (math.floor((px + half) / span * 128), math.floor((half - py) / span * 128)) for px, py in inside
        }
        assert len(cells) == len(inside), "a winner for each cell"
        assert (~_is_ground(picture)).sum() >= max(len(cells), 1), (zoom, x, y)


@pytest.mark.parametrize("zoom", range(7))
def test_no_ground_shows_between_countries(
    built: tuple[str, dict[str, int]], site: str, browser: Browser, zoom: int, tmp_path: Path
) -> None:
    page = _opened(browser, site, "sample.countries")
    page.evaluate(
        "() => { for (const layer of map.getStyle().layers) {"
        " if (layer.type === 'line') map.setLayoutProperty(layer.id, 'visibility', 'none');"
        " if (layer.type === 'fill') { map.setPaintProperty(layer.id, 'fill-opacity', 1);"
        " map.setPaintProperty(layer.id, 'fill-antialias', false); } } }"
    )
    x, y = _tile(zoom, 16.0, 49.0)
    picture = _shown(page, zoom, x, y)
    Image.fromarray(picture.astype("uint8")).save(tmp_path / f"{zoom}.png")
    inland = land(built[0], zoom, x, y).buffer(-1.5 * EXTENT / SIDE)
    assert inland.area > 0.1 * EXTENT**2
    middles = (np.arange(SIDE) + 0.5) * EXTENT / SIDE
    shapely.prepare(inland)
    bare = _is_ground(picture) & shapely.contains_xy(inland, *np.meshgrid(middles, middles))
    assert bare.sum() <= 1, np.argwhere(bare)
