"""More rows than a choice by cells can look at in its time: every worker says so, before any has tried."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from app.repository import tiles
from tests.conftest import MakeApp
from tests.crowds import crowded
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import attributes, get


@pytest.fixture(scope="module")
def crowds(server: DatabaseServer, template: str) -> Iterator[str]:
    with crowded(server, template) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("ANALYZE towns")
        yield dsn


@pytest.fixture(autouse=True)
def seconds_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """About six thousand rows in the time of a tile."""
    monkeypatch.setattr(tiles, "WEIGHED_PER_S", 500)


def test_two_workers_give_the_first_features_with_the_same_bytes_at_once(
    crowds: str, make_app: MakeApp
) -> None:
    answers = [
        get(make_app(crowds, CACHE_TYPE="NullCache", FLAGSTONE_MAX_FEATURES="100"), "/tiles/towns/0/0/0")
        for _ in range(2)
    ]
    assert {answer.headers["Flagstone-Tile"] for answer in answers} == {"limited"}
    assert len({answer.get_data() for answer in answers}) == 1
    assert len({answer.headers["ETag"] for answer in answers}) == 1


def test_a_tile_of_that_layer_with_fewer_rows_is_chosen_by_cells(crowds: str, make_app: MakeApp) -> None:
    app = make_app(crowds, CACHE_TYPE="NullCache", FLAGSTONE_MAX_FEATURES="150")
    with psycopg.connect(crowds) as connection:
        row = connection.execute(
            "SELECT z, x, y FROM generate_series(2, 5) AS z, generate_series(0, (1 << z) - 1) AS x, generate_series(0, (1 << z) - 1) AS y, towns"
            " WHERE geom && ST_Transform(ST_TileEnvelope(z, x, y), 4326)"
            " GROUP BY z, x, y HAVING count(*) BETWEEN 200 AND 3000 ORDER BY count(*) LIMIT 1"
        ).fetchone()
    assert row is not None
    path = "/tiles/towns/{}/{}/{}".format(*row)
    answer = get(app, path)
    assert answer.headers["Flagstone-Tile"] == "sampled"
    assert all(each["feature_count"] for each in attributes(app, path))
