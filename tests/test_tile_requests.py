"""What a tile address and its query string may say, and what the answer to anything else is."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import attributes, decoded, drawn, features, get


@pytest.fixture
def app(make_app: MakeApp, sample_database: str) -> Flask:
    return make_app(sample_database)


def problem(app: Flask, path: str, status: int) -> dict[str, object]:
    response = get(app, path)
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/problem+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "no-store"
    document = response.get_json(force=True)
    assert document["status"] == status
    assert document["detail"] and document["title"]
    assert document["request_id"] == response.headers["X-Request-Id"]
    return document  # type: ignore[no-any-return]


@pytest.mark.parametrize("suffix", ["", ".pbf", ".mvt"])
@pytest.mark.parametrize("grid", ["", "WebMercatorQuad/"])
def test_tile_addresses_of_timvt_answer(app: Flask, grid: str, suffix: str) -> None:
    layers = decoded(get(app, f"/tiles/{grid}sample.countries/0/0/0{suffix}"))
    assert list(layers) == ["sample.countries"]
    assert layers["sample.countries"]["extent"] == 4096
    assert "Brazil" in {feature["properties"]["name"] for feature in layers["sample.countries"]["features"]}


@pytest.mark.parametrize(
    "tile",
    ["-1/0/0", "0/-1/0", "0/0/-1", "0/1/0", "0/0/1", "1/2/0", "5/31/32", "60/0/0", "25/0/0", "23/0/0", "1/0/" + "9" * 40,
     "9" * 40 + "/0/0", "-" + "9" * 5000 + "/0/0"],
)  # fmt: skip
def test_tile_outside_the_grid_or_zooms_is_404(app: Flask, tile: str) -> None:
    problem(app, f"/tiles/sample.countries/{tile}", 404)


@pytest.mark.parametrize(
    ("tile", "named"),
    [("a/0/0", "z"), ("0/1.5/0", "x"), ("0/0/1e3", "y"), ("0/0/%20", "y"), ("0/0/1_0", "y"), ("0/0/+1", "y"), ("0/0/--1", "y"),
     ("٣/0/0", "z"), ("0/0/0.png", "y"), ("0/0/.pbf", "y"), ("-/0/0", "z"), ("0x1/0/0", "z")],
)  # fmt: skip
def test_what_is_no_whole_number_is_400_and_named(app: Flask, tile: str, named: str) -> None:
    assert problem(app, f"/tiles/sample.countries/{tile}", 400)["parameter"] == named


def test_unknown_grid_is_404_with_nearest(app: Flask) -> None:
    document = problem(app, "/tiles/WebMercatorQad/sample.countries/0/0/0", 404)
    assert document["nearest"][0] == "WebMercatorQuad"  # type: ignore[index]


def test_unknown_layer_is_404_with_nearest(app: Flask) -> None:
    document = problem(app, "/tiles/sample.countrys/0/0/0", 404)
    assert "sample.countries" in document["nearest"]  # type: ignore[operator]


@pytest.mark.parametrize(
    "layer",
    ['"', "'", "sample.countries'--", "a;b", "%25s", "%28x%29s", "a%00b", "x" * 10_000, "~2F", "~ZZ", "..", "%F0%9F%98%80", "."],
)  # fmt: skip
def test_strange_layer_names_are_404(app: Flask, layer: str) -> None:
    problem(app, f"/tiles/{layer}/0/0/0", 404)


def test_encoded_slash_is_not_a_grid(app: Flask) -> None:
    # gunicorn hands over the path as it was sent; werkzeug's test client does the same
    problem(app, "/tiles/WebMercatorQuad%2Fsample.countries/0/0/0", 404)


def test_empty_path_parts_are_404(app: Flask) -> None:
    problem(app, "/tiles//0/0/0", 404)


def test_tile_matrix_set_as_query_parameter(app: Flask) -> None:
    in_path = get(app, "/tiles/WorldCRS84Quad/sample.countries/0/1/0")
    as_parameter = get(app, "/tiles/sample.countries/0/1/0?tileMatrixSetId=WorldCRS84Quad")
    assert in_path.status_code == 200
    assert in_path.get_data() == as_parameter.get_data()
    problem(app, "/tiles/WebMercatorQuad/sample.countries/0/0/0?TileMatrixSetId=WorldCRS84Quad", 400)


class TestColumns:
    def test_columns_choose_attributes(self, app: Flask) -> None:
        rows = attributes(app, "/tiles/sample.countries/0/0/0?columns=name,iso_a3")
        assert {"name": "France", "iso_a3": "FRA"} in rows
        assert all(set(row) <= {"name", "iso_a3"} for row in rows)

    def test_feature_ids_stay_without_columns(self, app: Flask) -> None:
        found = features(app, "/tiles/sample.countries/0/0/0?columns=")
        assert all(feature["properties"] == {} for feature in found)
        assert len({feature["id"] for feature in found}) == len(found) > 200

    def test_repeated_columns_are_taken_once(self, app: Flask) -> None:
        one = get(app, "/tiles/sample.countries/0/0/0?columns=name,name&columns=iso_a3")
        other = get(app, "/tiles/sample.countries/0/0/0?columns=iso_a3,name")
        assert one.get_data() == other.get_data()

    def test_column_of_another_table_is_400_and_named(self, app: Flask) -> None:
        document = problem(app, "/tiles/sample.countries/0/0/0?columns=name,geonameid", 400)
        assert document["parameter"] == "columns"
        assert "geonameid" in str(document["detail"])

    @pytest.mark.parametrize("columns", ["*", "name;drop table x", '"name', "geom", "ctid", "x" * 9000, ",", "NAME"])
    def test_what_is_no_column_is_400(self, app: Flask, columns: str) -> None:
        problem(app, f"/tiles/sample.countries/0/0/0?columns={columns}", 400)


class TestLimit:
    def test_limit_keeps_the_first_in_key_order_and_says_so(self, app: Flask) -> None:
        response = get(app, "/tiles/sample.countries/0/0/0?limit=5")
        assert response.headers["Flagstone-Tile"] == "limited"
        ids = [feature["id"] for feature in decoded(response)["sample.countries"]["features"]]
        assert ids == [1, 2, 3, 4, 5]

    def test_limit_that_cuts_nothing_is_full(self, app: Flask) -> None:
        assert get(app, "/tiles/sample.countries/0/0/0?limit=241").headers["Flagstone-Tile"] == "full"
        assert get(app, "/tiles/sample.countries/0/0/0?limit=240").headers["Flagstone-Tile"] == "limited"

    @pytest.mark.parametrize("limit", ["-1", "10000", "999999999999999999999999"])
    def test_limit_above_the_maximum_means_the_maximum(self, app: Flask, limit: str) -> None:
        most = get(app, "/tiles/sample.cities/0/0/0")
        assert most.headers["Flagstone-Tile"] == "sampled"
        assert get(app, f"/tiles/sample.cities/0/0/0?limit={limit}").get_data() == most.get_data()

    @pytest.mark.parametrize("limit", ["0", "-2", "ten", "1.5", "", "1&limit=2"])
    def test_other_limits_are_400(self, app: Flask, limit: str) -> None:
        assert problem(app, f"/tiles/sample.countries/0/0/0?limit={limit}", 400)["parameter"] == "limit"


class TestResolutionAndBuffer:
    def test_resolution_is_the_extent(self, app: Flask) -> None:
        layer = decoded(get(app, "/tiles/sample.countries/0/0/0?resolution=512"))["sample.countries"]
        assert layer["extent"] == 512
        boxes = [drawn(feature).bounds for feature in layer["features"]]
        assert 0 <= min(box[0] for box in boxes) < 8
        assert 504 < max(box[2] for box in boxes) <= 512

    @pytest.mark.parametrize("resolution", ["0", "-1", "1000000", "8193", "x", "1e3"])
    def test_impossible_resolutions_are_400(self, app: Flask, resolution: str) -> None:
        assert problem(app, f"/tiles/sample.countries/0/0/0?resolution={resolution}", 400)["parameter"] == "resolution"

    @pytest.mark.parametrize(("buffer", "resolution"), [("513", "4096"), ("-1", "4096"), ("129", "1024"), ("x", "4096")])
    def test_buffer_is_bounded_by_resolution(self, app: Flask, buffer: str, resolution: str) -> None:
        path = f"/tiles/sample.countries/0/0/0?buffer={buffer}&resolution={resolution}"
        assert problem(app, path, 400)["parameter"] == "buffer"

    def test_buffer_draws_what_lies_beside_the_tile(self, app: Flask) -> None:
        def xs(buffer: int) -> list[float]:
            found = features(app, f"/tiles/sample.cities/5/16/10?buffer={buffer}")
            return [feature["geometry"]["coordinates"][0] for feature in found]

        assert all(0 <= x <= 4096 for x in xs(0))
        assert min(xs(512)) < -256 and max(xs(512)) > 4096 + 256

    def test_unknown_parameters_are_ignored_and_share_the_cache(self, app: Flask) -> None:
        plain = get(app, "/tiles/sample.countries/3/4/2")
        other = get(app, "/tiles/sample.countries/3/4/2?utm_source=x&limit=10000")
        assert other.headers["ETag"] == plain.headers["ETag"]


class TestComposite:
    def test_every_layer_of_a_comma_list_is_in_one_gzip_stream(self, app: Flask) -> None:
        response = get(app, "/tiles/sample.countries,sample.cities/4/8/5", Accept_Encoding="gzip")
        layers = decoded(response)
        assert list(layers) == ["sample.countries", "sample.cities"]
        single = decoded(get(app, "/tiles/sample.cities/4/8/5"))
        assert layers["sample.cities"]["features"] == single["sample.cities"]["features"]
        assert response.get_data().count(b"\x1f\x8b\x08") == 1

    def test_a_layer_twice_is_400(self, app: Flask) -> None:
        problem(app, "/tiles/sample.countries,countries/0/0/0", 400)

    def test_an_unknown_member_is_404(self, app: Flask) -> None:
        problem(app, "/tiles/sample.countries,nope/0/0/0", 404)
        problem(app, "/tiles/sample.countries,/0/0/0", 404)

    def test_too_many_members_are_400(self, app: Flask) -> None:
        problem(app, f"/tiles/{','.join(['sample.countries'] * 21)}/0/0/0", 400)

    def test_columns_go_to_the_members_that_have_them(self, app: Flask) -> None:
        layers = decoded(get(app, "/tiles/sample.countries,sample.cities/4/8/5?columns=iso_a3,name"))
        assert set(layers["sample.countries"]["features"][0]["properties"]) == {"iso_a3", "name"}
        assert set(layers["sample.cities"]["features"][0]["properties"]) == {"name"}


class TestHttp:
    def test_empty_tile_is_204(self, app: Flask) -> None:
        response = get(app, "/tiles/sample.cities/16/0/0")
        assert response.status_code == 204
        assert response.get_data() == b""
        assert response.headers["ETag"]
        assert "Content-Type" not in response.headers

    def test_etag_gives_304_and_differs_by_coding(self, app: Flask) -> None:
        plain = get(app, "/tiles/sample.countries/2/2/1")
        zipped = get(app, "/tiles/sample.countries/2/2/1", Accept_Encoding="gzip, br")
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert "Content-Encoding" not in plain.headers
        assert plain.headers["ETag"] != zipped.headers["ETag"]
        again = get(app, "/tiles/sample.countries/2/2/1", Accept_Encoding="gzip", If_None_Match=f'"x", W/{zipped.headers["ETag"]}')
        assert again.status_code == 304
        assert again.get_data() == b""
        assert again.headers["ETag"] == zipped.headers["ETag"]
        assert again.headers["Vary"] == "Accept-Encoding"
        assert get(app, "/tiles/sample.countries/2/2/1", If_None_Match=zipped.headers["ETag"]).status_code == 200

    @pytest.mark.parametrize(
        ("accept", "coded"),
        [("gzip", True), ("*", True), ("gzip;q=0.5", True), ("identity;q=0.5, gzip", True), ("gzip;q=0", False),
         ("identity, gzip;q=0.5", False), ("br", False), ("", False), ("gzip;q=x", False), ("*;q=0", False),
         ("GZIP", True), ("br;q=1, *;q=0.1", True)],
    )  # fmt: skip
    def test_accept_encoding(self, app: Flask, accept: str, coded: bool) -> None:
        response = get(app, "/tiles/sample.countries/2/2/1", Accept_Encoding=accept)
        assert ("Content-Encoding" in response.headers) is coded
        assert decoded(response)

    def test_head_has_the_headers_of_get(self, app: Flask) -> None:
        given = get(app, "/tiles/sample.countries/2/2/1")
        head = app.test_client().head("/tiles/sample.countries/2/2/1")
        assert head.get_data() == b""
        assert head.headers["ETag"] == given.headers["ETag"]
        assert head.headers["Content-Length"] == given.headers["Content-Length"]

    def test_options_answers_a_preflight(self, app: Flask) -> None:
        asked = {"Origin": "https://map.example", "Access-Control-Request-Headers": "authorization"}
        response = app.test_client().options("/tiles/sample.countries/0/0/0", headers=asked)
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Allow-Headers"] == "authorization"
        assert "GET" in response.headers["Access-Control-Allow-Methods"]

    def test_post_is_405_as_a_problem(self, app: Flask) -> None:
        response = app.test_client().post("/tiles/sample.countries/0/0/0")
        assert response.status_code == 405
        assert response.mimetype == "application/problem+json"
        assert "GET" in response.headers["Allow"]

    def test_named_origins_only(self, make_app: MakeApp, sample_database: str) -> None:
        app = make_app(sample_database, FLAGSTONE_CORS_ORIGINS="https://a.example,https://b.example")
        allowed = get(app, "/tiles/sample.countries/0/0/0", Origin="https://b.example")
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://b.example"
        assert "Origin" in allowed.vary
        refused = get(app, "/tiles/nope/0/0/0", Origin="https://c.example")
        assert "Access-Control-Allow-Origin" not in refused.headers

    def test_request_id_of_the_proxy_is_kept_if_sane(self, app: Flask) -> None:
        assert get(app, "/tiles/nope/0/0/0", X_Request_Id="abc-123").headers["X-Request-Id"] == "abc-123"
        assert get(app, "/tiles/nope/0/0/0", X_Request_Id="a b\tc").headers["X-Request-Id"] != "a b\tc"

    def test_max_age_shrinks_with_the_age_of_the_tile(self, make_app: MakeApp, sample_database: str) -> None:
        rules = "sample.countries@0-2=100,sample.c*=0"
        app = make_app(sample_database, FLAGSTONE_CACHE_TTL_S="50", FLAGSTONE_CACHE_RULES=rules)
        assert get(app, "/tiles/sample.countries/0/0/0").headers["Cache-Control"] in ("public, max-age=100", "public, max-age=99")
        assert "max-age=0" in get(app, "/tiles/sample.countries/3/4/2").headers["Cache-Control"]
        assert get(app, "/tiles/sample.liechtenstein_roads/9/269/179").headers["Cache-Control"] in ("public, max-age=50", "public, max-age=49")

    def test_constant_layer_name_for_single_layers_only(self, make_app: MakeApp, sample_database: str) -> None:
        app = make_app(sample_database, FLAGSTONE_MVT_LAYER_NAME="default")
        assert list(decoded(get(app, "/tiles/sample.countries/0/0/0"))) == ["default"]
        both = decoded(get(app, "/tiles/sample.countries,sample.cities/0/0/0"))
        assert list(both) == ["sample.countries", "sample.cities"]
