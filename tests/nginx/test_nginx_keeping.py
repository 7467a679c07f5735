"""What nginx keeps, for whom, for how long, and in which coding."""

import gzip
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import psycopg
import pytest

from tests.conftest import Serve
from tests.nginx.conftest import TILE
from tests.servers.gunicorn import Gunicorn
from tests.servers.site import Proxy, ask


def tiles_made(app: Gunicorn) -> int:
    """How many tiles the application has answered, 304 among them."""
    text = ask(app.url, "/metrics").body.decode()
    return sum(int(float(number)) for number in re.findall(r"^flagstone_tiles_total\{.*\} (\S+)$", text, re.MULTILINE))


def test_second_request_for_a_tile_is_answered_without_the_application(site: str, app: Gunicorn) -> None:
    first = ask(site, TILE)
    made = tiles_made(app)
    second = ask(site, TILE)
    assert (first.status, first.kept) == (200, "MISS")
    assert (second.status, second.kept) == (200, "HIT")
    assert tiles_made(app) == made
    assert second.body == first.body
    assert second.body
    for name in ("ETag", "Content-Type", "Vary", "Cache-Control", "Flagstone-Tile", "Access-Control-Allow-Origin"):
        assert second.headers[name] == first.headers[name] is not None


OTHER_ADDRESSES = [
    "/sample.countries/4/8/5.pbf",
    "/countries/4/8/5",
    "/countries,cities/4/8/5",
    "/collections/sample.countries/tiles/WebMercatorQuad/4/5/8",
    "/tiles/WebMercatorQuad/4/5/8?collections=sample.countries,sample.cities",
]
"""The same tile by the addresses of pg_tileserv, Martin and OGC API Tiles."""


@pytest.mark.parametrize("tile", OTHER_ADDRESSES)
def test_tile_is_kept_by_whichever_address_and_never_for_who_shows_a_key(site: str, tile: str) -> None:
    assert [(answer.status, answer.kept) for answer in (ask(site, tile), ask(site, tile))] == [(200, "MISS"), (200, "HIT")]
    assert ask(site, tile, {"Authorization": "Bearer abc"}).kept == "BYPASS"
    assert ask(site, f"{tile}{'&' if '?' in tile else '?'}key=abc").kept == "BYPASS"


def test_addresses_that_name_the_layer_differently_are_kept_apart(site: str) -> None:
    bodies = {ask(site, tile).body for tile in ("/countries/4/8/5", "/sample.countries/4/8/5.pbf") for _ in range(2)}
    assert len(bodies) == 2


def test_the_way_from_one_address_to_another_is_not_kept(site: str) -> None:
    answers = [ask(site, "/countries/4/8/5.pbf") for _ in range(2)]
    assert [(answer.status, answer.kept) for answer in answers] == [(301, "MISS")] * 2
    assert urljoin("/countries/4/8/5.pbf", answers[0].headers["Location"]) == "/countries/4/8/5"


def test_kept_tile_tells_when_the_application_made_it(site: str) -> None:
    """By Date a client sees what of max-age has passed in nginx, which itself sends no Age."""
    first = ask(site, TILE)
    time.sleep(1.1)
    assert ask(site, TILE).headers["Date"] == first.headers["Date"]
    assert "max-age=" in first.headers["Cache-Control"]


def test_empty_tile_is_kept_too(site: str) -> None:
    pacific = "/tiles/sample.liechtenstein_roads/10/1/500"
    assert [(answer.status, answer.kept) for answer in (ask(site, pacific), ask(site, pacific))] == [(204, "MISS"), (204, "HIT")]


def test_client_that_has_a_kept_tile_gets_a_304_from_nginx(site: str, app: Gunicorn) -> None:
    first = ask(site, TILE)
    made = tiles_made(app)
    again = ask(site, TILE, {"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body, tiles_made(app)) == (304, b"", made)


def test_outdated_tile_is_revalidated_and_the_application_is_asked(
    proxy: Proxy, serve: Serve, sample_database: str
) -> None:
    app = serve(DATABASE_URL=sample_database, FLAGSTONE_TRUSTED_PROXIES=1, FLAGSTONE_CACHE_TTL_S=1)
    site = proxy(app).url
    first = ask(site, TILE)
    time.sleep(2.1)
    made = tiles_made(app)
    again = ask(site, TILE)
    assert (again.status, again.kept, again.body) == (200, "REVALIDATED", first.body)
    assert tiles_made(app) == made + 1


def test_outdated_tile_that_changed_is_replaced(proxy: Proxy, serve: Serve, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE places (id int PRIMARY KEY, name text, place geometry(Point, 4326))")
        connection.execute("INSERT INTO places VALUES (1, 'old', 'SRID=4326;POINT(9.5 47.1)')")
        app = serve(DATABASE_URL=database, FLAGSTONE_TRUSTED_PROXIES=1, FLAGSTONE_CACHE_TTL_S=1)
        site = proxy(app).url
        assert b"old" in ask(site, "/tiles/public.places/0/0/0").body
        connection.execute("UPDATE places SET name = 'new'")
    time.sleep(2.1)
    again = ask(site, "/tiles/public.places/0/0/0")
    assert (again.kept, b"new" in again.body) == ("EXPIRED", True)


def test_equal_misses_ask_the_application_once(site: str, app: Gunicorn) -> None:
    made = tiles_made(app)
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: ask(site, "/tiles/sample.countries/2/2/1"), range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert tiles_made(app) == made + 1


def test_each_coding_gets_its_own_body(site: str) -> None:
    asked = {
        "gzip": ["gzip", "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8, *;q=0.1", "deflate,GZIP", "gzip;q=1.000"],
        None: ["", "identity", "br", "gzip;q=0", "gzip;q=0.0, identity", "gzip;q=0.000,br", "xgzip"],
    }
    bodies = {}
    for coding, spellings in asked.items():
        answers = [ask(site, TILE, {"Accept-Encoding": spelling}) for spelling in spellings]
        assert [answer.headers["Content-Encoding"] for answer in answers] == [coding] * len(spellings)
        assert [answer.kept for answer in answers] == ["MISS"] + ["HIT"] * (len(spellings) - 1)
        assert {answer.headers["Vary"] for answer in answers} == {"Accept-Encoding"}
        assert len({answer.body for answer in answers}) == len({answer.headers["ETag"] for answer in answers}) == 1
        bodies[coding] = answers[0].body
    assert gzip.decompress(bodies["gzip"]) == bodies[None]


def test_head_has_the_headers_of_get_and_no_body(site: str) -> None:
    head = ask(site, TILE, method="HEAD")
    get = ask(site, TILE)
    again = ask(site, TILE, method="HEAD")
    assert (head.status, head.body, again.body) == (200, b"", b"")
    assert (get.kept, again.kept) == ("HIT", "HIT")
    for name in ("ETag", "Content-Type", "Content-Length"):
        assert head.headers[name] == get.headers[name] == again.headers[name]


def test_preflight_passes(site: str) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-api-key"}
    answer = ask(site, TILE, asked, method="OPTIONS")
    assert answer.status == 200
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "x-api-key"


def test_documents_and_errors_are_not_kept(site: str) -> None:
    for path in ("/sample.countries/tilejson.json", "/tables.json", "/readyz", "/catalog", "/countries", "/index.json",
                 "/collections/sample.countries", "/tiles/WebMercatorQuad"):  # fmt: skip
        assert [ask(site, path).kept for _ in range(2)] == [None, None], path
    for path, status in (("/tiles/sample.nothing/1/0/0", 404), ("/tiles/sample.countries/1/9/0", 404),
                         (f"{TILE}?limit=0", 400)):  # fmt: skip
        answers = [ask(site, path) for _ in range(2)]
        assert [(answer.status, answer.kept) for answer in answers] == [(status, "MISS")] * 2, path
        assert answers[0].headers["Content-Type"] == "application/problem+json"
        assert answers[0].headers["Access-Control-Allow-Origin"] == "*"
        assert answers[0].headers["Cache-Control"] == "no-store"
        assert answers[0].json["status"] == status


def test_documents_are_compressed_by_nginx(site: str) -> None:
    answer = ask(site, "/tables.json", {"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert isinstance(json.loads(gzip.decompress(answer.body)), list)


PERSONAL = [
    ({"Authorization": "Bearer abc"}, ""),
    ({"Authorization": "0"}, ""),
    ({"X-Api-Key": "abc"}, ""),
    ({}, "?key=abc"),
    ({}, "?limit=5&KEY=0"),
    ({}, "?key=&key=secret"),
    ({}, "?k%65y=secret"),
    ({}, "?limit=5&%4Bey=secret"),
    ({}, "?Key=secret"),
    ({}, "?api_key=secret"),
    ({}, "?apikey=secret"),
    ({}, "?api%5Fkey=secret"),
    ({}, "?access_token=secret"),
    ({}, "?token=secret"),
]


@pytest.mark.parametrize(("headers", "query"), PERSONAL)
def test_personal_request_never_gets_a_kept_answer(
    site: str, app: Gunicorn, headers: dict[str, str], query: str
) -> None:
    for _ in range(2):
        ask(site, TILE + query)
    made = tiles_made(app)
    assert ask(site, TILE + query, headers).kept == "BYPASS"
    assert tiles_made(app) == made + 1


@pytest.mark.parametrize(("headers", "query"), PERSONAL)
def test_personal_request_never_leaves_an_answer(site: str, app: Gunicorn, headers: dict[str, str], query: str) -> None:
    for _ in range(2):
        assert ask(site, TILE + query, headers).kept == "BYPASS"
    if not query:  # with a key in the address the next one is personal too
        assert ask(site, TILE).kept == "MISS"


@pytest.mark.parametrize("query", ["?columns=name", "?columns=name%2Cname", "?v=key", "?monkey=1", "?keys=1", "?tokens=1"])
def test_parameters_that_are_no_key_are_kept(site: str, query: str) -> None:
    assert [ask(site, TILE + query).kept for _ in range(2)] == ["MISS", "HIT"]


def test_personal_request_leaves_the_kept_answer_of_others_alone(site: str) -> None:
    first = ask(site, TILE)
    ask(site, TILE, {"Authorization": "Bearer abc"})
    second = ask(site, TILE)
    assert (second.kept, second.body) == ("HIT", first.body)


def test_answers_that_differ_by_origin_are_kept_only_where_nginx_knows_the_origins(
    proxy: Proxy, serve: Serve, sample_database: str
) -> None:
    ours, other = "https://maps.example.org", "https://other.example"
    app = serve(DATABASE_URL=sample_database, FLAGSTONE_TRUSTED_PROXIES=1, FLAGSTONE_CORS_ORIGINS=ours)
    knows = ("map $http_origin $flagstone_origin {\n", f'map $http_origin $flagstone_origin {{\n"{ours}" $http_origin;\n')
    for changes, kept in (((), "MISS"), ((knows,), "HIT")):
        site = proxy(app, *changes).url
        for origin, allowed in ((other, None), (ours, ours), (other, None), (ours, ours)):
            answer = ask(site, TILE, {"Origin": origin})
            assert answer.headers["Access-Control-Allow-Origin"] == allowed
        assert answer.kept == kept
