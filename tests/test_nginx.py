"""deploy/nginx.conf in a real nginx, in front of a real gunicorn with the sample."""

import gzip
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import psycopg
import pytest

from scripts.lib import child
from tests.conftest import Serve
from tests.servers.gunicorn import Gunicorn
from tests.servers.nginx import Nginx
from tests.servers.site import SITE, Proxy, ask

TILE = "/tiles/sample.countries/4/8/5"


def tiles_made(app: Gunicorn) -> int:
    """How many tiles the application has answered, 304 among them."""
    text = ask(app.url, "/metrics").body.decode()
    return sum(int(float(number)) for number in re.findall(r"^flagstone_tiles_total\{.*\} (\S+)$", text, re.MULTILINE))


@pytest.fixture
def proxy(nginx: Callable[[str, int], Nginx]) -> Proxy:
    return Proxy(nginx)


@pytest.fixture(scope="module")
def app(sample_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    """Flagstone with the sample, as the docs say it is to run behind nginx. No test stops it."""
    settings = {"DATABASE_URL": sample_database, "FLAGSTONE_TRUSTED_PROXIES": "1"}
    running = Gunicorn(tmp_path_factory.mktemp("gunicorn"), settings)
    yield running
    running.stop()


@pytest.fixture
def site(proxy: Proxy, app: Gunicorn) -> str:
    """Address of an nginx with an empty cache in front of `app`."""
    return proxy(app).url


# --- kept tiles -------------------------------------------------------------------------------------------------------


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


# --- identities -------------------------------------------------------------------------------------------------------

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


# --- addresses --------------------------------------------------------------------------------------------------------


def tile_address(site: str, path: str = "/sample.countries/tilejson.json", **headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    found: str = ask(site, path, sent).json["tiles"][0]
    return found


def test_tile_addresses_are_those_of_the_site(site: str) -> None:
    assert tile_address(site) == f"http://{SITE}/tiles/sample.countries/{{z}}/{{x}}/{{y}}"
    assert tile_address(site, Host="localhost:8000").startswith("http://localhost:8000/tiles/")


FORGED = {
    "X_Forwarded_Host": "evil.example",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Port": "6666",
    "X_Forwarded_Prefix": "/evil",
    "X_Forwarded_For": "6.6.6.6",
    "Forwarded": "host=evil.example;proto=https",
    "X_Script_Name": "/evil",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_header_is_not_believed_and_not_kept(site: str, name: str) -> None:
    expected = f"http://{SITE}/tiles/sample.countries/{{z}}/{{x}}/{{y}}"
    assert tile_address(site, **{name: FORGED[name]}) == expected
    assert tile_address(site) == expected


def test_header_with_underscores_does_not_become_a_path(site: str) -> None:
    assert "evil" not in ask(site, "/sample.countries/tilejson.json", {"SCRIPT_NAME": "/evil"}).body.decode()


def test_application_that_trusts_no_proxy_believes_none(serve: Serve, sample_database: str) -> None:
    app = serve(DATABASE_URL=sample_database)
    headers = {name: value for name, value in FORGED.items() if name != "X_Script_Name"}
    assert tile_address(app.url, **headers) == f"http://{SITE}/tiles/sample.countries/{{z}}/{{x}}/{{y}}"


def test_outer_proxy_is_believed_only_when_told(proxy: Proxy, app: Gunicorn) -> None:
    headers = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "outer.example", "X_Forwarded_For": "6.6.6.6, 7.7.7.7"}
    told = proxy(app, ("# 10.0.0.5/32  1;", "127.0.0.1/32 1;")).url
    assert tile_address(told, **headers) == "https://outer.example/tiles/sample.countries/{z}/{x}/{y}"
    assert tile_address(told).startswith(f"http://{SITE}/")
    assert tile_address(told, X_Forwarded_Proto="gopher", X_Forwarded_Port="70").startswith(f"http://{SITE}/")


def test_site_under_a_path_has_right_addresses_and_pages(proxy: Proxy, app: Gunicorn) -> None:
    site = proxy(app, ("# 10.0.0.5/32  1;", "127.0.0.1/32 1;"), ("/maps", "/tiles-prefix"), with_prefix=True).url
    document = "/tiles-prefix/sample.countries/tilejson.json"
    expected = f"https://{SITE}/tiles-prefix/tiles/sample.countries/{{z}}/{{x}}/{{y}}"
    assert tile_address(site, document, X_Forwarded_Proto="https") == expected
    assert tile_address(site, document, X_Forwarded_Proto="https", X_Forwarded_Prefix="/evil") == expected
    assert [ask(site, f"/tiles-prefix{TILE}").kept for _ in range(2)] == ["MISS", "HIT"]

    viewer = "/tiles-prefix/sample.countries/viewer"
    page = ask(site, viewer)
    assert page.status == 200
    assets = re.findall(r'(?:src|href)="([^"#?]+\.(?:js|css|svg))"', page.body.decode())
    assert assets
    for asset in assets:
        assert ask(site, urljoin(viewer, asset)).status == 200, asset

    assert ask(site, "/tiles-prefix/metrics").status == 403
    assert ask(site, "/sample.countries/tilejson.json").status == 404


@pytest.mark.parametrize("prefix", ["", "/maps"])
def test_path_reaches_the_application_as_it_was_written(proxy: Proxy, app: Gunicorn, prefix: str) -> None:
    site = proxy(app, with_prefix=bool(prefix)).url
    slash = ask(site, f"{prefix}/tiles/a%2Fb/1/2/3")
    assert (slash.status, "~2F" in slash.json["detail"]) == (404, True)
    dots = ask(site, f"{prefix}/x/..{prefix}/sample.countries/tilejson.json")
    assert dots.status == 404


# --- what does not get through ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/%6detrics", "/x/../metrics", "/metrics?a"])
def test_metrics_are_not_for_the_outside(site: str, path: str) -> None:
    answer = ask(site, path)
    assert answer.status in (403, 404)
    assert b"flagstone_" not in answer.body


REFUSED = [
    ("GET", "/metrics", {}, 403, "Forbidden"),
    ("POST", TILE, {"Content-Length": "1000000"}, 413, "Content Too Large"),
    ("TRACE", TILE, {}, 405, "Method Not Allowed"),
    ("GET", TILE, {"Host": "a/b"}, 400, "Bad Request"),
    ("GET", TILE, {"X-Long": "x" * 9000}, 400, "Bad Request"),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "title"), REFUSED)
@pytest.mark.parametrize("prefix", ["", "/maps"])
def test_what_nginx_refuses_is_a_problem_document_for_every_origin(
    proxy: Proxy, app: Gunicorn, prefix: str, method: str, path: str, headers: dict[str, str], status: int, title: str
) -> None:
    site = proxy(app, with_prefix=bool(prefix)).url
    answer = ask(site, prefix + path, headers, method)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert (answer.json["status"], answer.json["title"]) == (status, title)
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Retry-After"] is None


def test_a_host_that_is_none_is_refused_behind_nginx_too(site: str) -> None:
    for host in ('evil"><script>.com', "evil.com/a?b", "a@b"):
        answer = ask(site, "/sample.countries/tilejson.json", {"Host": host})
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json"), host
        assert b"evil" not in answer.body


def test_application_that_is_down_is_a_problem_document_for_every_origin(
    proxy: Proxy, serve: Serve, sample_database: str
) -> None:
    app = serve(DATABASE_URL=sample_database, FLAGSTONE_TRUSTED_PROXIES=1, FLAGSTONE_CACHE_TTL_S=3)
    running = proxy(app)
    assert ask(running.url, TILE).status == 200
    child.end(app.process, signal.SIGQUIT)  # without the time in which nginx's connections are let go
    kept = ask(running.url, TILE)
    assert (kept.status, kept.kept) == (200, "HIT")
    time.sleep(4.1)
    for path in (TILE, "/tables.json"):  # the tile is outdated by now, and nobody said that old ones will do
        answer = ask(running.url, path)
        assert answer.status == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Retry-After"] == "5"
        assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_log_has_the_request_id_and_no_query_strings(proxy: Proxy, app: Gunicorn) -> None:
    running = proxy(app)
    ask(running.url, f"{TILE}?key=secret")
    missing = ask(running.url, "/tiles/nothing/0/0/0")
    log = running.directory / "flagstone.log"
    until = time.monotonic() + 5
    while "nothing" not in (text := log.read_text()) and time.monotonic() < until:
        time.sleep(0.05)
    assert f'"GET {TILE}" 200' in text
    assert "secret" not in text
    # One id leads from the client to both logs.
    assert missing.json["request_id"] in text
    assert missing.json["request_id"] in app.log.read_text()
