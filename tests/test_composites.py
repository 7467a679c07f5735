"""Several layers in one tile: parameters of their own, side by side, and what happens where one fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

from app.caching.crew import Crew
from app.errors import QueryFailed, TileTimeout, Unavailable
from tests.conftest import MakeApp
from tests.tile_decoding import decoded, get

_POINTS = """
CREATE TABLE {name} (id int PRIMARY KEY, kind text, secret text, geom geometry(Point, 4326));
INSERT INTO {name} SELECT n, CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END, 'x', ST_Point(n, n, 4326) FROM generate_series(1, 20) n;
"""
_SLOW = """
CREATE FUNCTION slowly() RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT pg_sleep({seconds}) IS NOT NULL';
CREATE VIEW slow AS SELECT id, kind, geom FROM a WHERE id = 1 AND slowly();
"""


@pytest.fixture
def points(database: str) -> str:
    """Tables a, b and c of twenty points each."""
    with psycopg.connect(database, autocommit=True) as connection:
        for name in ("a", "b", "c"):
            connection.execute(_POINTS.format(name=name).encode())
    return database


def _execute(dsn: str, *statements: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _counts(app: Any, path: str) -> dict[str, int]:
    return {name: len(layer["features"]) for name, layer in decoded(get(app, path)).items()}


def _properties(app: Any, path: str) -> dict[str, set[str]]:
    return {name: set(layer["features"][0]["properties"]) for name, layer in decoded(get(app, path)).items()}


def _problem(app: Any, path: str) -> dict[str, Any]:
    document: dict[str, Any] = get(app, path).get_json()
    return document


# --- parameters of one layer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=5", {"public.a": 5, "public.b": 5}),
        ("limit=5&a.limit=2", {"public.a": 2, "public.b": 5}),
        ("public.a.limit=3", {"public.a": 3, "public.b": 20}),
        ("public.a.limit=3&a.limit=2", {"public.a": 2, "public.b": 20}),
        ("c.limit=3", {"public.a": 20, "public.b": 20}),
        (".limit=3&a.=3&limit.a=3", {"public.a": 20, "public.b": 20}),
        ("A.limit=3", {"public.a": 20, "public.b": 20}),
    ],
)
def test_a_parameter_with_a_layers_name_in_front_is_that_layers_own(
    points: str, make_app: MakeApp, query: str, expected: dict[str, int]
) -> None:
    assert _counts(make_app(points), f"/tiles/a,b/0/0/0?{query}") == expected


def test_columns_of_one_layer_need_not_be_columns_of_the_others(points: str, make_app: MakeApp) -> None:
    _execute(points, "ALTER TABLE b ADD COLUMN height int DEFAULT 3")
    app = make_app(points)
    path = "/tiles/a,b/0/0/0?columns=kind"
    assert _properties(app, path) == {"public.a": {"kind"}, "public.b": {"kind"}}
    assert _properties(app, f"{path}&b.columns=height") == {"public.a": {"kind"}, "public.b": {"height"}}
    assert _properties(app, f"{path}&b.properties=height") == {"public.a": {"kind"}, "public.b": {"height"}}
    assert _properties(app, "/tiles/a,b/0/0/0?a.columns=") == {
        "public.a": set(), "public.b": {"id", "kind", "secret", "height"},
    }  # fmt: skip
    assert "height" in _problem(app, f"{path}&a.columns=height")["detail"]


def test_a_fault_in_a_layers_own_parameter_is_told_by_the_name_it_was_written_with(points: str, make_app: MakeApp) -> None:
    app = make_app(points)
    for query, parameter in (
        ("a.limit=x", "a.limit"), ("public.b.limit=0", "public.b.limit"), ("b.columns=nothing", "b.columns"), ("limit=x&a.limit=1", "limit"),
    ):  # fmt: skip
        problem = _problem(app, f"/tiles/a,b/0/0/0?{query}")
        assert (problem["status"], problem["parameter"]) == (400, parameter)
        assert parameter in problem["detail"]


def test_a_general_value_that_every_layer_overrules_is_not_looked_at(points: str, make_app: MakeApp) -> None:
    assert _counts(make_app(points), "/tiles/a,b/0/0/0?limit=x&a.limit=1&b.limit=2") == {"public.a": 1, "public.b": 2}


def test_equal_parts_of_different_composites_are_made_once(points: str, make_app: MakeApp) -> None:
    app = make_app(points)
    assert _counts(app, "/tiles/a,b/0/0/0?a.limit=2") == {"public.a": 2, "public.b": 20}
    _execute(points, "DELETE FROM a", "DELETE FROM b")
    # b is kept as it was, whatever is said of a alone; a with another limit is another tile.
    assert _counts(app, "/tiles/a,b/0/0/0?a.limit=3") == {"public.b": 20}
    assert _counts(app, "/tiles/b,a/0/0/0?a.limit=2") == {"public.a": 2, "public.b": 20}


def test_documents_hand_a_layers_own_parameters_on_to_its_tiles(points: str, make_app: MakeApp) -> None:
    app = make_app(points)
    tilejson = get(app, "/a,b/tilejson.json?a.limit=2&b.columns=kind").get_json()
    assert [layer["fields"] for layer in tilejson["vector_layers"]][1] == {"kind": "String"}
    address = tilejson["tiles"][0].replace("http://localhost", "").format(z=0, x=0, y=0)
    assert "public.a.limit=2" in address
    assert _counts(app, address) == {"public.a": 2, "public.b": 20}


def test_two_layers_of_one_name_cannot_share_a_tile(points: str, make_app: MakeApp, tmp_path: Any) -> None:
    file = tmp_path / "layers.toml"
    file.write_text('[layers."public.a"]\nmvt_name = "x"\n[layers."public.b"]\nmvt_name = "x"\n')
    app = make_app(points, FLAGSTONE_LAYERS_FILE=str(file))
    assert _counts(app, "/tiles/a/0/0/0") == {"x": 20}
    assert _problem(app, "/tiles/a,b/0/0/0")["status"] == 400


# --- a part that fails ----------------------------------------------------------------------------------------------


@pytest.fixture
def failing(points: str) -> str:
    """With a view `broken` that divides by zero where it is read, and one `slow` that takes two seconds."""
    _execute(
        points, _SLOW.format(seconds=2),
        "CREATE VIEW broken AS SELECT id, kind, geom FROM b WHERE 1 / (id - id) = 1",
    )  # fmt: skip
    return points


def test_a_composite_fails_with_its_layer_where_nothing_else_is_said(failing: str, make_app: MakeApp) -> None:
    app = make_app(failing)
    assert get(app, "/tiles/a,broken/0/0/0").status_code == 500
    assert get(app, "/tiles/broken,a/0/0/0").status_code == 500
    assert _counts(app, "/tiles/a/0/0/0") == {"public.a": 20}


def test_a_layer_that_fails_is_left_out_and_named_where_that_is_wanted(
    failing: str, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(failing, FLAGSTONE_COMPOSITE_FAILURE="skip")
    with caplog.at_level(logging.WARNING):
        response = get(app, "/tiles/a,broken,c/0/0/0")
    assert {name: len(layer["features"]) for name, layer in decoded(response).items()} == {"public.a": 20, "public.c": 20}
    assert response.headers["Flagstone-Tile"] == 'full; missing="public.broken"'
    assert "layer public.broken" in caplog.text
    assert b"flagstone_tile_parts_missing_total" in get(app, "/metrics").get_data()


def test_a_tile_that_lacks_a_layer_is_neither_kept_nor_validated(failing: str, make_app: MakeApp) -> None:
    app = make_app(failing, FLAGSTONE_COMPOSITE_FAILURE="skip")
    response = get(app, "/tiles/a,broken/0/0/0")
    assert "ETag" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    assert get(app, "/tiles/a,broken/0/0/0", If_None_Match="*").status_code == 200
    _execute(failing, "CREATE OR REPLACE VIEW broken AS SELECT id, kind, geom FROM b")
    app.extensions["flagstone"].catalog.reload()
    whole = get(app, "/tiles/a,broken/0/0/0")
    assert whole.headers["Flagstone-Tile"] == "full"
    assert set(decoded(whole)) == {"public.a", "public.broken"}


def test_where_every_layer_fails_so_does_the_tile(failing: str, make_app: MakeApp) -> None:
    _execute(failing, "CREATE VIEW broken2 AS SELECT id, kind, geom FROM b WHERE 1 / (id - id) = 1")
    app = make_app(failing, FLAGSTONE_COMPOSITE_FAILURE="skip")
    assert get(app, "/tiles/broken,broken2/0/0/0").status_code == 500
    assert get(app, "/tiles/broken/0/0/0").status_code == 500


def test_a_layer_that_takes_too_long_is_left_out_in_time(failing: str, make_app: MakeApp) -> None:
    app = make_app(failing, FLAGSTONE_COMPOSITE_FAILURE="skip", FLAGSTONE_STATEMENT_TIMEOUT_MS="400")
    app.extensions["flagstone"].catalog.reload()
    begun = time.monotonic()
    response = get(app, "/tiles/a,slow,c/0/0/0")
    assert time.monotonic() - begun < 3
    assert set(decoded(response)) == {"public.a", "public.c"}
    assert response.headers["Flagstone-Tile"] == 'full; missing="public.slow"'


def test_a_wrong_request_is_told_and_not_skipped(points: str, make_app: MakeApp) -> None:
    app = make_app(points, FLAGSTONE_COMPOSITE_FAILURE="skip")
    assert get(app, "/tiles/a,b/0/0/0?b.limit=x").status_code == 400
    assert get(app, "/tiles/a,nothing/0/0/0").status_code == 404


def test_a_table_that_went_away_is_left_out_and_the_catalog_looks_again(points: str, make_app: MakeApp) -> None:
    app = make_app(points, FLAGSTONE_COMPOSITE_FAILURE="skip", FLAGSTONE_CATALOG_MISS_INTERVAL_S="0")
    app.extensions["flagstone"].catalog.reload()
    _execute(points, "DROP TABLE b")
    response = get(app, "/tiles/a,b/0/0/0")
    assert response.headers["Flagstone-Tile"] == 'full; missing="public.b"'
    until = time.monotonic() + 5
    while get(app, "/tiles/a,b/0/0/0").status_code != 404 and time.monotonic() < until:
        time.sleep(0.05)
    assert get(app, "/tiles/a,b/0/0/0").status_code == 404


def test_missing_names_are_ascii_whatever_tables_are_called(failing: str, make_app: MakeApp) -> None:
    _execute(failing, 'CREATE VIEW "wäg ""," AS SELECT id, geom FROM b WHERE 1 / (id - id) = 1')
    app = make_app(failing, FLAGSTONE_COMPOSITE_FAILURE="skip")
    response = get(app, "/tiles/a,public.w%C3%A4g%20%22~2C/0/0/0")
    assert response.headers["Flagstone-Tile"] == 'full; missing="public.w%C3%A4g%20%22~2C"'


# --- side by side ---------------------------------------------------------------------------------------------------


@pytest.fixture
def slow_views(points: str) -> str:
    """Four views that take 0.3 s each."""
    _execute(
        points,
        "CREATE FUNCTION slowly() RETURNS bool LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(0.3) IS NOT NULL'",
        *[f"CREATE VIEW v{n} AS SELECT id, geom FROM a WHERE id = {n} AND slowly()" for n in range(1, 5)],
    )
    return points


def _seconds(app: Flask, path: str) -> float:
    """How long a composite of four takes whose layers are not kept, on connections that are made already."""
    app.extensions["flagstone"].catalog.reload()
    get(app, "/tiles/a,b,c/0/0/0")
    begun = time.monotonic()
    assert list(decoded(get(app, path))) == ["public.v1", "public.v2", "public.v3", "public.v4"]
    return time.monotonic() - begun


def test_layers_are_made_side_by_side(slow_views: str, make_app: MakeApp) -> None:
    path = "/tiles/v1,v2,v3,v4/0/0/0"
    alone = _seconds(make_app(slow_views, FLAGSTONE_POOL_SIZE="1"), path)
    assert alone >= 1.2
    assert _seconds(make_app(slow_views), path) < alone * 0.5
    # Of eight threads one helps.
    assert _seconds(make_app(slow_views, FLAGSTONE_THREADS="8"), path) < alone * 0.75


@pytest.mark.parametrize("settings", [{"FLAGSTONE_THREADS": "1"}, {"FLAGSTONE_THREADS": "4"}])
def test_with_few_threads_one_comes_after_the_other(slow_views: str, make_app: MakeApp, settings: dict[str, str]) -> None:
    assert _seconds(make_app(slow_views, **settings), "/tiles/v1,v2,v3,v4/0/0/0") >= 1.2


def test_many_composites_at_once_leave_room_for_other_tiles(slow_views: str, make_app: MakeApp) -> None:
    app = make_app(slow_views, FLAGSTONE_POOL_SIZE="6")
    app.extensions["flagstone"].catalog.reload()
    get(app, "/tiles/b/0/0/0")
    answers: list[int] = []

    def ask(path: str) -> None:
        answers.append(get(app, path).status_code)

    threads = [threading.Thread(target=ask, args=(f"/tiles/v1,v2,v3,v4/0/0/0?limit={n}",)) for n in range(1, 4)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert get(app, "/tiles/b/0/0/0?limit=7").status_code == 200
    assert not answers
    for thread in threads:
        thread.join(10)
    assert answers == [200, 200, 200]


def _crew(most: int, *, room: bool = True) -> Crew:
    return Crew(most, lambda: room)


def _in(seconds: float) -> float:
    return time.monotonic() + seconds


def _job(value: int, seconds: float = 0.0, begun: list[int] | None = None) -> Callable[[], int]:
    def work() -> int:
        if begun is not None:
            begun.append(value)
        time.sleep(seconds)
        return value

    return work


@pytest.mark.parametrize("most", [0, 1, 3, 10])
def test_a_crew_gives_outcomes_in_the_order_of_the_jobs(most: int) -> None:
    crew = _crew(most)
    assert crew.all([_job(n, 0.01) for n in range(8)], _in(5), stop_at_failure=True) == list(range(8))
    assert crew.all([], _in(5), stop_at_failure=True) == []
    crew.close()


def test_without_room_no_helper_begins_anything() -> None:
    threads: set[int] = set()
    _crew(4, room=False).all([lambda: threads.add(threading.get_ident())] * 4, _in(5), stop_at_failure=True)
    assert threads == {threading.get_ident()}


def test_the_first_failure_ends_the_others() -> None:
    begun: list[int] = []

    def fail() -> int:
        raise QueryFailed("no")

    crew = _crew(0)
    outcomes = crew.all([_job(1, begun=begun), fail, _job(2, begun=begun)], _in(5), stop_at_failure=True)
    assert (outcomes[0], type(outcomes[1]), outcomes[2], begun) == (1, QueryFailed, None, [1])
    outcomes = crew.all([_job(1), fail, _job(2)], _in(5), stop_at_failure=False)
    assert (outcomes[0], type(outcomes[1]), outcomes[2]) == (1, QueryFailed, 2)


def test_what_a_helper_found_no_place_for_is_done_by_who_asks() -> None:
    me = threading.get_ident()

    def mine() -> str:
        if threading.get_ident() != me:
            raise Unavailable("no slot")
        time.sleep(0.05)
        return "mine"

    crew = _crew(2)
    assert crew.all([mine] * 4, _in(5), stop_at_failure=True) == ["mine"] * 4
    crew.close()


def test_a_job_that_is_late_is_not_waited_for() -> None:
    late = threading.Event()
    crew = _crew(1)

    def job() -> bool:
        helps = threading.current_thread().name.startswith("flagstone-crew")
        return late.wait(5 if helps else 0.05)

    begun = time.monotonic()
    outcomes = crew.all([job, job], _in(0.2), stop_at_failure=False)
    assert time.monotonic() - begun < 4
    assert isinstance(outcomes[1], TileTimeout)
    late.set()
    crew.close()


def test_helpers_that_are_busy_with_one_request_are_not_waited_for_by_another() -> None:
    crew = _crew(1)
    hold, taken = threading.Event(), threading.Event()

    def long() -> str:
        if threading.current_thread().name.startswith("flagstone-crew"):
            taken.set()
            hold.wait(5)
        else:
            taken.wait(5)
        return "long"

    other = threading.Thread(target=lambda: crew.all([long, long], _in(5), stop_at_failure=True))
    other.start()
    taken.wait(5)
    begun = time.monotonic()
    assert crew.all([_job(1), _job(2), _job(3)], _in(5), stop_at_failure=True) == [1, 2, 3]
    assert time.monotonic() - begun < 4
    hold.set()
    other.join(5)
    crew.close()
