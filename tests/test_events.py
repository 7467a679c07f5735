"""`/events`: who listens hears which tiles changed, and what goes wrong costs nobody else anything."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests import followed_cities
from tests.conftest import MakeApp
from tests.followed_cities import rename, wait_until
from tests.servers import postgres
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.events import EventServer, StartEvents, Stream, open_socket, starting
from tests.servers.site import ask

CITIES = "public.cities"


@pytest.fixture
def serve_events(tmp_path: Path) -> Iterator[StartEvents]:
    with starting(tmp_path) as start:
        yield start


@pytest.fixture
def cities(database: str, make_app: MakeApp) -> str:
    return followed_cities.made(database, make_app)


@pytest.fixture
def live(cities: str, serve_events: StartEvents) -> EventServer:
    server = serve_events(cities)
    wait_until_told(server, cities)
    return server


def wait_until_told(server: EventServer, dsn: str) -> None:
    """Until changes are told: the log is read from some moment on."""
    with Stream(server.url, CITIES) as stream:
        rename(dsn, "first")
        while stream.until("change").data["boxes"] is None:
            rename(dsn, "first")  # the first reading: nobody knows what was before it
        # More than one of these may have been told by itself: the test's own comes after all of them.
        time.sleep(1.5)


def holds(ranges: list[list[int]], z: int, x: int, y: int) -> bool:
    """Whether a tile lies in one of these ranges."""
    return any(
        each == z and left <= x <= right and top <= y <= bottom for each, left, right, top, bottom in ranges
    )


def listeners(server: EventServer) -> int:
    return int(ask(server.url, "/livez").json["listeners"])


def test_a_change_is_told_with_its_box_and_its_tiles(live: EventServer, cities: str) -> None:
    with Stream(live.url, CITIES) as stream:
        hello = stream.next()
        assert hello.kind == "listening" and hello.data == {"layers": [{"layer": CITIES, "followed": True}]}
        assert stream.answer.headers["Content-Type"] == "text/event-stream"
        assert stream.answer.headers["Access-Control-Allow-Origin"] == "*"
        assert stream.retry is not None and stream.retry >= 1000
        begun = time.monotonic()
        with psycopg.connect(cities, autocommit=True) as connection:
            connection.execute("UPDATE public.cities SET geom = 'SRID=4326;POINT(-60.25 -10.6)'")
        told = stream.until("change").data
        print(f"told {1000 * (time.monotonic() - begun):.0f} ms after the commit was asked for")
    assert told["layer"] == CITIES and told["grid"] == "WebMercatorQuad"
    assert sorted(told["boxes"]) == [[-60.25, -10.6, -60.25, -10.6], [9.5, 47.1, 9.5, 47.1]]
    assert holds(told["tiles"], 4, 8, 5)  # where the city was
    assert holds(told["tiles"], 10, 340, 542)
    assert not any(z == 10 and left <= 0 for z, left, *_ in told["tiles"])
    assert {z for z, *_ in told["tiles"]} == set(range(23))


def test_a_change_is_told_again_when_every_worker_knows_of_it(live: EventServer, cities: str) -> None:
    with Stream(live.url, CITIES) as stream:
        rename(cities, "Chur")
        first = stream.until("change")
        begun = time.monotonic()
        second = stream.next()
        while not (second.kind == "change" and second.data["again"] and second.data["boxes"] == first.data["boxes"]
                   and time.monotonic() - begun > 2):  # fmt: skip
            assert time.monotonic() - begun < 5
            second = stream.next()
    assert {**second.data, "again": False} == first.data


def test_truncate_changes_all_of_the_layer(live: EventServer, cities: str) -> None:
    with Stream(live.url, CITIES) as stream:
        with psycopg.connect(cities, autocommit=True) as connection:
            connection.execute("TRUNCATE public.cities")
        told = stream.until("change").data
    assert (told["boxes"], told["tiles"]) == (None, None)


def test_a_thousand_edits_at_once_are_few_boxes(live: EventServer, cities: str) -> None:
    with psycopg.connect(cities, autocommit=True) as connection, Stream(live.url, CITIES) as stream:
        connection.execute(
            "INSERT INTO public.cities SELECT 100 + i, '', ST_SetSRID(ST_MakePoint(i % 40, i / 40), 4326)"
            " FROM generate_series(1, 1000) AS i"
        )
        told = stream.until("change").data
    assert told["boxes"] is None or len(told["boxes"]) <= 40
    assert len(json.dumps(told)) < 60_000


REFUSED = {
    "": 400,
    "?layers=": 400,
    "?layers=,,": 400,
    f"?layers={CITIES},": 400,
    "?layers=" + ",".join(f"l{number}" for number in range(101)): 400,
    "?layers=public.citis": 404,
    "?layers=public.cities%00": 404,
    "?layers=%ff%fe": 404,
    "?layers='%20OR%201=1": 404,
    f"?layers={CITIES}&layers=nosuch": 404,
}


def test_layers_that_are_none_are_refused_with_a_sentence(live: EventServer) -> None:
    for query, status in REFUSED.items():
        answer = ask(live.url, f"/events{query}")
        assert answer.status == status, query
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.json["status"] == status and answer.json["detail"]


def test_the_nearest_layer_is_named(live: EventServer) -> None:
    assert ask(live.url, "/events?layers=public.citis").json["nearest"] == [CITIES]


def test_other_addresses_and_methods_are_problem_documents(live: EventServer) -> None:
    assert ask(live.url, "/tiles").status == 404
    assert ask(live.url, f"/events?layers={CITIES}", method="POST").status == 405
    assert ask(live.url, f"/events?layers={CITIES}", method="HEAD").status == 200
    assert ask(live.url, "/events", method="OPTIONS").headers["Access-Control-Allow-Methods"]
    assert ask(live.url, "/" + "x" * 20_000).status == 400
    assert listeners(live) == 0


def test_what_was_missed_is_told_to_who_comes_back(live: EventServer, cities: str) -> None:
    with Stream(live.url, CITIES) as stream:
        rename(cities, "Chur")
        seen = stream.until("change").id
    with psycopg.connect(cities, autocommit=True) as connection:
        connection.execute("INSERT INTO public.cities VALUES (7, 'Perth', 'SRID=4326;POINT(115.9 -32)')")
    time.sleep(1)
    with Stream(live.url, CITIES, Last_Event_ID=seen) as stream:
        assert stream.next().kind == "listening"
        while (heard := stream.until("change")).data["boxes"] != [[115.9, -32, 115.9, -32]]:
            assert heard.kind == "change"
    with Stream(live.url, f"{CITIES}&since={seen}") as stream:
        assert stream.until("change", "all").kind == "change"


STRANGE = (
    "x", "-", "deadbeef-1", "9" * 23, "-1", "{epoch}-99999999", "{epoch}--1", "{epoch}-\xb2", "{epoch}-" + "9" * 5000
)  # fmt: skip


def test_an_id_that_means_nothing_here_is_answered_with_everything(live: EventServer) -> None:
    with Stream(live.url, CITIES) as stream:
        epoch = stream.next().id.partition("-")[0]
    for said in STRANGE:
        with Stream(live.url, CITIES, Last_Event_ID=said.replace("{epoch}", epoch)) as stream:
            assert [stream.next().kind, stream.next().kind] == ["listening", "all"], said


def test_who_listens_hears_that_the_line_is_alive(cities: str, serve_events: StartEvents) -> None:
    server = serve_events(cities, FLAGSTONE_EVENTS_HEARTBEAT_S=1)
    wait_until_told(server, cities)
    with Stream(server.url, CITIES) as stream:
        time.sleep(5)
        rename(cities, "Chur")
        stream.until("change")
        assert stream.beats >= 2


def test_a_listener_that_is_gone_is_forgotten(live: EventServer) -> None:
    some = [open_socket(live, CITIES) for _ in range(20)]
    wait_until(lambda: listeners(live) == 20)
    for each in some:
        each.close()
    wait_until(lambda: listeners(live) == 0)


def test_more_listeners_than_allowed_are_sent_away(cities: str, serve_events: StartEvents) -> None:
    server = serve_events(cities, FLAGSTONE_EVENTS_MAX_LISTENERS=2)
    with Stream(server.url, CITIES), Stream(server.url, CITIES):
        answer = ask(server.url, f"/events?layers={CITIES}")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    wait_until(lambda: listeners(server) == 0)
    with Stream(server.url, CITIES) as stream:
        assert stream.next().kind == "listening"


def test_changes_go_on_after_the_line_to_the_database_was_cut(
    cities: str, serve_events: StartEvents, cutting_proxy: Callable[[str, int], CuttingProxy]
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(cities)
    proxy = cutting_proxy(str(parts["host"]), int(parts.get("port") or 5432))
    server = serve_events(proxy.dsn(cities))
    wait_until_told(server, cities)
    with Stream(server.url, CITIES) as stream:
        stream.next()
        proxy.stop()
        time.sleep(0.5)
        rename(cities, "Chur")
        with psycopg.connect(cities, autocommit=True) as connection:
            connection.execute("INSERT INTO public.cities VALUES (9, 'Perth', 'SRID=4326;POINT(115.9 -32)')")
        assert ask(server.url, "/livez").status == 200
        proxy.start()
        while [115.9, -32.0, 115.9, -32.0] not in (
            stream.until("change").data["boxes"] or [[115.9, -32.0, 115.9, -32.0]]
        ):
            pass


def test_a_database_that_is_down_is_503_and_what_can_be_answered_is(
    serve_events: StartEvents, server_dsn: str
) -> None:
    server = serve_events(postgres.url(server_dsn, port=1, host="127.0.0.1"))
    answer = ask(server.url, f"/events?layers={CITIES}")
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (
        503,
        "application/problem+json",
    )
    assert ask(server.url, "/livez").status == 200


def test_origins_that_are_not_named_may_not_read(cities: str, serve_events: StartEvents) -> None:
    server = serve_events(cities, FLAGSTONE_CORS_ORIGINS="https://maps.example.org")
    for origin, expected in (
        ("https://maps.example.org", "https://maps.example.org"),
        ("https://other.org", None),
    ):
        with Stream(server.url, CITIES, Origin=origin) as stream:
            assert stream.answer.headers["Access-Control-Allow-Origin"] == expected
            assert stream.answer.headers["Vary"] == "Origin"
    assert urllib.request.urlopen(f"{server.url}/livez").status == 200
