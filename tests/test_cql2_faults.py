"""A condition that fails in the database, not before: the 400 names the parameter that asked for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.cql2_filtered import WORLD, application, filtered_database
from tests.servers.postgres import DatabaseServer, url


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with filtered_database(server, template) as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            # GEOS does not know what lies in this collection.
            connection.execute("CREATE TABLE solids (id int PRIMARY KEY, name text, geom geometry(GeometryCollectionZ, 4326))")
            connection.execute(
                "INSERT INTO solids VALUES (1, 'a', 'SRID=4326;GEOMETRYCOLLECTION Z(POLYHEDRALSURFACE(((0 0 0,0 1 0,1 1 0,0 0 0))))')"
            )
        with application(dsn) as made:
            yield made


def fault(app: Flask, layers: str, **asked: str) -> tuple[str, str]:
    """The parameter that a 400 names, and its sentence."""
    given = {name.replace("__", "."): value for name, value in asked.items()}
    response = app.test_client().get(f"/tiles/{layers}/{WORLD}", query_string=given)
    assert response.status_code == 400, response.get_data(as_text=True)
    problem = response.get_json()
    return problem["parameter"], problem["detail"]


def test_a_box_that_cannot_be_met_is_bbox(app: Flask) -> None:
    assert fault(app, "solids", bbox="-1,-1,20,20") == ("bbox", "bbox cannot be used: it cannot be computed for the geometry of a row.")
    assert fault(app, "solids", bbox="-1,-1,20,20", name="a", ids="1")[0] == "bbox"
    parameter, said = fault(app, "solids", bbox="-1,-1,20,20", filter="S_INTERSECTS(geom, BBOX(-2,-2,2,2)) AND name = 'a'")
    assert (parameter, said.partition(" cannot")[0]) == ("filter", "filter or bbox")


def test_arithmetic_is_the_filters_whatever_stands_beside_it(app: Flask) -> None:
    parameter, said = fault(app, "things", filter="whole ^ 400 > 1", name="Zürich", ids="1,2", bbox="-180,-90,180,90", datetime="1999-01-01/..")
    assert parameter == "filter"
    assert said == "filter cannot be used: what it computes has no result, or one out of range, for the values of a row."


def test_a_members_own_parameter_is_named_as_it_was_written(app: Flask) -> None:
    assert fault(app, "things,solids", solids__bbox="-1,-1,20,20")[0] == "solids.bbox"
    assert fault(app, "things,projected", things__filter="whole ^ 400 > 1")[0] == "things.filter"


@pytest.mark.parametrize("encoding", ["", "UTF8"], ids=["as the database", "UTF8"])
def test_a_character_that_the_database_lacks_is_told_by_its_parameter(encoding: str, server_dsn: str, make_app: MakeApp) -> None:
    name = f"flagstone_lacks_{os.getpid()}"
    with psycopg.connect(server_dsn, autocommit=True) as keeper:
        keeper.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'".encode())
        try:
            dsn = url(server_dsn, dbname=name)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION postgis")
                connection.execute("CREATE TABLE towns (code text PRIMARY KEY, name text, kind text, geom geometry(Point, 4326))")
                connection.execute("INSERT INTO towns VALUES ('a', 'Zürich', 'x', 'SRID=4326;POINT(8 47)')")
            app = make_app(url(dsn, client_encoding=encoding) if encoding else dsn)
            for asked, wanted in (
                ({"name": "北京"}, "name"),
                ({"ids": "a,北"}, "ids"),
                ({"filter": "name = '北京'", "kind": "x"}, "filter"),
                ({"filter": "name <> 'Zurich'", "kind": "北"}, "kind"),
                ({"filter": "name IN ('x', '北')", "bbox": "0,0,50,50"}, "filter"),
            ):
                parameter, said = fault(app, "towns", **asked)
                assert (parameter, said) == (wanted, f"{wanted} cannot be used: it holds characters that the database's encoding lacks.")
            app.extensions["flagstone"].close()
        finally:
            keeper.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
