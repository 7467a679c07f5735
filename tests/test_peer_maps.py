"""Maps that were written for TiMVT, pg_tileserv, Martin and tipg draw here, in a real Chromium; OpenLayers reads the OGC tree."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import started
from tests.servers.gunicorn import Gunicorn

MODULES = Path(__file__).parents[1] / "node_modules"
OPENLAYERS = MODULES / "ol" / "dist" / "ol.js"
PATIENCE_S = 30.0
CENTER, ZOOM = [10, 50], 4

MAPLIBRE_PAGE = """<!doctype html>
<meta charset="utf-8">
<link rel="stylesheet" href="/vendor/maplibre-gl/maplibre-gl.css">
<style>html, body, #map { height: 100%; margin: 0 }</style>
<div id="map"></div>
<script type="module">
  import * as maplibregl from "/vendor/maplibre-gl/maplibre-gl.mjs";
  window.map = new maplibregl.Map({ container: "map", center: CENTER, zoom: ZOOM, style: STYLE });
</script>
"""
OPENLAYERS_PAGE = """<!doctype html>
<meta charset="utf-8">
<style>html, body, #map { height: 100%; margin: 0 }</style>
<div id="map"></div>
<script src="/ol.js"></script>
<script>
  const source = new ol.source.OGCVectorTile(Object.assign(OPTIONS, { format: new ol.format.MVT() }));
  const layer = new ol.layer.VectorTile({ source });
  window.map = new ol.Map({
    target: "map", layers: [layer],
    view: new ol.View({ projection: "EPSG:3857", center: ol.proj.fromLonLat(CENTER, "EPSG:3857"), zoom: ZOOM }),
  });
  window.drawn = () => {
    const extent = window.map.getView().calculateExtent();
    return source.getState() === "ready"
      ? layer.getFeaturesInExtent(extent).map((feature) => [feature.get("layer"), feature.get("name")]) : [];
  };
</script>
"""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with started(chromium, MODULES / "maplibre-gl" / "dist" / "maplibre-gl.mjs", OPENLAYERS) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(sample_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Flagstone that serves the sample."""
    with Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": sample_database}) as running:
        yield running.url


@pytest.fixture(scope="module")
def default_site(sample_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same with the layer name that TiMVT and tipg give."""
    settings = {"DATABASE_URL": sample_database, "FLAGSTONE_MVT_LAYER_NAME": "default"}
    with Gunicorn(tmp_path_factory.mktemp("gunicorn"), settings) as running:
        yield running.url


class Opened:
    """A page of somebody's own beside the tiles, and what it complained of."""

    def __init__(self, page: Page, site: str, html: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # The page and OpenLayers come from beside the tiles, as if they lay on the same host; everything else is asked for.
        page.route(f"{site}/mine.html", lambda route: route.fulfill(body=html, content_type="text/html"))
        page.route(f"{site}/ol.js", lambda route: route.fulfill(path=OPENLAYERS, content_type="text/javascript"))
        page.route(f"{site}/favicon.ico", lambda route: route.fulfill(status=204))
        page.goto(f"{site}/mine.html")

    def drawn(self, question: str, expected: set[str]) -> set[tuple[str, str]]:
        """Layer and name of each feature that a JavaScript expression gives, as soon as all expected names are among them."""
        until = time.monotonic() + PATIENCE_S
        found: set[tuple[str, str]] = set()
        while not expected <= {name for _, name in found}:
            assert self.complaints == []
            assert time.monotonic() < until, f"{sorted(expected)} are not all among {sorted(map(str, found))}"
            self.page.wait_for_timeout(50)
            found = {(layer, name) for layer, name in self.page.evaluate(question)}
        return found


@pytest.fixture
def opened(browser: Browser) -> Iterator[Any]:
    """`opened(site, html)` shows a page; afterwards it must have complained of nothing."""
    with ExitStack() as contexts:
        pages: list[Opened] = []

        def go(site: str, html: str) -> Opened:
            context = browser.new_context(viewport={"width": 800, "height": 600}, locale="en-US")
            contexts.callback(context.close)
            pages.append(Opened(context.new_page(), site, html))
            return pages[-1]

        yield go
        for page in pages:
            assert page.complaints == []


EUROPE = {"Germany", "France", "Poland"}
CITIES = {"Berlin", "Paris"}
MAPLIBRE_DRAWN = (
    "window.map?.loaded() ? window.map.queryRenderedFeatures().map((each) => [each.sourceLayer, each.properties.name]) : []"
)


def maplibre(opened: Any, site: str, source: dict[str, Any], *source_layers: str, names: set[str] = EUROPE) -> None:
    """A style with this source and these source layers draws all of them, and these names."""
    layers: list[dict[str, Any]] = []
    for name in source_layers:
        part = {"source": "theirs", "source-layer": name}
        layers.append({"id": f"{name} areas", "type": "fill", **part, "filter": ["==", ["geometry-type"], "Polygon"]})
        layers.append({"id": f"{name} points", "type": "circle", **part, "filter": ["==", ["geometry-type"], "Point"]})
    style = {"version": 8, "sources": {"theirs": {"type": "vector", **source}}, "layers": layers}
    html = MAPLIBRE_PAGE.replace("CENTER", json.dumps(CENTER)).replace("ZOOM", str(ZOOM)).replace("STYLE", json.dumps(style))
    drawn = opened(site, html).drawn(MAPLIBRE_DRAWN, names)
    assert {layer for layer, _ in drawn} == set(source_layers)


def openlayers(
    opened: Any, site: str, options: dict[str, Any], *layers: str, names: set[str] = EUROPE, projection: str = "EPSG:3857"
) -> None:
    """OGCVectorTile with these options draws these layers, and these names."""
    html = OPENLAYERS_PAGE.replace("OPTIONS", json.dumps(options)).replace("CENTER", json.dumps(CENTER)).replace("ZOOM", str(ZOOM))
    drawn = opened(site, html.replace("EPSG:3857", projection)).drawn("window.drawn()", names)
    assert {layer for layer, _ in drawn} == set(layers)


# --- TiMVT ------------------------------------------------------------------------------------------------------------


def test_map_for_timvt_draws_by_its_tilejson(opened: Any, default_site: str) -> None:
    source = {"url": f"{default_site}/sample.countries/tilejson.json"}
    maplibre(opened, default_site, source, "default")


def test_map_for_timvt_draws_by_its_tiles(opened: Any, default_site: str) -> None:
    source = {"tiles": [f"{default_site}/tiles/WebMercatorQuad/sample.countries/{{z}}/{{x}}/{{y}}.pbf"], "maxzoom": 22}
    maplibre(opened, default_site, source, "default")


# --- pg_tileserv ------------------------------------------------------------------------------------------------------


def test_map_for_pg_tileserv_draws_by_its_tiles(opened: Any, site: str) -> None:
    source = {"tiles": [f"{site}/sample.countries/{{z}}/{{x}}/{{y}}.pbf?properties=name&limit=5000"], "maxzoom": 22}
    maplibre(opened, site, source, "sample.countries")


def test_map_for_pg_tileserv_draws_several_layers_of_one_tile(opened: Any, site: str) -> None:
    source = {"tiles": [f"{site}/sample.countries,sample.cities/{{z}}/{{x}}/{{y}}.pbf"]}
    maplibre(opened, site, source, "sample.countries", "sample.cities", names=EUROPE | CITIES)


# --- Martin -----------------------------------------------------------------------------------------------------------


def test_map_for_martin_draws_by_its_tilejson(opened: Any, site: str) -> None:
    maplibre(opened, site, {"url": f"{site}/countries"}, "countries")


def test_map_for_martin_draws_a_composite(opened: Any, site: str) -> None:
    maplibre(opened, site, {"url": f"{site}/countries,cities"}, "countries", "cities", names=EUROPE | CITIES)


@pytest.mark.parametrize("suffix", ["", ".pbf"])
def test_map_for_martin_draws_by_its_tiles(opened: Any, site: str, suffix: str) -> None:
    """With a suffix Martin leads to the address without; the browser follows."""
    maplibre(opened, site, {"tiles": [f"{site}/countries/{{z}}/{{x}}/{{y}}{suffix}"]}, "countries")


# --- tipg -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["tiles/WebMercatorQuad/tilejson.json", "WebMercatorQuad/tilejson.json"])
def test_map_for_tipg_draws_by_its_tilejson(opened: Any, default_site: str, path: str) -> None:
    source = {"url": f"{default_site}/collections/sample.countries/{path}"}
    maplibre(opened, default_site, source, "default")


def test_map_for_tipg_draws_by_the_template_of_its_tileset(opened: Any, site: str) -> None:
    """As tipg's users read it: the link whose relation is `tile`."""
    with_requests = opened(site, "<!doctype html><meta charset='utf-8'>")
    template = with_requests.page.evaluate(
        "fetch('/collections/sample.countries/tiles/WebMercatorQuad').then((answer) => answer.json())"
        ".then((tileset) => tileset.links.find((link) => link.rel === 'tile').href)"
    )
    maplibre(opened, site, {"tiles": [template]}, "sample.countries")


# --- OGC API Tiles ----------------------------------------------------------------------------------------------------


def test_openlayers_draws_the_tileset_of_a_collection(opened: Any, site: str) -> None:
    openlayers(opened, site, {"url": f"{site}/collections/sample.countries/tiles/WebMercatorQuad"}, "sample.countries")


def test_openlayers_draws_chosen_collections_of_the_dataset(opened: Any, site: str) -> None:
    options = {"url": f"{site}/tiles/WebMercatorQuad", "collections": ["sample.countries", "sample.cities"]}
    openlayers(opened, site, options, "sample.countries", "sample.cities", names=EUROPE | CITIES)


def test_openlayers_draws_a_tileset_in_another_grid(opened: Any, site: str) -> None:
    options = {"url": f"{site}/collections/sample.countries/tiles/WorldCRS84Quad", "projection": "EPSG:4326"}
    openlayers(opened, site, options, "sample.countries", projection="EPSG:4326")
