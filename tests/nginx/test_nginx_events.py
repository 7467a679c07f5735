"""`/events` through deploy/nginx.conf: each event at once, and a problem document where nobody tells anything."""

from __future__ import annotations

import time
from pathlib import Path

from tests import followed_cities
from tests.conftest import MakeApp
from tests.servers import port
from tests.servers.events import EventServer, Stream
from tests.servers.gunicorn import Gunicorn
from tests.servers.site import Proxy, ask
from tests.test_events import CITIES, wait_until_told

LINE = "server 127.0.0.1:8082;"
MOST_S = 1.0


def test_events_pass_at_once(
    database: str, make_app: MakeApp, proxy: Proxy, app: Gunicorn, tmp_path: Path
) -> None:
    dsn = followed_cities.made(database, make_app)
    with EventServer(tmp_path, {"DATABASE_URL": dsn}) as server:
        wait_until_told(server, dsn)
        for with_prefix in (False, True):
            site = proxy(app, (LINE, f"server 127.0.0.1:{server.port};"), with_prefix=with_prefix)
            prefix = "/maps" if with_prefix else ""
            with Stream(site.url + prefix, CITIES) as stream:
                assert stream.next().kind == "listening"
                begun = time.monotonic()
                followed_cities.rename(dsn, "Chur")
                stream.until("change")
                assert time.monotonic() - begun < MOST_S


def test_nobody_who_tells_is_a_problem_document(proxy: Proxy, app: Gunicorn) -> None:
    site = proxy(app, (LINE, f"server 127.0.0.1:{port.free()};"))
    answer = ask(site.url, f"/events?layers={CITIES}")
    assert (answer.status, answer.json["status"], answer.headers["Access-Control-Allow-Origin"]) == (
        503,
        503,
        "*",
    )
