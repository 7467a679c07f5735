"""The map of a layer in one view, of tiles from each of the servers, as a browser shows it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Page, Route, ViewportSize

from scripts.lib import packages, progress
from tests.chromium import started

from .times import PLAIN, WITHOUT

_LIBRARY = Path(__file__).parents[2] / "node_modules" / "maplibre-gl" / "dist" / "maplibre-gl.mjs"
_SIZE: ViewportSize = {"width": 1100, "height": 560}
_COLOURS = 48
_PATIENCE_S = 120.0
_TILE = re.compile(r"/tiles/[^/]+/\d+/\d+/\d+")
_LOADED = "Boolean(window.flagstoneMap?.loaded() && window.flagstoneMap.areTilesLoaded())"


@dataclass(frozen=True, slots=True)
class View:
    """Where the map looks. `place` is MapLibre's hash: zoom, latitude, longitude."""

    layer: str
    name: str
    place: str


VIEWS = (
    View("scale.buildings", "buildings-europe", "3.2/49/12"),
    View("scale.countries", "countries-world", "0.9/20/10"),
    View("scale.rivers", "rivers-europe", "3.5/50/15"),
    View("scale.places", "places-world", "1.2/25/20"),
    View("scale.shoreline", "shoreline-north", "2.6/62/-90"),
)


def draw(urls: Mapping[str, str], layers: Sequence[str], folder: Path) -> list[Path]:
    """A PNG for each view and server; `urls` are by the names of `times`. Raises `progress.Failed` without a browser.

    The plain server has tiles only: a page of Flagstone takes them from there.
    """
    chromium = packages.which("chromium")
    if chromium is None or not _LIBRARY.is_file():
        raise progress.Failed(f"Pictures need MapLibre (`npm ci`). {packages.sentence([packages.CHROMIUM])}")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with started(chromium, _LIBRARY) as browser:
        for view in (view for view in VIEWS if view.layer in layers):
            for way, url in urls.items():
                context = browser.new_context(viewport=_SIZE, locale="en-US")
                page = context.new_page()
                if way == PLAIN:
                    page.route(_TILE, partial(_taken_from, url))
                page.goto(f"{urls[WITHOUT] if way == PLAIN else url}/{view.layer}/viewer#{view.place}")
                _wait(page)
                path = folder / f"map-{view.name}-{way.partition(' ')[0]}.png"
                # A map of one colour needs no more than these, and a third of the bytes.
                Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(_COLOURS).save(
                    path, optimize=True
                )
                made.append(path)
                context.close()
    return made


def _taken_from(url: str, route: Route) -> None:
    address = urlsplit(route.request.url)
    route.fulfill(response=route.fetch(url=f"{url}{address.path}", timeout=_PATIENCE_S * 1000))


def _wait(page: Page) -> None:
    """Until all tiles are drawn, or have failed: then that is the picture."""
    latest = time.monotonic() + _PATIENCE_S
    settled = 0
    while settled < 5 and time.monotonic() < latest:
        settled = settled + 1 if page.evaluate(_LOADED) else 0
        page.wait_for_timeout(200)
