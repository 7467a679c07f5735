"""The map in a real Chromium: what is drawn, asked for and said."""

from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, expect

from tests.chromium import Watched, until
from tests.servers.gunicorn import Gunicorn

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
    watched.page.get_by_text("tiles in view hold more features than their limit").wait_for()
    complete = visit(f"{odd_site}/public.many/viewer")
    complete.drawn("public.many")
    assert complete.page.locator("#notice").text_content() == ""


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
    detail = "fails on a value in its rows"
    with browser.new_context(viewport={"width": 1000, "height": 700}) as context:
        page = context.new_page()
        page.goto(f"{failing_site}/public.quotients/viewer#3/47/9")
        notice = page.locator("#notice")
        notice.filter(has_text=detail).wait_for()
        page.evaluate("window.idles = 0; window.flagstoneMap.on('idle', () => window.idles++)")
        page.evaluate("window.flagstoneMap.triggerRepaint()")
        until(page, "window.idles > 0")
        assert detail in (notice.text_content() or "")
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE divisor SET value = 1")
        page.evaluate("window.flagstoneMap.jumpTo({ zoom: 6 })")
        until(page, "document.getElementById('notice').textContent === ''")
        Watched(page).drawn("public.quotients")


def test_an_answer_to_a_button_is_not_wiped_at_once(visit: Any, site: str) -> None:
    watched = visit(f"{site}/sample.cities/viewer?limit=1")
    watched.drawn("sample.cities")
    cut = watched.page.get_by_text("tiles in view hold more features than their limit")
    cut.wait_for()
    watched.page.get_by_role("button", name="Copy").click()
    watched.page.evaluate("window.flagstoneMap.panBy([300, 0], { duration: 0 })")
    watched.drawn()
    watched.page.wait_for_timeout(500)
    assert watched.page.locator("#notice").text_content() == "The TileJSON address is copied."
    cut.wait_for(timeout=8000)


def test_it_is_told_where_tiles_show_one_feature_of_each_cell(browser: Browser, serve: Any, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE crowd AS SELECT i AS id, ST_SetSRID(ST_MakePoint(i % 100 * 1.5 + 5, i / 100 + 5), 4326)::geometry(Point, 4326) AS geom"
            " FROM generate_series(1, 6000) AS i"
        )
        connection.execute("INSERT INTO crowd VALUES (-1, 'SRID=4326;POINT(-99 50)'), (-2, 'SRID=4326;POINT(-99 -50)'), (-3, 'SRID=4326;POINT(99 -50)')")
    running: Gunicorn = serve(DATABASE_URL=database, FLAGSTONE_MAX_FEATURES=1000)
    with browser.new_context(viewport={"width": 1000, "height": 700}) as context:
        page = context.new_page()
        page.goto(f"{running.url}/public.crowd/viewer#1/10/0")
        notice = page.locator("#notice")
        notice.filter(has_text="Sampled: 1 of 4 tiles in view show one feature of each cell.").wait_for()
        # Far from the crowd, and in it where it is thin, there is nothing to say.
        page.evaluate("window.flagstoneMap.jumpTo({ zoom: 5, center: [30, 30] })")
        until(page, "document.getElementById('notice').textContent === ''")
        page.evaluate("window.flagstoneMap.jumpTo({ zoom: 1, center: [0, 10] })")
        notice.filter(has_text="Sampled: 1 of 4").wait_for()


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
