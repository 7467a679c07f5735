"""Functions of the database that return rows with a geometry: which are layers, and how they are called."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from app.layers.row_function import RowFunctionLayer
from tests.catalogs import catalog_of, reasons
from tests.conftest import Login, MakeApp
from tests.tile_decoding import attributes, decoded, drawn, features, get

NAMED = "towns_above,twice,towns,any_*,no_names,writes,changes_*,fails,returns_*"


@pytest.fixture
def towns(oddity: Callable[[str], str]) -> str:
    return oddity("row_functions")


@pytest.fixture
def app(make_app: MakeApp, towns: str) -> Flask:
    return make_app(towns, FLAGSTONE_ROW_FUNCTIONS=NAMED, CACHE_TYPE="NullCache", FLAGSTONE_POOL_SIZE=2)


def test_only_what_is_named_is_a_layer_and_the_others_say_why(towns: str) -> None:
    catalog = catalog_of(towns)
    published = {layer.id for layer in catalog.layers if isinstance(layer, RowFunctionLayer)}
    assert published == {"public.here", "public.middle", "public.bare", "public.globe", "public.two_shapes", 'Odd Schema.the "func" %s'}
    said = reasons(catalog)
    assert "nothing names it as a layer" in said["public.unnamed_by_anyone"]
    assert "FLAGSTONE_ROW_FUNCTIONS" in said["public.towns_above"]
    assert said["public.nowhere"].startswith("SRID 77777 has no definition")
    assert not {"public.no_geometry", "public.one_geometry"} & said.keys()


def test_a_pattern_of_the_settings_names_them_too(towns: str) -> None:
    catalog = catalog_of(towns, FLAGSTONE_ROW_FUNCTIONS="public.towns_*,any_*,no_names")
    assert "public.towns_above" in {layer.id for layer in catalog.layers}
    said = reasons(catalog)
    assert said["public.any_number"] == "it takes any number of arguments (VARIADIC)"
    assert said["public.no_names"] == "one of its arguments has no name"
    assert said["public.any_type"] == "it takes an argument of any type"


def test_functions_of_an_extension_are_never_layers(towns: str) -> None:
    assert not any("st_" in name for name in reasons(catalog_of(towns)))
    catalog = catalog_of(towns, FLAGSTONE_ROW_FUNCTIONS="*")
    assert not any(layer.name.startswith("st_") for layer in catalog.layers)
    assert reasons(catalog)["public.st_squaregrid"] == "belongs to the extension postgis"


def test_excluded_functions_and_schemas_stay_out(towns: str) -> None:
    said = reasons(catalog_of(towns, FLAGSTONE_EXCLUDE_FUNCTIONS="here", FLAGSTONE_EXCLUDE_SCHEMAS="Odd*"))
    assert said["public.here"] == "it is excluded by FLAGSTONE_EXCLUDE_FUNCTIONS"
    assert said['Odd Schema.the "func" %s'] == "its schema is excluded by FLAGSTONE_EXCLUDE_SCHEMAS"


def test_a_set_of_a_tables_rows_is_a_layer_like_the_table(app: Flask) -> None:
    found = features(app, "/tiles/towns_above/4/8/7")
    assert {feature["properties"]["id"] for feature in found} == set(range(5, 21))
    assert {row["id"] for row in attributes(app, "/tiles/towns_above/4/8/7?lowest=19")} == {19, 20}
    assert attributes(app, "/tiles/towns_above/4/8/7?lowest=19&columns=name&limit=1") == [{"name": "town 19"}]
    assert get(app, "/tiles/towns_above/4/8/7?limit=3").headers["Flagstone-Tile"] == "limited"
    assert {row["id"] for row in attributes(app, "/tiles/towns_above/4/8/7?filter=people%3E18000")} == {19, 20}
    assert attributes(app, "/tiles/towns_above/4/8/7?name=town%207&columns=id") == [{"id": 7}]


def test_rows_outside_of_the_tile_are_not_in_it(app: Flask) -> None:
    assert get(app, "/tiles/towns_above/4/0/0").status_code == 204


def test_the_tile_fills_zoom_column_row_and_box(app: Flask) -> None:
    [said] = attributes(app, "/tiles/here/2/1/1?word=hello&z=9&x=9&y=9&bounds=POINT(0%200)")
    assert said.pop("west") == pytest.approx(-90 - 90 / 16)
    assert said == {"zoom": 2, "col": 1, "line": 1, "word_out": "hello", "box_srid": 4326}
    assert attributes(app, "/tiles/here/2/1/1?columns=word_out") == [{"word_out": "none"}]


def test_the_reference_system_of_a_comment_is_that_of_the_box(app: Flask) -> None:
    [feature] = features(app, "/tiles/middle/3/4/3")
    assert feature["properties"] == {"n": 3}
    assert drawn(feature).bounds == pytest.approx((2048, 2048, 2048, 2048), abs=1)


def test_bare_geometries_are_a_layer_without_attributes(app: Flask) -> None:
    [feature] = features(app, "/tiles/bare/3/4/3")
    assert feature["properties"] == {}
    assert [each["properties"] for each in features(app, "/tiles/WorldCRS84Quad/bare/3/4/3")] == [{}]


def test_geography_goes_in_and_comes_out(app: Flask) -> None:
    assert {row["n"] for row in attributes(app, "/tiles/globe/4/8/7")} == set(range(1, 21))


def test_overloads_and_a_function_beside_a_table_have_ids_of_their_own(app: Flask) -> None:
    assert {row["id"] for row in attributes(app, "/tiles/public.twice(int4)/4/8/7?a=3")} == {3}
    assert {row["id"] for row in attributes(app, "/tiles/public.twice(int4~2Cint4)/4/8/7?a=3&b=4")} == {3, 4}
    assert len(features(app, "/tiles/public.towns/4/8/7")) == 20
    assert len(features(app, "/tiles/public.towns()/4/8/7")) == 2
    app.extensions["flagstone"].catalog.reload()
    assert len(features(app, "/tiles/public.towns()/4/8/7")) == 2


@pytest.mark.parametrize("loaded", [False, True])
def test_overloads_have_the_names_that_functions_with_tiles_have(app: Flask, loaded: bool) -> None:
    if loaded:
        app.extensions["flagstone"].catalog.reload()
    for name in ("twice", "public.twice", "twice(int4)"):
        assert {row["id"] for row in attributes(app, f"/tiles/{name}/4/8/7?a=3")} == {3}, name
    for name in ("twice", "public.twice"):
        assert {row["id"] for row in attributes(app, f"/tiles/{name}/4/8/7?a=3&b=4")} == {3, 4}, name
    assert {row["id"] for row in attributes(app, "/tiles/twice(int4~2Cint4)/4/8/7?a=3&b=4")} == {3, 4}
    assert len(features(app, "/tiles/towns()/4/8/7")) == 2


def test_names_of_any_kind_are_names(app: Flask) -> None:
    path = "/tiles/Odd%20Schema.the%20%22func%22%20%25s/4/8/7"
    [said] = [feature["properties"] for feature in decoded(
        app.test_client().get(path, query_string={"a ) %(x)s": "7", "B.c": "'; DROP TABLE towns; --"})
    )['Odd Schema.the "func" %s']["features"]]  # fmt: skip
    assert said == {"N %": 7, 't";--': "'; DROP TABLE towns; --"}
    assert len(features(app, "/tiles/public.towns/4/8/7")) == 20


@pytest.mark.parametrize(
    ("path", "parameter"),
    [("public.twice(int4)/4/8/7", "a"), ("public.twice(int4)/4/8/7?a=x", "a"), ("towns_above/4/8/7?lowest=1.5", "lowest"),
     ("towns_above/4/8/7?lowest=1&lowest=2", "lowest"), ("here/4/8/7?word=%00", "word")],
)  # fmt: skip
def test_a_missing_or_mistyped_argument_is_a_400_that_names_it(app: Flask, path: str, parameter: str) -> None:
    response = get(app, f"/tiles/{path}")
    assert response.status_code == 400
    assert response.json is not None
    assert response.json["parameter"] == parameter


@pytest.mark.parametrize("name", ["returns_nothing", "returns_null"])
def test_no_row_and_a_row_of_nothing_are_an_empty_tile(app: Flask, name: str) -> None:
    response = get(app, f"/tiles/{name}/4/8/7")
    assert response.status_code in (204, 404), response.get_data(as_text=True)


def test_a_function_that_writes_is_refused_and_nothing_is_written(app: Flask, towns: str) -> None:
    response = get(app, "/tiles/writes/4/8/7")
    assert response.status_code == 403
    assert response.json is not None
    assert "tries to write" in response.json["detail"]
    with psycopg.connect(towns) as connection:
        assert connection.execute("SELECT count(*) FROM towns").fetchone() == (20,)


def test_what_a_function_sets_ends_with_its_tile(app: Flask) -> None:
    for _ in range(4):
        assert len(features(app, "/tiles/changes_settings/4/8/7")) == 20
        assert len(features(app, "/tiles/towns_above/4/8/7")) == 16


def test_what_a_function_says_when_it_fails_stays_in_the_log(app: Flask) -> None:
    response = get(app, "/tiles/fails/4/8/7?because=mine")
    assert response.status_code == 500
    assert "secret" not in response.get_data(as_text=True)


@pytest.mark.parametrize("geometry", ["ST_Transform(geom, 3857)", "ST_SetSRID(geom, 0)", "geom"])
def test_rows_in_another_reference_system_than_the_layers_are_drawn_where_they_belong(
    app: Flask, towns: str, geometry: str
) -> None:
    with psycopg.connect(towns, autocommit=True) as connection:
        connection.execute(
            (f"CREATE FUNCTION astray() RETURNS TABLE (id int, geom geometry) LANGUAGE sql STABLE AS 'SELECT id, {geometry} FROM towns';"
             """COMMENT ON FUNCTION astray IS '{"layer": true}'""").encode()
        )
    places = [
        sorted(drawn(feature).bounds for feature in features(app, f"/tiles/{layer}/4/8/7"))
        for layer in ("public.astray", "public.towns")
    ]
    assert len(places[0]) == 20
    assert places[0] == places[1]


def test_only_who_may_execute_a_function_sees_its_layer(login: Login, towns: str, make_app: MakeApp) -> None:
    reader = login(
        towns, "no_executor", "REVOKE EXECUTE ON FUNCTION here FROM PUBLIC", "GRANT SELECT ON towns TO no_executor"
    )
    app = make_app(reader)
    assert get(app, "/tiles/public.here/0/0/0").status_code == 404
    assert get(app, "/tiles/public.bare/0/0/0").status_code == 200
    assert "neither the login nor a role" in reasons(catalog_of(reader))["public.here"]


def test_a_replaced_function_is_found_with_the_next_catalog(app: Flask, towns: str) -> None:
    assert attributes(app, "/tiles/here/0/0/0?columns=word_out") == [{"word_out": "none"}]
    with psycopg.connect(towns, autocommit=True) as connection:
        connection.execute(
            "DROP FUNCTION here; CREATE FUNCTION here(bounds geometry, a int DEFAULT 2) RETURNS TABLE (b int, geom geometry)"
            " LANGUAGE sql STABLE AS 'SELECT a, ST_Centroid(bounds)';"
            """COMMENT ON FUNCTION here IS '{"layer": true}'"""
        )
    app.extensions["flagstone"].catalog.reload()
    assert attributes(app, "/tiles/here/0/0/0") == [{"b": 2}]


def test_it_shares_a_tile_with_a_table(app: Flask) -> None:
    layers = decoded(get(app, "/tiles/public.towns,public.here/4/8/7?public.here.word=x"))
    assert {name: len(layer["features"]) for name, layer in layers.items()} == {"public.towns": 20, "public.here": 1}


def test_tilejson_states_its_columns_and_bounds(app: Flask) -> None:
    document = get(app, "/public.here/tilejson.json").json
    assert document is not None
    assert document["bounds"] == [-180, -80, 180, 80]
    [layer] = document["vector_layers"]
    assert layer["fields"] == {
        "zoom": "Number", "col": "Number", "line": "Number", "word_out": "String", "west": "Number", "box_srid": "Number"
    }  # fmt: skip


def test_the_sample_has_one(sample_database: str, make_app: MakeApp) -> None:
    app = make_app(sample_database)
    found = features(app, "/tiles/cities_in_view/4/8/5?at_least=1500000&columns=name")
    assert {feature["properties"]["name"] for feature in found} >= {"Vienna", "Hamburg"}
    assert all(feature["id"] > 1000 for feature in found)
    document = get(app, "/function/cities_in_view.json").json
    assert document is not None
    assert document["arguments"] == [
        {"name": "at_least", "type": "integer", "required": False, "has_default": True, "default": "100000",
         "description": "Inhabitants, at least."}
    ]  # fmt: skip


def test_the_comment_names_the_geometry_column_where_there_are_several(app: Flask) -> None:
    assert attributes(app, "/tiles/two_shapes/3/4/3") == [{"n": 1}]
    document = get(app, "/two_shapes/tilejson.json").json
    assert document is not None
    assert not {"srid", "layer", "geometry"} & document.keys()


def test_the_layers_file_says_more_of_it(make_app: MakeApp, towns: str, tmp_path: Path) -> None:
    (tmp_path / "layers.toml").write_text(
        """
        [layers."public.untyped"]
        columns = ["name"]
        filter = "people > 18000"
        rank = ["-people"]
        id = "id"
        title = "From the file"
        """
    )
    with psycopg.connect(towns, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION untyped() RETURNS TABLE (id int, name text, people int, geom geometry) LANGUAGE sql STABLE AS"
            " 'SELECT id, name, people, geom FROM towns'"
        )
    app = make_app(towns, FLAGSTONE_ROW_FUNCTIONS="untyped", FLAGSTONE_LAYERS_FILE=str(tmp_path / "layers.toml"))
    found = features(app, "/tiles/untyped/4/8/7")
    assert [(feature["id"], feature["properties"]) for feature in found] == [(20, {"name": "town 20"}), (19, {"name": "town 19"})]


class TestReferenceSystems:
    """PostgreSQL does not hold a function to what it says of its geometry; each row may be in a system of its own."""

    ROWS = """CREATE FUNCTION anywhere(srid int, and_srid int DEFAULT 4326) RETURNS TABLE (id int, geom geometry) LANGUAGE sql STABLE AS
        $$ SELECT 1, ST_SetSRID(ST_MakePoint(9, 5), srid) UNION ALL SELECT 2, ST_SetSRID(ST_MakePoint(10, 5), and_srid) $$"""

    @pytest.fixture
    def app(self, towns: str, make_app: MakeApp) -> Flask:
        with psycopg.connect(towns, autocommit=True) as connection:
            connection.execute(self.ROWS)
            connection.execute("INSERT INTO spatial_ref_sys VALUES (888001, 'x', 1, 'PROJCS[nonsense', '+proj=nonsense')")
            connection.execute("CREATE FUNCTION meters() RETURNS SETOF geometry LANGUAGE sql STABLE AS $$ SELECT ST_MakePoint(1057535, 557305) $$")
            connection.execute("""COMMENT ON FUNCTION meters IS '{"layer": true, "srid": 3857}'""")
            connection.execute("CREATE FUNCTION broken() RETURNS SETOF towns LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY SELECT id, name, people, ST_SetSRID(geom, 77777) FROM towns; END $$")
        return make_app(towns, FLAGSTONE_ROW_FUNCTIONS="anywhere,broken", CACHE_TYPE="NullCache")

    @pytest.mark.parametrize("query", ["srid=77777", "srid=0&and_srid=77777", "srid=77777&and_srid=77778", "srid=77777&filter=id=1", "srid=77777&filter=S_WITHIN(geom,POLYGON((0%200,20%200,20%2020,0%2020,0%200)))"])
    def test_rows_of_a_system_that_the_database_does_not_know_are_told(self, app: Flask, query: str, caplog: pytest.LogCaptureFixture) -> None:
        response = get(app, f"/tiles/anywhere/4/8/7?{query}")
        assert response.status_code == 500
        assert response.get_json(force=True)["detail"].startswith("The function of layer public.anywhere returns rows of SRID 7777")
        assert "spatial_ref_sys" in caplog.text

    def test_a_definition_that_cannot_be_used_is_a_fault_without_text_of_the_database(self, app: Flask) -> None:
        response = get(app, "/tiles/anywhere/4/8/7?srid=888001")
        assert response.status_code == 500
        assert "LWPROJ" not in response.get_data(as_text=True)

    def test_rows_without_a_system_are_in_that_of_the_layer(self, app: Flask) -> None:
        assert {row["id"] for row in attributes(app, "/tiles/anywhere/4/8/7?srid=0&and_srid=0")} == {1, 2}
        assert len(features(app, "/tiles/meters/4/8/7")) == 1

    def test_each_row_may_have_a_system_of_its_own(self, app: Flask) -> None:
        assert {row["id"] for row in attributes(app, "/tiles/anywhere/4/8/7?srid=0&and_srid=4258")} == {1, 2}

    def test_rows_that_are_not_what_the_function_says_are_a_fault_of_it(self, app: Flask) -> None:
        for _ in range(3):
            response = get(app, "/tiles/broken/4/8/7")
            assert response.status_code in (500, 503)
            assert "77777" not in response.get_data(as_text=True)
