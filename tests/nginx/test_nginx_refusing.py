"""What does not get through nginx, and what is in its log."""

import signal
import time

import pytest

from scripts.lib import child
from tests.conftest import Serve
from tests.nginx.conftest import TILE
from tests.servers.gunicorn import Gunicorn
from tests.servers.site import Proxy, ask


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
