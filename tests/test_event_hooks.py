"""Caches elsewhere are told what to drop, and told again until they have taken it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests import followed_cities
from tests.conftest import MakeApp
from tests.followed_cities import wait_until
from tests.servers.events import StartEvents, Stream, starting
from tests.servers.postgres import url
from tests.test_events import CITIES, holds, wait_until_told


@pytest.fixture
def serve_events(tmp_path: Path) -> Iterator[StartEvents]:
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    return followed_cities.made(database, make_app)


PERTH = [115.9, -32.0, 115.9, -32.0]


class Cdn:
    """Takes what it is told, or answers 500 as long as it is `down`."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.refused = 0
        self.asked = 0
        """How often somebody came without anything to tell, as after a redirection."""
        self.down = False
        self.says = 500
        """What it answers while it is down."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if outer.down:
                    outer.refused += 1
                else:
                    outer.told.append(body)
                self.send_response(outer.says if outer.down else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/purge"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def cdn() -> Iterator[Cdn]:
    made = Cdn()
    yield made
    made.server.shutdown()
    made.server.server_close()


def perth(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO public.cities VALUES (7, 'Perth', 'SRID=4326;POINT(115.9 -32)')")


def changes(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [change for each in told for change in each["changes"] if PERTH in (change["boxes"] or ())]


def test_an_address_gets_tile_ranges_and_how_addresses_are_made(
    cities: str, serve_events: StartEvents, cdn: Cdn
) -> None:
    server = serve_events(cities, "--hook", cdn.url, FLAGSTONE_PUBLIC_URL="https://maps.example.org")
    wait_until_told(server, cities)
    perth(cities)
    wait_until(lambda: len(changes(cdn.told)) == 2)
    first, second = changes(cdn.told)
    assert first["layer"] == CITIES and holds(first["tiles"], 11, 1683, 1216)
    assert first["addresses"] == [
        f"https://maps.example.org/tiles/{CITIES}/{{z}}/{{x}}/{{y}}",
        f"https://maps.example.org/tiles/WebMercatorQuad/{CITIES}/{{z}}/{{x}}/{{y}}",
    ]
    assert (first["again"], second["again"]) == (False, True)
    # What was before it started nobody knows.
    assert cdn.told[0]["everything"] is True
    assert not any(each["everything"] for each in cdn.told[1:])


def test_a_hook_that_fails_is_tried_again_and_holds_up_nobody(
    cities: str, serve_events: StartEvents, cdn: Cdn
) -> None:
    cdn.down = True
    server = serve_events(cities, "--hook", cdn.url)
    wait_until_told(server, cities)  # events come though the hook fails
    wait_until(lambda: cdn.refused >= 1)
    with Stream(server.url, CITIES) as stream:
        perth(cities)
        stream.until("change")
    cdn.down = False
    wait_until(lambda: bool(changes(cdn.told)))
    assert cdn.told[0]["everything"] is True


@pytest.mark.parametrize("says", [302, 401])
def test_a_hook_that_refuses_or_sends_elsewhere_has_not_taken_it(
    cities: str, serve_events: StartEvents, cdn: Cdn, says: int
) -> None:
    cdn.down, cdn.says = True, says
    serve_events(cities, "--hook", cdn.url)
    wait_until(lambda: cdn.refused >= 1)
    cdn.down = False
    wait_until(lambda: bool(cdn.told), 50)
    assert cdn.told[0]["everything"] is True
    assert cdn.asked == 0


def test_a_command_gets_it_on_its_input(cities: str, serve_events: StartEvents, tmp_path: Path) -> None:
    script, written = tmp_path / "purge.py", tmp_path / "written"
    script.write_text(f"import sys\nopen({str(written)!r}, 'a').write(sys.stdin.readline())\n")
    server = serve_events(cities, "--exec", f"{sys.executable} '{script}'")
    wait_until_told(server, cities)
    perth(cities)

    def told() -> list[dict[str, Any]]:
        return [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []

    wait_until(lambda: len(changes(told())) == 2)


def test_hooks_that_cannot_be_are_refused_at_the_start(make_app: MakeApp, database: str) -> None:
    runner = make_app(database).test_cli_runner()
    for options, said in (
        (["--hook", "ftp://x"], "http://"), (["--exec", "'"], "--exec"), (["--exec", " "], "names no program"),
    ):  # fmt: skip
        done = runner.invoke(args=["changes", "serve", *options])
        assert done.exit_code == 2 and said in done.output
    done = make_app(database, FLAGSTONE_CHANGES_POLL_MS=0).test_cli_runner().invoke(args=["changes", "serve"])
    assert done.exit_code == 1 and "FLAGSTONE_CHANGES_POLL_MS=0" in done.output


def test_changes_of_several_servers_are_not_told(make_app: MakeApp, database: str) -> None:
    host = conninfo_to_dict(database)["host"]
    several = url(database, host=f"{host},{host}")
    done = make_app(several).test_cli_runner().invoke(args=["changes", "serve"])
    assert done.exit_code == 1 and "names several servers" in done.output
