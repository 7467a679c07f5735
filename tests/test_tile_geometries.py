"""Every kind of geometry and name that a database may hold, drawn or left out, never an error."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import attributes, decoded, drawn, features, get

TILE = "8/134/89"


@pytest.fixture
def app(oddity: Callable[[str], str], make_app: MakeApp) -> Flask:
    return make_app(oddity("awkward_geometries"))


def test_mixed_geometries_are_drawn_each_by_its_kind(app: Flask) -> None:
    found = {feature["properties"]["what"]: feature for feature in features(app, f"/tiles/mixed/{TILE}")}
    assert found.keys() == {
        "point", "line", "polygon", "bow-tie", "curve polygon", "compound curve", "collection", "multi point",
        "multi surface", "beyond the pole", "repeated point line",
    }  # fmt: skip
    kinds = {what: feature["geometry"]["type"].removeprefix("Multi") for what, feature in found.items()}
    assert kinds == {
        "point": "Point", "multi point": "Point", "line": "LineString", "compound curve": "LineString", "polygon": "Polygon",
        "bow-tie": "Polygon", "curve polygon": "Polygon", "multi surface": "Polygon", "collection": "Polygon",
        "beyond the pole": "Polygon", "repeated point line": "LineString",
    }  # fmt: skip
    square = drawn(found["polygon"]).area
    assert drawn(found["bow-tie"]).area == pytest.approx(square / 2, rel=0.01)
    # A circle of radius 0.1° in degrees, stretched by 1/cos(47.1°) in Mercator like the square of 0.2°.
    assert drawn(found["curve polygon"]).area == pytest.approx(square * 3.14159 / 4, rel=0.02)


@pytest.mark.parametrize("zoom", ["0/0/0", "2/2/1", "5/16/11", "14/8625/5758"])
def test_mixed_geometries_at_other_zooms(app: Flask, zoom: str) -> None:
    assert "point" in {row["what"] for row in attributes(app, f"/tiles/mixed/{zoom}")} or zoom.startswith("14")


def test_surfaces_in_space_are_drawn_flat(app: Flask) -> None:
    found = features(app, f"/tiles/solids/{TILE}")
    assert [feature["id"] for feature in found] == [1, 2, 3]
    areas = [drawn(feature).area for feature in found]
    assert areas[0] == areas[1] == areas[2] > 1000


@pytest.mark.parametrize(("layer", "kind"), [("zm", "LineString"), ("measured", "Point"), ("curves", "Polygon")])
def test_height_and_measure_are_dropped(app: Flask, layer: str, kind: str) -> None:
    (found,) = features(app, f"/tiles/{layer}/{TILE}")
    assert found["geometry"]["type"] == kind
    assert not drawn(found).has_z


def test_untyped_column_takes_its_srid_from_the_rows(app: Flask) -> None:
    assert len(features(app, f"/tiles/unlabelled/{TILE}")) == 2


def test_row_without_srid_beside_others_is_drawn(app: Flask, database: str) -> None:
    get(app, f"/tiles/unlabelled/{TILE}")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO unlabelled VALUES (3, 'POINT(9.52 47.1)')")
    assert len(features(app, f"/tiles/unlabelled/{TILE}?limit=9")) == 3


def test_srid_zero_is_rejected_with_a_reason(app: Flask) -> None:
    assert get(app, f"/tiles/unknown/{TILE}").status_code == 404
    with app.app_context():
        rejected = app.extensions["flagstone"].catalog.catalog().rejected
    (reason,) = [left_out.reason for left_out in rejected if left_out.name == "unknown"]
    assert "SRID" in reason


def test_empty_table_gives_empty_tiles(app: Flask) -> None:
    assert get(app, "/tiles/empty/0/0/0").status_code == 204


def test_table_without_attributes_or_key(app: Flask) -> None:
    found = features(app, f"/tiles/bare/{TILE}")
    assert [feature["properties"] for feature in found] == [{}, {}]
    assert all("id" not in feature or feature["id"] == 0 for feature in found)


class TestGeography:
    @pytest.mark.parametrize("tile", ["0/0/0", "1/1/0", "3/4/2", TILE, "12/2156/1439"])
    def test_polygon_is_found_at_every_zoom(self, app: Flask, tile: str) -> None:
        assert 1 in {feature["id"] for feature in features(app, f"/tiles/on_earth/{tile}?resolution=8192")} or tile == "0/0/0"

    def test_search_box_bulges_with_the_parallel(self, make_app: MakeApp, database: str) -> None:
        # Between two corners at the same latitude a great circle runs nearer to the pole: a box made of four corners
        # would miss what lies at the tile's southern edge.
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE dots (id int PRIMARY KEY, geog geography(Point, 4326))")
            connection.execute("INSERT INTO dots SELECT x, ST_MakePoint(x + 0.5, 40.99)::geography FROM generate_series(0, 44) x")
            connection.execute("CREATE INDEX ON dots USING gist (geog)")
        app = make_app(database)
        assert len(features(app, "/tiles/dots/3/4/2")) + len(features(app, "/tiles/dots/3/4/3?buffer=0")) >= 45
        assert len(features(app, "/tiles/dots/3/4/3?buffer=0")) in (0, 45)


class TestAntimeridian:
    def test_points_on_both_sides_are_in_their_tiles(self, app: Flask) -> None:
        assert {row["what"] for row in attributes(app, "/tiles/around_the_line/6/63/30")} >= {"east"}
        assert {row["what"] for row in attributes(app, "/tiles/around_the_line/6/0/30")} >= {"west"}

    def test_pole_is_outside_the_grid_and_no_error(self, app: Flask) -> None:
        names = {row["what"] for row in attributes(app, "/tiles/around_the_line/0/0/0")}
        assert names == {"east", "west", "almost", "line"}

    @pytest.mark.parametrize("grid", ["UPSArcticWGS84Quad", "WGS1984Quad", "WorldMercatorWGS84Quad", "GNOSISGlobalGrid"])
    def test_other_grids_find_them_too(self, app: Flask, grid: str) -> None:
        there = app.extensions["flagstone"].grids.get(grid)
        matrix = there.matrices[there.minzoom]
        names = set()
        for x in range(matrix.width):
            for y in range(matrix.height):
                names |= {row["what"] for row in attributes(app, f"/tiles/{grid}/around_the_line/{there.minzoom}/{x}/{y}")}
        assert names >= {"east", "west", "almost"}


class TestNames:
    @pytest.fixture
    def app(self, oddity: Callable[[str], str], make_app: MakeApp) -> Flask:
        return make_app(oddity("awkward_names"))

    def test_every_name_is_served(self, app: Flask) -> None:
        listed = {table["id"] for table in get(app, "/tables.json").get_json()}
        assert listed == {
            'Odd Schema.Ta"ble %s', "Odd Schema.a~2Eb~2Fc~3Bd~2Ce~7Ef", "public.SELECT", "public.{}", "public.ünï 北京 🜁",
            "public.tiles", "public.geometries",
        }  # fmt: skip
        for layer in listed:
            tile = layer.replace("%", "%25").replace('"', "%22")
            assert len(features(app, f"/tiles/{tile}/{TILE}")) == 1, layer
            document = get(app, f"/{tile}/tilejson.json").get_json()
            assert document["vector_layers"][0]["id"] == layer
            path = document["tiles"][0].removeprefix("http://localhost")
            assert list(decoded(get(app, path.format(z=8, x=134, y=89)))) == [layer]

    def test_columns_keep_their_names(self, app: Flask) -> None:
        (row,) = attributes(app, f"/tiles/Odd Schema.Ta%22ble %25s/{TILE}")
        assert row == {"select": 1, 'na"me': "x", "50%": 50, "a,b": "comma", "~id": "tilde", "a%(b)s": "named"}
        (row,) = attributes(app, f'/tiles/Odd Schema.Ta%22ble %25s/{TILE}?columns=%22a,b%22,50%25,%22na%22%22me%22')
        assert row == {'na"me': "x", "50%": 50, "a,b": "comma"}

    def test_names_of_the_query_itself_do_no_harm(self, app: Flask) -> None:
        (row,) = attributes(app, f"/tiles/geometries/{TILE}")
        assert row == {"~geometry": "mine", "features": 1, "candidates": 2, "source": 3, "linear": 4}

    def test_word_of_the_url_map_needs_its_schema(self, app: Flask) -> None:
        assert get(app, f"/tiles/tiles/{TILE}").status_code == 404
        assert len(features(app, f"/tiles/public.tiles/{TILE}")) == 1
