"""`sortby` and a layer's rank: one total order, of which a limit keeps the first rows, and says so."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask

from tests.conftest import Login, MakeApp
from tests.row_parameters import address
from tests.tile_decoding import features, get

EVERYTHING = [1, 2, 3, 4, 5, 6, 7, 8]
BY_SCORE = [4, 2, 3, 8, 6, 7, 1, 5]
"""Highest score first, equal ones by key, rows without a score last."""


def ordered(app: Flask, layer: str = "public.ranked", **asked: object) -> list[int]:
    """The ids of a tile's features, in the order in which they are drawn."""
    return [feature["id"] for feature in features(app, address(layer, **asked))]


@pytest.fixture
def app(make_app: MakeApp, oddity: Callable[[str], str]) -> Flask:
    return make_app(oddity("row_parameters"))


@pytest.fixture
def ranked_app(make_app: MakeApp, oddity: Callable[[str], str]) -> Callable[[str], Flask]:
    """The application where the comment of the table `ranked` is this JSON."""

    def made(comment: str) -> Flask:
        dsn = oddity("row_parameters")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"COMMENT ON TABLE ranked IS '{comment}'".encode())
        return make_app(dsn)

    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("score", [7, 6, 2, 3, 8, 4, 1, 5]), ("+score", [7, 6, 2, 3, 8, 4, 1, 5]), (" score", [7, 6, 2, 3, 8, 4, 1, 5]), ("-score", BY_SCORE),
        ("word", [8, 4, 2, 6, 1, 7, 5, 3]), ("-word", [5, 7, 1, 2, 6, 4, 8, 3]), ("-score,-word", [4, 2, 8, 3, 6, 7, 5, 1]),
        ("-id", EVERYTHING[::-1]), ("-score,-id", [4, 8, 3, 2, 6, 7, 5, 1]), ("score,score", [7, 6, 2, 3, 8, 4, 1, 5]),
        ('-"score"', BY_SCORE), ("- score", BY_SCORE),
    ],
)  # fmt: skip
def test_sortby_orders_rows_with_nulls_last_and_equal_ones_by_key(app: Flask, asked: str, found: list[int]) -> None:
    assert ordered(app, sortby=asked) == found
    for limit in (1, 3, 7):
        response = get(app, address("public.ranked", sortby=asked, limit=limit))
        assert response.headers["Flagstone-Tile"] == "limited"
        assert ordered(app, sortby=asked, limit=limit) == found[:limit]
    assert get(app, address("public.ranked", sortby=asked, limit=8)).headers["Flagstone-Tile"] == "full"


def test_a_column_named_like_an_order_is_a_column(app: Flask) -> None:
    assert ordered(app, "public.stations", sortby="-name") == EVERYTHING[::-1]  # the column `-name`, rising
    assert ordered(app, "public.stations", sortby="--name") == EVERYTHING
    assert ordered(app, "public.stations", sortby='-"comma,""quote"') == EVERYTHING[::-1]


@pytest.mark.parametrize("name", ["code", "short", "big", "share", "price", "active", "opened", "seen", "noted", "clock", "ref", "state", "filled", "info", "span"])  # fmt: skip
def test_every_type_that_has_an_order_can_be_sorted_by(app: Flask, name: str) -> None:
    rising, falling = ordered(app, "public.stations", sortby=name), ordered(app, "public.stations", sortby=f"-{name}")
    assert sorted(rising) == sorted(falling) == EVERYTHING
    if name not in ("active", "state"):
        assert rising == EVERYTHING
        assert falling == EVERYTHING[::-1]


@pytest.mark.parametrize("limit", [1, 2, 4, 6, 7])
def test_the_rank_decides_what_survives_the_limit(ranked_app: Callable[[str], Flask], limit: int) -> None:
    app = ranked_app('{"rank": ["-score"]}')
    assert ordered(app) == BY_SCORE
    assert ordered(app, limit=limit) == BY_SCORE[:limit]
    assert get(app, address("public.ranked", limit=limit)).headers["Flagstone-Tile"] == "limited"


def test_sortby_goes_before_the_rank(ranked_app: Callable[[str], Flask]) -> None:
    app = ranked_app('{"rank": ["-score", "word"]}')
    assert ordered(app) == [4, 8, 2, 3, 6, 7, 1, 5]
    assert ordered(app, sortby="word") == [8, 4, 2, 6, 1, 7, 5, 3]
    assert ordered(app, sortby="score") == [7, 6, 8, 2, 3, 4, 1, 5]


def test_the_rank_column_needs_not_be_served(ranked_app: Callable[[str], Flask]) -> None:
    app = ranked_app('{"rank": ["-score"], "columns": ["word"]}')
    assert ordered(app, limit=3) == BY_SCORE[:3]


def test_who_may_not_read_the_rank_does_not_see_its_order(
    ranked_app: Callable[[str], Flask], make_app: MakeApp, login: Login
) -> None:
    dsn = ranked_app('{"rank": ["-score"]}').extensions["flagstone"].settings.database_url.get_secret_value()
    limited = make_app(login(dsn, "flagstone_ranks", "GRANT SELECT (id, word, geom) ON ranked TO flagstone_ranks"))
    assert ordered(limited) == EVERYTHING
    assert get(limited, address("public.ranked", sortby="score")).status_code == 400


def test_the_same_order_gives_the_same_bytes_whatever_the_plan(app: Flask, make_app: MakeApp) -> None:
    dsn = app.extensions["flagstone"].settings.database_url.get_secret_value()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE many (word text COLLATE \"C\", geom geometry(Point, 4326))")
        connection.execute(
            "INSERT INTO many SELECT chr(97 + i % 5), ST_SetSRID(ST_MakePoint(i % 100, i % 50), 4326) FROM generate_series(1, 20000) AS i"
        )
        connection.execute("CREATE VIEW many_seen AS SELECT word, geom FROM many")
        connection.execute("ALTER TABLE many SET (parallel_workers = 4); ANALYZE many")
    for layer in ("public.many", "public.many_seen"):
        bodies = {get(make_app(dsn), address(layer, sortby="-word", limit=500)).get_data() for _ in range(3)}
        assert len(bodies) == 1
        words = {feature["properties"]["word"] for feature in features(make_app(dsn), address(layer, sortby="-word", limit=500))}
        assert words == {"e"}


def test_orders_and_directions_are_different_tiles_and_equal_ones_one(app: Flask) -> None:
    rising = get(app, address("public.ranked", sortby="score"))
    assert rising.get_data() == get(app, address("public.ranked", sortby="+score,score")).get_data()
    assert rising.get_data() != get(app, address("public.ranked", sortby="-score")).get_data()


def test_texts_that_their_collation_takes_for_equal_still_have_one_order(make_app: MakeApp, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE COLLATION alike (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        connection.execute("CREATE TABLE texts (word text COLLATE alike, geom geometry(Point, 4326))")
        connection.execute("INSERT INTO texts SELECT w, 'SRID=4326;POINT(1 1)' FROM unnest(ARRAY['b', 'B', 'a', 'A', 'C', 'c']) AS w")
        connection.execute("CREATE VIEW seen_up AS SELECT * FROM texts")
        connection.execute("CREATE VIEW seen_down AS SELECT * FROM (SELECT * FROM texts ORDER BY word COLLATE \"C\" DESC) AS t")
    app = make_app(database)
    orders = [
        [feature["properties"]["word"] for feature in features(app, address(f"public.{name}", sortby=sortby))]
        for name in ("seen_up", "seen_down")
        for sortby in ("", "word")
    ]
    assert orders == [["A", "B", "C", "a", "b", "c"], ["A", "a", "B", "b", "C", "c"]] * 2


def test_only_the_layers_own_order_is_prepared_when_it_comes_again(make_app: MakeApp, oddity: Callable[[str], str]) -> None:
    # One connection: of several another one may have been asked.
    app = make_app(oddity("row_parameters"), FLAGSTONE_POOL_SIZE="1", CACHE_TYPE="NullCache")
    there = app.extensions["flagstone"]

    def prepared() -> list[str]:
        with there.pool.borrowed("this test") as connection:
            texts = [text for (text,) in connection.execute("SELECT statement FROM pg_prepared_statements")]
        return [text for text in texts if '"ranked"' in text]

    for there_before in (0, 1, 1):
        for sortby in ("", "-score"):
            get(app, address("public.ranked", "9/256/255", sortby=sortby))
        assert len(prepared()) == there_before
    assert '"score" DESC' not in prepared()[0]
