"""The layers file: what comes of what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

import psycopg
import pytest

from app.layers.bounds import Bounds
from app.layers.identity import ANONYMOUS
from app.layers.layer import RowLayer
from app.layers.tile import Tile
from app.repository.catalog import Catalog
from tests.catalogs import catalog_of, catalog_store, reasons
from tests.conftest import Login, MakeApp
from tests.crowds import rows_of
from tests.tile_decoding import attributes, decoded, features, get

_TABLE = """
CREATE TABLE roads (gid int PRIMARY KEY, name text, class text, lanes int, secret text, geom geometry(Point, 4326));
INSERT INTO roads SELECT n, 'road ' || n, CASE n % 2 WHEN 0 THEN 'major' ELSE 'minor' END, n % 7, 's' || n, ST_Point(n, n, 4326)
FROM generate_series(1, 30) n;
CREATE TABLE "odd ""name" (id int PRIMARY KEY, "a b" text, geom geometry(Point, 4326), geom2 geometry(Point, 3857));
INSERT INTO "odd ""name" VALUES (1, 'x', ST_Point(5, 5, 4326), ST_Point(0, 0, 3857));
"""

WriteFile = Callable[[str], str]


@pytest.fixture
def roads(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_TABLE.encode())
    return database


@pytest.fixture
def file(tmp_path: Path) -> WriteFile:
    def write(text: str) -> str:
        path = tmp_path / "layers.toml"
        path.write_text(text)
        return str(path)

    return write


def _layer(catalog: Catalog, layer_id: str) -> RowLayer:
    layer = catalog.layer(layer_id, ANONYMOUS)
    assert isinstance(layer, RowLayer)
    return layer


# --- what it does ---------------------------------------------------------------------------------------------------


def test_texts_and_bounds_go_into_the_documents(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file(
        '[layers."public.roads"]\ntitle = "Roads"\ndescription = "All of them"\nbounds = [1, 2, 3, 4]\n'
        "attribution = '<script>x</script><a href=\"https://a.example\">A</a>'"
    ))  # fmt: skip
    tilejson = get(app, "/roads/tilejson.json").get_json()
    assert (tilejson["description"], tilejson["bounds"]) == ("All of them", [1, 2, 3, 4])
    assert tilejson["attribution"] == '<a href="https://a.example">A</a>'
    assert get(app, "/table/roads.json").get_json()["title"] == "Roads"


def test_zooms_bound_tiles_and_documents(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nminzoom = 2\nmaxzoom = 5'))
    assert get(app, "/tiles/roads/1/1/0").status_code == 404
    assert get(app, "/tiles/roads/2/2/1").status_code == 200
    assert get(app, "/tiles/roads/6/32/31").status_code == 404
    tilejson = get(app, "/roads/tilejson.json").get_json()
    assert (tilejson["minzoom"], tilejson["maxzoom"]) == (2, 5)


def test_extent_buffer_limit_and_name_are_those_of_its_tiles(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file(
        '[layers."public.roads"]\nextent = 512\nlimit = 4\nmvt_name = "streets"\nbuffer = 0'
    ))  # fmt: skip
    response = get(app, "/tiles/roads/0/0/0")
    layer = decoded(response)["streets"]
    assert (layer["extent"], len(layer["features"]), response.headers["Flagstone-Tile"]) == (512, 4, "limited")
    assert get(app, "/roads/tilejson.json").get_json()["vector_layers"][0]["id"] == "streets"
    # (1, 1) lies 23 units of 4096 into tile 1/1/0, so it is in the buffer of 1/0/0.
    assert get(app, "/tiles/roads/1/0/0").status_code == 204
    assert get(app, "/tiles/roads/1/0/0?buffer=60").status_code == 200


def test_only_the_named_columns_are_served_in_the_tables_order(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\ncolumns = ["lanes", "name"]'))
    assert [list(each) for each in attributes(app, "/tiles/roads/0/0/0?limit=1")] == [["name", "lanes"]]
    assert get(app, "/tiles/roads/0/0/0?columns=secret").status_code == 400
    fields = get(app, "/roads/tilejson.json").get_json()["vector_layers"][0]["fields"]
    assert list(fields) == ["name", "lanes"]
    # A column that is not served tells nothing by a filter either.
    assert len(features(app, "/tiles/roads/0/0/0?secret=s1")) == 30
    assert get(app, "/tiles/roads/0/0/0?filter=secret='s1'").status_code == 400
    assert get(app, "/tiles/roads/0/0/0?sortby=secret").status_code == 400


def test_the_feature_id_stays_where_its_column_is_not_served(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\ncolumns = ["name"]'))
    found = features(app, "/tiles/roads/0/0/0?limit=2")
    assert [(feature["id"], feature["properties"]) for feature in found] == [(1, {"name": "road 1"}), (2, {"name": "road 2"})]


def test_an_empty_list_of_columns_serves_none(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\ncolumns = []'))
    assert attributes(app, "/tiles/roads/0/0/0?limit=1") == [{}]


def test_another_integer_column_can_be_the_feature_id(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nid = "lanes"\nfilter = "gid = 5"'))
    assert [feature["id"] for feature in features(app, "/tiles/roads/0/0/0")] == [5]
    assert get(app, "/table/roads.json").get_json()["id_column"] == "lanes"


def test_rank_decides_what_a_limit_leaves(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    path = "/tiles/roads/0/0/0?limit=3"
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nrank = "-gid"'))
    assert [each["gid"] for each in attributes(app, path)] == [30, 29, 28]
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nrank = ["-lanes", "gid"]'))
    assert [each["gid"] for each in attributes(app, path)] == [6, 13, 20]
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nrank = "-gid"\ncolumns = ["name"]'))
    assert [each["name"] for each in attributes(app, path)] == ["road 30", "road 29", "road 28"]


def test_a_columns_own_sign_is_no_direction(database: str, file: WriteFile, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE t (n int PRIMARY KEY, "-n" int, geom geometry(Point, 4326));'
            "INSERT INTO t SELECT n, (n * 7) % 10, ST_Point(n, n, 4326) FROM generate_series(1, 9) n"
        )
    app = make_app(database, FLAGSTONE_LAYERS_FILE=file('[layers."public.t"]\nrank = "-n"'))
    assert [each["-n"] for each in attributes(app, "/tiles/t/0/0/0?limit=2")] == [1, 2]
    app = make_app(database, FLAGSTONE_LAYERS_FILE=file('[layers."public.t"]\nrank = "--n"'))
    assert [each["-n"] for each in attributes(app, "/tiles/t/0/0/0?limit=2")] == [9, 8]


def test_how_long_tiles_are_kept_is_the_layers_own(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(
        roads, FLAGSTONE_CACHE_TTL_S="50", FLAGSTONE_CACHE_RULES="public.*=20",
        FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nttl_s = 7'),
    )  # fmt: skip
    assert get(app, "/tiles/roads/0/0/0").headers["Cache-Control"] == "public, max-age=7"
    assert get(app, '/tiles/public.odd%20"name/0/0/0').headers["Cache-Control"] == "public, max-age=20"


def test_a_hidden_layer_is_no_layer_by_any_name(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    path = file('[layers."public.roads"]\nhidden = true')
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=path)
    for loaded in (False, True):
        for address in ("/tiles/roads/0/0/0", "/tiles/public.roads/0/0/0", "/roads/tilejson.json", "/table/public.roads.json"):
            assert get(app, address).status_code == 404, (loaded, address)
        app.extensions["flagstone"].catalog.reload()
    assert reasons(catalog_of(roads, FLAGSTONE_LAYERS_FILE=path))["public.roads"] == "hidden by the layers file"
    assert "roads" not in get(app, "/tables.json").get_data(as_text=True)


def test_another_geometry_column_can_be_drawn(roads: str, file: WriteFile) -> None:
    catalog = catalog_of(roads, FLAGSTONE_LAYERS_FILE=file('[layers.\'public.odd "name\']\ngeometry = "geom2"'))
    assert _layer(catalog, 'public.odd "name').geometry.name == "geom2"
    catalog = catalog_of(roads, FLAGSTONE_LAYERS_FILE=file('[layers.\'public.odd "name\']\ngeometry = "geom3"'))
    assert 'public.odd "name' not in {layer.id for layer in catalog.layers}


def test_what_is_said_of_a_table_holds_for_its_other_geometry_columns(
    database: str, file: WriteFile, make_app: MakeApp
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE t (id int PRIMARY KEY, geom geometry(Point, 4326), other geometry(Point, 4326));"
            "INSERT INTO t SELECT n, ST_Point(n, n, 4326), ST_Point(n, 0, 4326) FROM generate_series(1, 9) n"
        )
    table = '[layers."public.t"]\nfilter = "id < 4"\nmvt_name = "x"\n'
    app = make_app(database, FLAGSTONE_LAYERS_FILE=file(table))
    assert len(features(app, "/tiles/public.t.other/0/0/0")) == 3
    assert len(features(app, "/tiles/t/0/0/0?geom-column=other")) == 3
    app = make_app(database, FLAGSTONE_LAYERS_FILE=file(table + '[layers."public.t.other"]\nfilter = "id < 6"'))
    assert len(features(app, "/tiles/public.t.other/0/0/0")) == 5
    hidden = '[layers."public.t"]\nhidden = true\n'
    assert get(make_app(database, FLAGSTONE_LAYERS_FILE=file(hidden)), "/tiles/public.t.other/0/0/0").status_code == 404
    app = make_app(database, FLAGSTONE_LAYERS_FILE=file(hidden + '[layers."public.t.other"]\nhidden = false'))
    assert len(features(app, "/tiles/public.t.other/0/0/0")) == 9


def test_a_single_look_and_the_whole_catalog_agree(roads: str, file: WriteFile) -> None:
    text = ('[layers."public.roads"]\ncolumns = ["name"]\nrank = "-gid"\nfilter = "class = \'major\'"\nbuffer = 10\n'
            'title = "t"\nid = "lanes"\nbounds = [0, 0, 1, 1]')  # fmt: skip
    with catalog_store(roads, FLAGSTONE_LAYERS_FILE=file(text)) as store:
        alone = store.layer("roads", ANONYMOUS)
        assert not store.loaded
        whole = store.reload().layer("roads", ANONYMOUS)
    assert alone == whole
    assert alone.digest == whole.digest


def test_what_decides_tiles_decides_the_digest_and_texts_do_not(roads: str, file: WriteFile) -> None:
    def digest(text: str) -> str:
        return _layer(catalog_of(roads, FLAGSTONE_LAYERS_FILE=file(f'[layers."public.roads"]\n{text}')), "roads").digest

    plain = digest("")
    assert digest('title = "x"\ndescription = "y"\nattribution = "z"\nbounds = [0, 0, 1, 1]') == plain
    others = [digest(text) for text in (
        'columns = ["name"]', 'rank = "gid"', 'rank = "-gid"', "limit = 5", "buffer = 1", "extent = 512", 'id = "lanes"',
        "filter = \"class = 'major'\"", "filter = \"class = 'minor'\"", "minzoom = 3",
    )]  # fmt: skip
    assert len({plain, *others}) == 11


@pytest.mark.parametrize(
    "query",
    ["", "filter=1=1", "filter=class='minor' OR 1=1", "filter=1=1) OR (1=1", "filter=TRUE", "class=minor", "class=major",
     "filter=NOT (class='major')", "filter=class='major' OR class='minor'&filter-lang=cql2-text", "ids=1,2,3", "limit=-1",
     "sortby=-class", "filter=class='minor'--", "filter=class='minor'%00"],
)  # fmt: skip
def test_a_requests_filter_never_escapes_the_one_that_always_applies(
    roads: str, file: WriteFile, make_app: MakeApp, query: str
) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nfilter = "class = \'major\' OR gid = 1000"'))
    response = get(app, f"/tiles/roads/0/0/0?{query}")
    if response.status_code == 400:
        return
    assert {feature["properties"]["class"] for layer in decoded(response).values() for feature in layer["features"]} <= {"major"}


def test_a_filter_may_use_columns_that_are_not_served(roads: str, file: WriteFile, make_app: MakeApp) -> None:
    app = make_app(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\nfilter = "secret = \'s7\'"\ncolumns = ["gid"]'))
    assert attributes(app, "/tiles/roads/0/0/0") == [{"gid": 7}]


@pytest.mark.parametrize("text", ["nothing = 1", "class = ", "class = 'a' OR OR", "(" * 5000, "class"])
def test_a_layer_whose_filter_cannot_be_understood_is_not_served(roads: str, file: WriteFile, text: str) -> None:
    catalog = catalog_of(roads, FLAGSTONE_LAYERS_FILE=file(f'[layers."public.roads"]\nfilter = "{text}"'))
    assert "public.roads" not in {layer.id for layer in catalog.layers}
    assert reasons(catalog)["public.roads"].startswith("its configuration cannot be used: filter: ")
    assert any('[layers."public.roads"]' in notice for notice in catalog.notices)


def test_what_the_database_lacks_is_a_warning(roads: str, file: WriteFile) -> None:
    catalog = catalog_of(roads, FLAGSTONE_LAYERS_FILE=file(
        '[layers."public.raods"]\ntitle = "x"\n[layers."public.roads"]\nrank = "nam"\nid = "name"\ncolumns = ["name", "nothing"]\nextent = 65536'
    ))  # fmt: skip
    notices = [notice for notice in catalog.notices if "layers.toml" in notice]
    assert len(notices) == 5
    for said in (
        '[layers."public.raods"]: there is no such layer; public.roads is one', "rank: there is no column 'nam'; name is one",
        "id: 'name' is text, a feature id must be an integer", "columns: there is no column 'nothing'", "extent 65536",
    ):  # fmt: skip
        assert any(said in notice for notice in notices), said
    assert [column.name for column in _layer(catalog, "roads").columns] == ["name"]


def test_a_file_of_another_database_is_not_told_line_by_line(roads: str, file: WriteFile) -> None:
    catalog = catalog_of(roads, FLAGSTONE_LAYERS_FILE=file("".join(f'[layers."other.t{n}"]\nlimit = 1\n' for n in range(3000))))
    notices = [notice for notice in catalog.notices if "layers.toml" in notice]
    assert len(notices) == 21
    assert "2980 more" in notices[-1]


def test_a_byte_order_mark_is_no_fault(roads: str, tmp_path: Path) -> None:
    path = tmp_path / "layers.toml"
    path.write_bytes(b'\xef\xbb\xbf[layers."public.roads"]\ntitle = "T"')
    assert _layer(catalog_of(roads, FLAGSTONE_LAYERS_FILE=str(path)), "roads").title == "T"


_FUNCTIONS = """
CREATE FUNCTION finished(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS
  'SELECT ST_AsMVT(t, ''f'') FROM (SELECT id, ST_AsMVTGeom(geom, ST_MakeBox2D(ST_Point(-10, -10), ST_Point(10, 10))) AS geom FROM (SELECT 1 AS id, ST_Point(0, 0) AS geom) p) t';
CREATE FUNCTION listed(first int DEFAULT 0) RETURNS TABLE (n int, kind text, geom geometry(Point, 4326)) LANGUAGE sql STABLE AS
  'SELECT i, CASE i % 2 WHEN 0 THEN ''even'' ELSE ''odd'' END, ST_SetSRID(ST_Point(i, i), 4326)::geometry(Point, 4326)
   FROM generate_series(1, 9) i WHERE i >= first';
COMMENT ON FUNCTION listed IS '{"layer": true, "limit": 5, "description": "Rows of a function"}';
"""


def test_layers_of_functions_are_configured_alike(database: str, file: WriteFile, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_FUNCTIONS.encode())
    app = make_app(database, FLAGSTONE_LAYERS_FILE=file(
        '[layers."public.finished"]\ndescription = "D"\nmaxzoom = 3\nttl_s = 9\n'
        '[layers."public.listed"]\nfilter = "kind = \'odd\'"\nrank = "-n"\ncolumns = ["n"]'
    ))  # fmt: skip
    assert get(app, "/tiles/finished/0/0/0").headers["Cache-Control"] == "public, max-age=9"
    assert get(app, "/tiles/finished/4/0/0").status_code == 404
    assert get(app, "/finished/tilejson.json").get_json()["description"] == "D"
    assert attributes(app, "/tiles/listed/0/0/0") == [{"n": 9}, {"n": 7}, {"n": 5}, {"n": 3}, {"n": 1}]
    assert attributes(app, "/tiles/listed/0/0/0?first=4&limit=2") == [{"n": 9}, {"n": 7}]
    assert attributes(app, "/tiles/listed/0/0/0?filter=n%3D2") == []


def test_a_function_cannot_be_filtered_so_it_is_not_served(database: str, file: WriteFile) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_FUNCTIONS.encode())
    catalog = catalog_of(database, FLAGSTONE_LAYERS_FILE=file('[layers."public.finished"]\nfilter = "id = 1"'))
    assert "filter" in reasons(catalog)["public.finished"]
    hidden = '[layers."public.finished"]\nhidden = true\n[layers."public.listed"]\nhidden = true'
    assert catalog_of(database, FLAGSTONE_LAYERS_FILE=file(hidden)).layers == ()


def test_a_warning_is_given_once_until_the_file_changes(
    roads: str, file: WriteFile, caplog: pytest.LogCaptureFixture
) -> None:
    path = file('[layers."public.nothing"]\ntitle = "x"')
    with catalog_store(roads, FLAGSTONE_LAYERS_FILE=path) as store:
        for _ in range(3):
            store.reload()
        assert caplog.text.count("public.nothing") == 1
        file('[layers."public.nothing2"]\ntitle = "x"')
        for _ in range(3):
            store.reload()
    assert caplog.text.count("public.nothing2") == 1


# --- precedence -----------------------------------------------------------------------------------------------------


def test_default_setting_comment_file_and_request_overrule_one_another_in_this_order(
    roads: str, file: WriteFile, make_app: MakeApp
) -> None:
    def counted(query: str = "", **settings: str) -> tuple[int, int]:
        """The extent, and the most features."""
        app = make_app(roads, **settings)
        layer = decoded(get(app, f"/tiles/roads/0/0/0{query}"))["public.roads"]
        request = rows_of(app, "public.roads", Tile(0, 0, 0), **dict(parse_qsl(query.lstrip("?")))).request
        assert len(layer["features"]) <= request.limit
        return layer["extent"], request.limit

    assert counted() == (4096, 10_000)
    setting = {"FLAGSTONE_TILE_EXTENT": "2048", "FLAGSTONE_MAX_FEATURES": "20"}
    assert counted(**setting) == (2048, 20)
    with psycopg.connect(roads, autocommit=True) as connection:
        connection.execute("""COMMENT ON TABLE roads IS '{"extent": 1024, "limit": 10}'""")
    assert counted(**setting) == (1024, 10)
    with_file = setting | {"FLAGSTONE_LAYERS_FILE": file('[layers."public.roads"]\nextent = 512\nlimit = 5')}
    assert counted(**with_file) == (512, 5)
    assert counted("?resolution=256&limit=2", **with_file) == (256, 2)
    # A request may ask for less than the layer has, never for more; nor does a layer for more than the setting.
    assert counted("?limit=100", **with_file) == (512, 5)
    assert counted(**setting | {"FLAGSTONE_LAYERS_FILE": file('[layers."public.roads"]\nlimit = 25')}) == (1024, 20)


def test_the_file_overrules_single_members_of_a_comment(roads: str, file: WriteFile) -> None:
    with psycopg.connect(roads, autocommit=True) as connection:
        connection.execute(
            """COMMENT ON TABLE roads IS '{"title": "T", "description": "D", "attribution": "A", "bounds": [1, 2, 3, 4]}'"""
        )
    layer = _layer(catalog_of(roads, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\ntitle = "F"\nattribution = ""')), "roads")
    assert (layer.title, layer.description, layer.attribution) == ("F", "D", None)
    assert layer.declared_bounds == Bounds(1, 2, 3, 4)


def test_rights_stay_what_the_database_says(roads: str, file: WriteFile, login: Login, make_app: MakeApp) -> None:
    dsn = login(roads, "reader", "GRANT SELECT (gid, name, geom) ON roads TO reader")
    app = make_app(dsn, FLAGSTONE_LAYERS_FILE=file('[layers."public.roads"]\ncolumns = ["name", "secret"]\nid = "lanes"'))
    found = features(app, "/tiles/roads/0/0/0?limit=1")
    # The decoder says 0 where there is no id; the column of the file would give 1.
    assert [(feature["id"], feature["properties"]) for feature in found] == [(0, {"name": "road 1"})]


def test_a_rank_without_an_order_is_told_and_left_out(database: str, file: WriteFile, make_app: MakeApp) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.j (id int PRIMARY KEY, data json, geom public.geometry(Point, 4326))")
        connection.execute("INSERT INTO public.j SELECT n, '{}', public.ST_SetSRID(public.ST_MakePoint(n, 1), 4326) FROM generate_series(1, 9) AS n")
    app = make_app(database, FLAGSTONE_LAYERS_FILE=file('[layers."public.j"]\nrank = ["data", "-id"]'))
    assert [feature["id"] for feature in decoded(get(app, "/tiles/public.j/0/0/0?limit=2"))["public.j"]["features"]] == [9, 8]
    assert any("'data' is json, which has no order" in notice for notice in app.extensions["flagstone"].catalog.catalog().notices)
