"""What settings say of all layers at once: feature ids by a column's name, the reference system of rows that say none."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from flask import Flask
from shapely import Point

from tests.conftest import MakeApp
from tests.tile_decoding import drawn, features, get

TILE = "0/0/0"


@pytest.fixture
def towns(database: str) -> str:
    """A table without a key, views of it, and one with a key of its own; rows without SRID."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("""
            CREATE TABLE towns (gid bigint, id int, name text, code text, geom geometry(Point, 4326));
            INSERT INTO towns VALUES (11, 1, 'Bern', 'BE', 'SRID=4326;POINT(7.4 46.9)'), (12, 2, 'Chur', 'GR', 'SRID=4326;POINT(9.5 46.8)');
            CREATE VIEW seen AS SELECT id, gid, name, geom FROM towns ORDER BY id;
            CREATE VIEW coded AS SELECT code AS id, name, geom FROM towns;
            CREATE TABLE keyed (number int PRIMARY KEY, id int, geom geometry(Point, 4326));
            INSERT INTO keyed VALUES (5, 1, 'SRID=4326;POINT(7 47)');
            CREATE TABLE bare (id int PRIMARY KEY, geom geometry);
            INSERT INTO bare VALUES (1, 'POINT(824000 5930000)'), (2, 'POINT(-824000 5930000)');
            CREATE INDEX ON bare USING gist (geom);
            CREATE TABLE empty_one (id int PRIMARY KEY, geom geometry);
        """)
    return database


def ids(app: Flask, path: str) -> list[int]:
    return sorted(feature["id"] for feature in features(app, path))


class TestIdColumns:
    def test_the_first_name_that_a_layer_has_gives_its_ids(self, towns: str, make_app: MakeApp) -> None:
        app = make_app(towns, FLAGSTONE_ID_COLUMNS="fid,gid,id")
        assert ids(app, f"/tiles/towns/{TILE}") == ids(app, f"/tiles/seen/{TILE}") == [11, 12]
        assert [feature["properties"]["name"] for feature in features(app, f"/tiles/seen/{TILE}?ids=12")] == ["Chur"]

    def test_without_it_rows_without_a_key_have_none(self, towns: str, make_app: MakeApp) -> None:
        app = make_app(towns)
        assert [feature.get("id") for feature in features(app, f"/tiles/towns/{TILE}")] in ([None, None], [0, 0])

    def test_a_key_goes_before_it_and_what_is_no_integer_is_passed_over(self, towns: str, make_app: MakeApp) -> None:
        app = make_app(towns, FLAGSTONE_ID_COLUMNS="id,code")
        assert ids(app, f"/tiles/keyed/{TILE}") == [5]
        assert {feature["properties"]["id"] for feature in features(app, f"/tiles/coded/{TILE}")} == {"BE", "GR"}

    def test_the_layers_file_goes_before_it(self, towns: str, make_app: MakeApp, tmp_path: Path) -> None:
        file = tmp_path / "layers.toml"
        file.write_text('[layers."public.towns"]\nid = "id"\n[layers."public.seen"]\ncolumns = ["name"]\n')
        app = make_app(towns, FLAGSTONE_ID_COLUMNS="gid", FLAGSTONE_LAYERS_FILE=str(file))
        assert ids(app, f"/tiles/towns/{TILE}") == [1, 2]
        assert ids(app, f"/tiles/seen/{TILE}") == [11, 12]
        assert {tuple(feature["properties"]) for feature in features(app, f"/tiles/seen/{TILE}")} == {("name",)}


class TestDefaultSrid:
    def test_rows_without_srid_are_a_layer_in_the_default_system(self, towns: str, make_app: MakeApp) -> None:
        assert get(make_app(towns), f"/tiles/bare/{TILE}").status_code == 404
        app = make_app(towns, FLAGSTONE_DEFAULT_SRID="3857")
        first, second = sorted(features(app, f"/tiles/bare/{TILE}"), key=lambda feature: feature["id"])
        # Half of the world is 20,037,508 m, and 2,048 units.
        assert drawn(first).equals_exact(Point(2048 + 84, 2048 - 606), 1)
        assert drawn(second).equals_exact(Point(2048 - 84, 2048 - 606), 1)
        for query in ("bbox=0,40,20,60", "filter=S_INTERSECTS(geom, BBOX(0, 40, 20, 60))"):
            assert ids(app, f"/tiles/bare/{TILE}?{query}") == [1]
        assert ids(app, "/tiles/bare/6/33/22") == [1]

    def test_a_column_without_rows_stays_out(self, towns: str, make_app: MakeApp) -> None:
        assert get(make_app(towns, FLAGSTONE_DEFAULT_SRID="3857"), f"/tiles/empty_one/{TILE}").status_code == 404

    def test_a_number_that_is_no_system_keeps_it_out(self, towns: str, make_app: MakeApp) -> None:
        app = make_app(towns, FLAGSTONE_DEFAULT_SRID="990001")
        assert get(app, f"/tiles/bare/{TILE}").status_code == 404
        assert get(app, f"/tiles/towns/{TILE}").status_code == 200
