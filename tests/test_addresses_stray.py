"""`/{name}` takes every single word: files that browsers and scanners want are a quiet 404, and layers named like them answer."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import decoded, get

STRAY = (
    "favicon.ico", "robots.txt", "apple-touch-icon.png", "apple-touch-icon-precomposed.png", "apple-touch-icon-120x120.png",
    "sitemap.xml", "ads.txt", "humans.txt", "security.txt", "browserconfig.xml", "site.webmanifest", "manifest.json", "package.json",
    "sw.js", "service-worker.js", "style.css", "wp-login.php", "index.php", ".env", ".git", ".DS_Store", "logo.svg", "backup.zip",
    "default.aspx", "main.js.map", "tile.PNG",
)  # fmt: skip
_TABLES = """
CREATE SCHEMA favicon; CREATE SCHEMA "apple-touch-icon";
CREATE TABLE favicon.ico (id int PRIMARY KEY, place geometry(Point, 4326));
CREATE TABLE "apple-touch-icon".png (id int PRIMARY KEY, place geometry(Point, 4326));
CREATE TABLE manifest (id int PRIMARY KEY, place geometry(Point, 4326));
CREATE TABLE catalog (id int PRIMARY KEY, place geometry(Point, 4326));
CREATE TABLE "robots.txt" (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO favicon.ico VALUES (1, 'SRID=4326;POINT(1 1)');
INSERT INTO "apple-touch-icon".png VALUES (1, 'SRID=4326;POINT(1 1)');
INSERT INTO manifest VALUES (1, 'SRID=4326;POINT(1 1)');
INSERT INTO catalog VALUES (1, 'SRID=4326;POINT(1 1)');
INSERT INTO "robots.txt" VALUES (1, 'SRID=4326;POINT(1 1)');
"""


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    made = make_app(sample_database, FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")
    made.extensions["flagstone"].catalog.reload()
    return made


@pytest.fixture
def odd(make_app: MakeApp, database: str) -> Flask:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TABLES.encode())
    return make_app(database)


@pytest.mark.parametrize("path", ["/{}", "/{}/0/0/0"])
def test_stray_files_are_a_quiet_404(app: Flask, path: str) -> None:
    """Even where every unknown name has the catalog read again."""
    store = app.extensions["flagstone"].catalog
    before = store.snapshot
    for word in STRAY:
        response = get(app, path.format(word))
        assert (response.status_code, response.mimetype) == (404, "application/problem+json"), word
        assert response.headers["Cache-Control"] == "no-store"
        assert response.get_json()["detail"].startswith("There is no layer"), word
    assert store.snapshot is before


def test_an_unknown_layer_is_still_looked_for(app: Flask) -> None:
    store = app.extensions["flagstone"].catalog
    before = store.snapshot
    assert get(app, "/public.nothing_here").status_code == 404
    assert store.snapshot is not before


def test_before_the_catalog_is_read_well_known_files_do_not_make_it_read(
    make_app: MakeApp, sample_database: str
) -> None:
    app = make_app(sample_database)
    store = app.extensions["flagstone"].catalog
    for word in ("favicon.ico", "robots.txt", "apple-touch-icon.png", "manifest.json"):
        assert get(app, f"/{word}").status_code == 404
    assert store.snapshot is None


def test_a_layer_whose_id_is_such_a_word_answers_by_it(odd: Flask) -> None:
    odd.extensions["flagstone"].catalog.reload()
    for layer in (
        "favicon.ico",
        "apple-touch-icon.png",
        "public.catalog",
        "public.manifest",
        "public.robots~2Etxt",
    ):
        tilejson: Any = get(odd, f"/{layer}").get_json()
        assert tilejson["tiles"] == [f"http://localhost/{layer}/{{z}}/{{x}}/{{y}}"], layer
        assert set(decoded(get(odd, f"/{layer}/0/0/0"))) == {layer}
        assert set(decoded(get(odd, f"/tiles/{layer}/0/0/0"))) == {
            layer if "~" not in layer else "public.robots~2Etxt"
        }
        assert get(odd, f"/collections/{layer}").status_code == 200
        assert get(odd, f"/{layer}/tilejson.json").status_code == 200
        assert get(odd, f"/{layer}.json").get_json()["id"] == layer
    assert get(odd, "/manifest.json").get_json()["id"] == "public.manifest"
    assert get(odd, "/catalog").get_json()["tiles"]


def test_sources_named_like_such_words_get_a_number(odd: Flask) -> None:
    sources = set(get(odd, "/catalog").get_json()["tiles"])
    assert {"ico", "png", "manifest.1", "catalog.1", "robots.txt.1"} <= sources
    for source in sources:
        assert set(decoded(get(odd, f"/{source}/0/0/0"))) == {source}
