"""The map page in a real Chromium in front of a real gunicorn: what is drawn, asked for and said."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.servers.gunicorn import Gunicorn
from tests.servers.postgres import DatabaseServer

CHECKOUT = Path(__file__).parents[1]
LIBRARY = CHECKOUT / "node_modules" / "maplibre-gl" / "dist" / "maplibre-gl.mjs"
ODDITIES = Path(__file__).parent / "oddities"
FLAGS = [
    "--no-sandbox",
    # WebGL without a graphics card
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LAYERS = [
    "sample.countries",
    "sample.cities",
    "sample.liechtenstein_roads",
    "sample.liechtenstein_buildings",
    "sample.liechtenstein_landuse",
    "sample.liechtenstein_pois",
    "sample.liechtenstein_named_roads",
    "sample.capitals",
]
DRAWN = "window.flagstoneMap?.loaded() ? window.flagstoneMap.queryRenderedFeatures().map((f) => f.sourceLayer) : []"
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    if not LIBRARY.is_file():
        pytest.fail("MapLibre GL JS is not installed; run `npm ci`.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def site(sample_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Flagstone that serves the sample."""
    with ExitStack() as started:
        running = Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": sample_database})
        started.callback(running.stop)
        yield running.url


@pytest.fixture(scope="module")
def odd_site(
    server: DatabaseServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a Flagstone that serves tests/oddities/markup.sql."""
    dsn = server.create(template)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute((ODDITIES / "markup.sql").read_bytes())
    with ExitStack() as started:
        started.callback(server.drop, dsn)
        running = Gunicorn(tmp_path_factory.mktemp("gunicorn"), {"DATABASE_URL": dsn})
        started.callback(running.stop)
        yield running.url


class Watched:
    """A page of the browser with all that it complained of and all the hosts that it asked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.context.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def drawn(self, *expected: str) -> set[str]:
        """The layers that are drawn, as soon as the map is complete and holds all those expected."""
        until = time.monotonic() + PATIENCE_S
        found: set[str] = set()
        while time.monotonic() < until and not (found and found >= set(expected)):
            found = set(self.page.evaluate(DRAWN))
            self.page.wait_for_timeout(50)
        return found


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


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_of_the_sample_is_drawn(visit: Any, site: str, layer: str) -> None:
    watched = visit(f"{site}/{layer}/viewer")
    assert watched.drawn(layer) == {layer}
    assert urlsplit(watched.page.url).fragment.count("/") == 2


def test_every_layer_of_a_composite_is_found(visit: Any, site: str) -> None:
    layers = ["sample.liechtenstein_landuse", "sample.liechtenstein_roads", "sample.liechtenstein_buildings"]
    watched = visit(f"{site}/{','.join(layers)}/viewer")
    assert watched.drawn(*layers) == set(layers)


def test_the_map_is_fitted_to_the_bounds(visit: Any, site: str) -> None:
    watched = visit(f"{site}/sample.liechtenstein_roads/viewer")
    watched.drawn("sample.liechtenstein_roads")
    longitude, latitude = watched.page.evaluate("window.flagstoneMap.getCenter().toArray()")
    assert (longitude, latitude) == pytest.approx((9.55, 47.16), abs=0.05)
    assert watched.page.evaluate("window.flagstoneMap.getZoom()") > 9


def test_the_hash_leads_back_to_the_place(visit: Any, site: str) -> None:
    watched = visit(f"{site}/sample.countries/viewer#5/47/9")
    assert watched.drawn() == {"sample.countries"}
    assert watched.page.evaluate("window.flagstoneMap.getZoom()") == 5


def test_attribution_is_shown_where_it_is_owed(visit: Any, site: str) -> None:
    watched = visit(f"{site}/sample.liechtenstein_buildings/viewer")
    watched.drawn("sample.liechtenstein_buildings")
    link = watched.page.get_by_role("link", name="© OpenStreetMap contributors")
    assert link.is_visible()
    assert link.get_attribute("href") == "https://www.openstreetmap.org/copyright"


def test_panel_shows_address_layers_and_zooms(visit: Any, site: str) -> None:
    watched = visit(f"{site}/sample.cities/viewer?columns=name")
    watched.drawn("sample.cities")
    page = watched.page
    assert (
        page.get_by_label("TileJSON address").input_value()
        == f"{site}/sample.cities/tilejson.json?columns=name"
    )
    assert page.get_by_role("checkbox", name="sample.cities").is_checked()
    assert "tiles from 0 to 22" in page.inner_text("aside")
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("The TileJSON address is copied.").wait_for()


def test_a_layer_can_be_hidden(visit: Any, site: str) -> None:
    watched = visit(f"{site}/sample.liechtenstein_roads,sample.liechtenstein_landuse/viewer")
    watched.drawn("sample.liechtenstein_roads", "sample.liechtenstein_landuse")
    watched.page.get_by_role("checkbox", name="sample.liechtenstein_roads").uncheck()
    watched.page.wait_for_timeout(500)
    assert watched.drawn() == {"sample.liechtenstein_landuse"}


def test_a_click_shows_attributes_as_text_and_never_as_markup(visit: Any, odd_site: str) -> None:
    watched = visit(f"{odd_site}/public.%3Cb%3Emarkup%3C~2Fb%3E/viewer")
    assert watched.drawn() == {"public.<b>markup<~2Fb>"}
    box = watched.page.locator("#map canvas").bounding_box()
    watched.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    popup = watched.page.locator(".maplibregl-popup-content")
    popup.wait_for()
    assert '<img src=x onerror="window.hacked = 1">' in popup.inner_text()
    assert "<i>column</i>" in popup.inner_text()
    assert popup.locator("img, i, b, script").count() == 0
    assert watched.page.evaluate("window.hacked") is None


def test_the_keyboard_reaches_attributes_too(visit: Any, odd_site: str) -> None:
    watched = visit(f"{odd_site}/public.areas/viewer")
    watched.drawn("public.areas")
    watched.page.get_by_role("button", name="Attributes at the centre").press("Enter")
    popup = watched.page.locator(".maplibregl-popup-content")
    popup.wait_for()
    assert popup.locator("h2").all_inner_texts() == ["public.areas 7"]


def test_every_kind_of_geometry_in_one_column_is_drawn(visit: Any, odd_site: str) -> None:
    watched = visit(f"{odd_site}/public.mixed/viewer")
    watched.drawn("public.mixed")
    ids = watched.page.evaluate(
        "window.flagstoneMap.queryRenderedFeatures().map((f) => `${f.layer.type} ${f.id}`)"
    )
    assert set(ids) == {"circle 1", "circle 4", "line 2", "line 5", "fill 3", "fill 6", "line 3", "line 6"}


def test_a_tile_that_was_cut_is_told(visit: Any, odd_site: str) -> None:
    watched = visit(f"{odd_site}/public.many/viewer?limit=5")
    watched.drawn("public.many")
    watched.page.get_by_text("holds more features than its limit").wait_for()
    complete = visit(f"{odd_site}/public.many/viewer")
    complete.drawn("public.many")
    assert complete.page.locator("#notice").text_content() == ""


def _until(page: Page, condition: str) -> None:
    """Wait until the JavaScript `condition` holds. Playwright's own way needs `eval`, which the page forbids."""
    until = time.monotonic() + PATIENCE_S
    while not page.evaluate(condition):
        assert time.monotonic() < until, condition
        page.wait_for_timeout(50)


@pytest.fixture
def failing_site(database: str, serve: Any) -> str:
    """Address of a Flagstone whose layer public.quotients has no tile as long as public.divisor holds a zero."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE divisor (value int)")
        connection.execute("INSERT INTO divisor VALUES (0)")
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, place geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'SRID=4326;POINT(9.5 47.1)')")
        connection.execute("CREATE VIEW quotients AS SELECT id, id / (SELECT value FROM divisor) AS q, place FROM places")
    running: Gunicorn = serve(DATABASE_URL=database)
    return running.url


def test_why_the_map_is_empty_is_told_until_tiles_arrive(browser: Browser, failing_site: str, database: str) -> None:
    detail = "The database refused the query"
    with browser.new_context(viewport={"width": 1000, "height": 700}) as context:
        page = context.new_page()
        page.goto(f"{failing_site}/public.quotients/viewer#3/47/9")
        notice = page.locator("#notice")
        notice.filter(has_text=detail).wait_for()
        page.evaluate("window.idles = 0; window.flagstoneMap.on('idle', () => window.idles++)")
        page.evaluate("window.flagstoneMap.triggerRepaint()")
        _until(page, "window.idles > 0")
        assert detail in (notice.text_content() or "")
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE divisor SET value = 1")
        page.evaluate("window.flagstoneMap.jumpTo({ zoom: 6 })")
        _until(page, "document.getElementById('notice').textContent === ''")
        Watched(page).drawn("public.quotients")


def test_an_answer_to_a_button_is_not_wiped_at_once(visit: Any, site: str) -> None:
    watched = visit(f"{site}/sample.cities/viewer?limit=1")
    watched.drawn("sample.cities")
    cut = watched.page.get_by_text("holds more features than its limit")
    cut.wait_for()
    watched.page.get_by_role("button", name="Copy").click()
    watched.page.evaluate("window.flagstoneMap.panBy([300, 0], { duration: 0 })")
    watched.drawn()
    watched.page.wait_for_timeout(500)
    assert watched.page.locator("#notice").text_content() == "The TileJSON address is copied."
    cut.wait_for(timeout=8000)


def test_attributes_are_shown_in_one_popup_at_a_time(visit: Any, odd_site: str) -> None:
    watched = visit(f"{odd_site}/public.areas/viewer")
    watched.drawn("public.areas")
    button = watched.page.get_by_role("button", name="Attributes at the centre")
    popups = watched.page.locator(".maplibregl-popup")
    for _ in range(2):
        button.click()
        popups.first.wait_for()
        assert popups.count() == 1


def test_an_unknown_layer_leads_to_those_with_a_similar_name(browser: Browser, site: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        answer = page.goto(f"{site}/sample.citties/viewer")
        assert answer is not None
        assert answer.status == 404
        assert page.get_by_text("There is no layer 'sample.citties'.").is_visible()
        assert page.get_by_role("link", name="All layers").first.get_attribute("href") == "../?f=html"
        page.get_by_role("link", name="sample.cities", exact=True).click()
        page.wait_for_url("**/sample.cities/viewer**")


def test_page_fits_a_narrow_screen(visit: Any, site: str) -> None:
    for address in ("/sample.liechtenstein_named_roads,sample.liechtenstein_buildings/viewer", "/?f=html"):
        watched = visit(site + address, width=360, height=640)
        if "viewer" in address:
            watched.drawn("sample.liechtenstein_buildings")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_filter_of_the_catalog_hides_what_does_not_match(visit: Any, site: str) -> None:
    page = visit(f"{site}/?f=html").page
    page.get_by_label("Find layers by name or description").fill("cities")
    shown = page.locator(".layers h2:visible")
    expect(shown).to_have_text(["sample.cities", "sample.cities_in_box", "sample.cities_in_view"])
    page.get_by_role("link", name="Map of sample.cities", exact=True).click()
    page.wait_for_url("**/sample.cities/viewer**")


# --- without a browser --------------------------------------------------------------------------------------------


@pytest.fixture
def client(make_app: Any, sample_database: str, library: str) -> FlaskClient:
    made: FlaskClient = make_app(sample_database, FLAGSTONE_NODE_MODULES=library).test_client()
    return made


@pytest.fixture
def library(tmp_path: Path) -> str:
    """A node_modules with files of the names that MapLibre has."""
    dist = tmp_path / "node_modules" / "maplibre-gl" / "dist"
    dist.mkdir(parents=True)
    for name in ("maplibre-gl.mjs", "maplibre-gl-worker.mjs", "maplibre-gl.css", "maplibre-gl-dev.mjs"):
        (dist / name).write_text(f"/* {name} */")
    return str(tmp_path / "node_modules")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("maplibre-gl.mjs", "text/javascript"),
        ("maplibre-gl-worker.mjs", "text/javascript"),
        ("maplibre-gl.css", "text/css"),
    ],
)
def test_the_library_is_served_with_its_types(client: FlaskClient, name: str, kind: str) -> None:
    response = client.get(f"/vendor/maplibre-gl/{name}")
    assert response.text == f"/* {name} */"
    assert response.mimetype == kind
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    response.close()


@pytest.mark.parametrize(
    "name", ["maplibre-gl-dev.mjs", "..%2Fpackage.json", "../package.json", "%2e%2e", "x"]
)
def test_other_files_beside_the_library_are_not_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/vendor/maplibre-gl/{name}").status_code == 404


def test_without_the_library_the_page_says_what_to_run(
    make_app: Any, sample_database: str, tmp_path: Path
) -> None:
    client = make_app(sample_database, FLAGSTONE_NODE_MODULES=str(tmp_path)).test_client()
    response = client.get("/sample.cities/viewer")
    assert response.status_code == 200
    assert "npm ci" in response.text
    assert "<script" not in response.text
    assert client.get("/sample.cities/tilejson.json").status_code == 200
    assert client.get("/vendor/maplibre-gl/maplibre-gl.mjs").status_code == 404


def test_a_grid_that_the_page_cannot_draw_is_said(client: FlaskClient) -> None:
    response = client.get("/sample.cities/viewer?TileMatrixSetId=WGS1984Quad")
    assert response.status_code == 200
    assert "cannot draw WGS1984Quad" in response.text
    assert "TileMatrixSetId=WebMercatorQuad" in response.text
    assert "<script" not in response.text


def test_page_names_its_own_files_relatively_so_that_any_prefix_holds(client: FlaskClient) -> None:
    page = client.get("/sample.cities/viewer", base_url="http://localhost/maps").text
    assert 'src="../static/viewer.js"' in page
    assert 'href="../vendor/maplibre-gl/maplibre-gl.css"' in page
    assert "http://localhost/maps/sample.cities/tilejson.json" in page


def test_an_unknown_layer_has_no_page(client: FlaskClient) -> None:
    response = client.get("/sample.citties/viewer")
    assert response.status_code == 404
    assert response.json is not None
    assert "sample.cities" in response.json["nearest"]


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_programs_and_people_are_told_the_same_of_what_there_is_not(client: FlaskClient) -> None:
    page = client.get("/sample.citties/viewer", headers=BROWSER)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Request-Id"]
    assert 'href="../sample.cities/viewer"' in page.text
    for accept in ("*/*", "application/json", "application/problem+json"):
        problem = client.get("/sample.citties/viewer", headers={"Accept": accept})
        assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")
    assert "Accept" in page.headers["Vary"]
    assert "Accept" in client.get("/sample.cities/viewer").headers["Vary"]


def test_the_page_of_a_refusal_holds_no_markup_of_the_address(client: FlaskClient) -> None:
    page = client.get("/%3Cscript%3Ex/viewer", headers=BROWSER)
    assert page.status_code == 404
    assert "<script>" not in page.text


def test_an_unknown_grid_is_said_without_links_to_maps_of_grids(client: FlaskClient) -> None:
    page = client.get("/sample.cities/viewer?TileMatrixSetId=WebMercatorQad", headers=BROWSER)
    assert page.status_code == 404
    assert "WebMercatorQad" in page.text
    assert "/viewer" not in page.text
    wrong = client.get("/sample.cities/viewer?columns=nope", headers=BROWSER)
    assert (wrong.status_code, wrong.mimetype) == (400, "text/html")
    assert "There is no column" in wrong.text


def test_a_public_address_may_be_asked_by_the_page(make_app: Any, sample_database: str) -> None:
    client = make_app(sample_database, FLAGSTONE_PUBLIC_URL="https://maps.example/tiles").test_client()
    policy = client.get("/sample.cities/viewer").headers["Content-Security-Policy"]
    assert "connect-src 'self' https://maps.example;" in policy


def test_style_leads_to_the_tilejson_with_the_query_string(client: FlaskClient) -> None:
    made: Any = client.get("/sample.cities/style.json?columns=name").json
    assert made["version"] == 8
    assert made["sources"]["flagstone"] == {
        "type": "vector",
        "url": "http://localhost/sample.cities/tilejson.json?columns=name",
    }
