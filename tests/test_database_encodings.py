"""Databases in another encoding than UTF-8: names, texts and parameters come and go as they are.

Only inside tiles they cannot where the database keeps other bytes than UTF-8: PostGIS writes those.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from psycopg_pool import ConnectionPool

from app.extension import Flagstone
from tests.conftest import MakeApp
from tests.servers.postgres import url
from tests.tile_decoding import attributes, features, get

TILE = "0/0/0"


@pytest.fixture(scope="module", params=["SQL_ASCII", "LATIN1"])
def other_encoding(server_dsn: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database in this encoding, filled by a client that writes UTF-8: SQL_ASCII keeps its bytes, LATIN1 converts them."""
    name = f"flagstone_{request.param.lower()}_{os.getpid()}"
    with psycopg.connect(server_dsn, autocommit=True) as keeper:
        keeper.execute(f"CREATE DATABASE {name} ENCODING '{request.param}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'".encode())
        try:
            dsn = url(server_dsn, dbname=name)
            with psycopg.connect(dsn, autocommit=True, client_encoding="UTF8") as connection:
                connection.execute("CREATE EXTENSION postgis")
                connection.execute('CREATE TABLE "Städte" (id int PRIMARY KEY, "größe" int, name text, geom geometry(Point, 4326))')
                connection.execute("""INSERT INTO "Städte" VALUES (1, 7, 'Zürich', 'SRID=4326;POINT(8 47)'), (2, 5, 'Bern', 'SRID=4326;POINT(7 47)')""")
                connection.execute("""COMMENT ON TABLE "Städte" IS 'Größere Orte'""")
                connection.execute(
                    "CREATE FUNCTION said(z int, x int, y int, word text DEFAULT 'ä') RETURNS bytea LANGUAGE sql STABLE AS"
                    " $$ SELECT ST_AsMVT(made, 'said') FROM (SELECT ST_MakePoint(9, 9) AS geom, word) AS made $$"
                )
            yield dsn
        finally:
            keeper.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def assert_texts_are_whole(app: Flask) -> None:
    assert get(app, "/table/public.Städte.json").get_json()["description"] == "Größere Orte"
    assert {column["name"] for column in get(app, "/table/public.Städte.json").get_json()["properties"]} == {"id", "größe", "name"}
    for query in ("name=Zürich", "größe=7", "filter=name LIKE 'Zü%' AND \"größe\" > 6", "ids=1"):
        assert [feature["id"] for feature in features(app, f"/tiles/Städte/{TILE}?{query}")] == [1]


def assert_tiles_are_whole(app: Flask) -> None:
    rows = attributes(app, f"/tiles/Städte/{TILE}")
    assert sorted((row["name"], row["größe"]) for row in rows) == [("Bern", 5), ("Zürich", 7)]
    assert [row["word"] for row in attributes(app, f"/tiles/said/{TILE}")] == ["ä"]
    assert [row["word"] for row in attributes(app, f"/tiles/said/{TILE}?word=ö")] == ["ö"]


def test_names_texts_and_parameters_are_whole(other_encoding: str, make_app: MakeApp) -> None:
    app = make_app(other_encoding)
    assert_texts_are_whole(app)
    notices = " ".join(app.extensions["flagstone"].catalog.catalog().notices)
    if "sql_ascii" in other_encoding:  # PostGIS puts texts into a tile as the database keeps them
        assert_tiles_are_whole(app)
        assert "encoding" not in notices
    else:
        assert "has the encoding LATIN1" in notices


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_so_they_are_where_the_clients_encoding_is_set(other_encoding: str, encoding: str, make_app: MakeApp) -> None:
    assert_texts_are_whole(make_app(url(other_encoding, client_encoding=encoding)))


def test_what_the_database_cannot_hold_is_a_400(other_encoding: str, make_app: MakeApp) -> None:
    app = make_app(other_encoding)
    assert get(app, f"/tiles/北/{TILE}").status_code in (400, 404)
    for path in (f"/tiles/said/{TILE}?word=北", f"/tiles/Städte/{TILE}?name=北"):
        response = get(app, path)
        if "latin1" in other_encoding:
            assert response.status_code == 400
            assert response.get_json()["parameter"] in ("word", "name")
        else:  # bytes are bytes
            assert response.status_code in (200, 204)


def test_so_they_are_through_a_hosts_pool(other_encoding: str) -> None:
    with ConnectionPool(other_encoding, min_size=1, open=True) as pool:
        host = Flask("host")
        flagstone = Flagstone(pool=pool, CACHE_TYPE="NullCache")
        flagstone.init_app(host)
        assert_texts_are_whole(host)
        flagstone.close()
