"""`geom-column`, `clip` and `simplify`: what of a row is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.row_parameters import EVERYTHING, address, parts, serving, stations
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import decoded, drawn, features, get


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with serving(server, template) as made:
        yield made


class TestGeometryColumn:
    def test_another_geometry_column_is_drawn(self, app: Flask) -> None:
        found = features(app, address(geom_column="area", buffer=0))
        assert {feature["id"] for feature in found} == EVERYTHING
        assert {feature["geometry"]["type"] for feature in found} == {"Polygon"}
        assert all(drawn(feature).centroid.x < 2048 for feature in found)  # the areas lie west, the points east

    def test_it_is_the_layer_of_that_column(self, app: Flask) -> None:
        as_parameter = get(app, address(geom_column="area"))
        assert as_parameter.get_data() == get(app, "/tiles/public.stations.area/0/0/0").get_data()
        assert list(decoded(as_parameter)) == ["public.stations.area"]

    def test_names_are_taken_as_they_are(self, app: Flask) -> None:
        assert {f["geometry"]["type"] for f in features(app, address(geom_column="Other Geom"))} == {"LineString"}

    def test_the_first_column_can_be_named_too_and_asked_of_another(self, app: Flask) -> None:
        plain = get(app, address())
        assert get(app, address(geom_column="geom")).get_data() == plain.get_data()
        assert get(app, address("public.stations.area", geom_column="geom")).get_data() == plain.get_data()
        assert get(app, address("stations", geom_column="geom")).get_data() == plain.get_data()

    def test_other_parameters_hold_for_it(self, app: Flask) -> None:
        assert stations(app, geom_column="area", name="Bern", bbox="-90,-90,0,0") == {2, 4}
        assert stations(app, geom_column="area", bbox="0,0,90,90") == set()

    def test_documents_describe_the_column_that_is_drawn(self, app: Flask) -> None:
        document = get(app, "/public.stations/tilejson.json?geom-column=area").get_json()
        assert document["vector_layers"][0]["id"] == "public.stations.area"
        assert document["vector_layers"][0]["geometry_type"] == "POLYGON"
        assert document["bounds"][2] < 0
        tile = document["tiles"][0].split("localhost", 1)[1].replace("{z}/{x}/{y}", "0/0/0")
        assert get(app, tile).get_data() == get(app, address(geom_column="area")).get_data()
        style = get(app, "/public.stations/style.json?geom-column=area").get_json()
        assert {layer.get("source-layer") for layer in style["layers"]} == {None, "public.stations.area"}

    def test_of_a_composite_it_is_meant_for_those_that_have_it(self, app: Flask) -> None:
        found = parts(app, address("public.stations,public.lanes", geom_column="area"))
        assert {f["geometry"]["type"] for f in found["public.stations.area"]} == {"Polygon"}
        assert {f["geometry"]["type"] for f in found["public.lanes"]} == {"Point"}
        assert get(app, address("public.stations,public.lanes", geom_column="nothing")).status_code == 400
        assert get(app, address("public.stations,public.stations.area", geom_column="area")).status_code == 400

    def test_of_one_member_it_can_be_asked_by_its_name(self, app: Flask) -> None:
        path = "/tiles/public.stations,public.lanes/0/0/0?public.stations.geom-column=area"
        assert "public.stations.area" in parts(app, path)
        assert get(app, path.replace("stations.geom-column", "lanes.geom-column")).status_code == 400


@pytest.fixture
def shapes(make_app: MakeApp, database: str) -> Flask:
    """A large square, a heavy circle of 5,000 points, a line, a far point; in degrees around 0, 0."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE shapes (id int PRIMARY KEY, geom geometry(Geometry, 4326));"
            " INSERT INTO shapes VALUES (1, ST_MakeEnvelope(-40, -40, 40, 40, 4326)),"
            " (2, ST_Buffer('SRID=4326;POINT(0 0)', 30, 1250)), (3, 'SRID=4326;LINESTRING(-40 1, 40 1)'),"
            " (4, 'SRID=4326;POINT(-100 1)'), (5, ST_MakeEnvelope(100, 10, 110, 20, 4326))"
        )
    return make_app(database)


class TestClip:
    def test_geometry_is_cut_at_the_buffered_tile(self, shapes: Flask) -> None:
        for feature in features(shapes, address("public.shapes", "3/4/3", buffer=64)):
            west, south, east, north = drawn(feature).bounds
            assert west >= -65
            assert south >= -65
            assert max(east, north) <= 4096 + 65

    def test_without_clipping_it_is_whole(self, shapes: Flask) -> None:
        found = {feature["id"]: drawn(feature) for feature in features(shapes, address("public.shapes", "3/4/3", clip="false"))}
        assert found.keys() == {1, 2, 3}
        assert [round(edge / 100) for edge in found[1].bounds] == [-36, 1, 36, 81]
        assert found[2].bounds[2] - found[2].bounds[0] == pytest.approx(4096 * 8 / 360 * 60, rel=0.01)
        assert found[3].bounds[0] < -3600
        assert found[3].bounds[2] > 3600

    @pytest.mark.parametrize("grid", ["WebMercatorQuad", "WorldCRS84Quad", "EuropeanETRS89_LAEAQuad", "UTM31WGS84Quad"])
    def test_only_what_meets_the_tile_is_drawn(self, shapes: Flask, grid: str) -> None:
        app_tile = {"WebMercatorQuad": "3/4/3", "WorldCRS84Quad": "3/8/3", "EuropeanETRS89_LAEAQuad": "3/0/7", "UTM31WGS84Quad": "3/1/4"}[grid]
        cut = {f["id"] for f in features(shapes, f"/tiles/{grid}/public.shapes/{app_tile}")}
        whole = {f["id"] for f in features(shapes, f"/tiles/{grid}/public.shapes/{app_tile}?clip=false")}
        assert cut <= whole <= {1, 2, 3}

    def test_at_deep_zooms_coordinates_stay_within_32_bits(self, shapes: Flask) -> None:
        for feature in features(shapes, address("public.shapes", "22/2097152/2097151", clip="false")):
            assert max(map(abs, drawn(feature).bounds)) <= 2**29 + 4096
            assert drawn(feature).is_valid

    def test_it_is_a_tile_of_its_own(self, shapes: Flask) -> None:
        for clip in ("false", "true", "false"):
            bounds = [drawn(f).bounds for f in features(shapes, address("public.shapes", "3/4/3", clip=clip))]
            assert (min(b[0] for b in bounds) < -3000) is (clip == "false")


class TestSimplify:
    def test_heavy_geometry_keeps_every_vertex_that_the_extent_can_show(self, shapes: Flask) -> None:
        def vertices(**asked: object) -> int:
            found = {feature["id"]: drawn(feature) for feature in features(shapes, address("public.shapes", "0/0/0", **asked))}
            return len(found[2].exterior.coords)

        assert vertices() == vertices(simplify="true") < vertices(simplify="false")

    def test_flags_hold_together_and_are_written_in_many_ways(self, shapes: Flask) -> None:
        one = get(shapes, address("public.shapes", "3/4/3", clip="false", simplify="false"))
        for word in ("no", "0", "OFF", "f", "False"):
            assert get(shapes, address("public.shapes", "3/4/3", clip=word, simplify=word)).get_data() == one.get_data()
        assert one.get_data() != get(shapes, address("public.shapes", "3/4/3", clip="false")).get_data()


def test_points_are_the_same_clipped_or_not(app: Flask) -> None:
    plain = get(app, address("public.stations", "2/2/1"))
    assert get(app, address("public.stations", "2/2/1", clip="false", simplify="false")).get_data() == plain.get_data()
