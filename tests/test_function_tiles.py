"""Functions that return a finished tile: what they are called with, and what becomes of what they return."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from flask import Flask

from tests.conftest import ODDITIES, MakeApp
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import decoded, get

TILE = "8/134/89"


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    """One database for all tests that change nothing in it."""
    from app import create_app
    from app.settings import Settings

    made = server.create(template)
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute((ODDITIES / "functions.sql").read_bytes())
    app = create_app(Settings.of(DATABASE_URL=made, CACHE_TYPE="NullCache", FLAGSTONE_CATALOG_MISS_INTERVAL_S="3600"))
    yield app
    app.extensions["flagstone"].close()
    server.drop(made)


def told(app: Flask, path: str) -> Any:
    """What a function says that it was given."""
    (feature,) = decoded(get(app, path))["told"]["features"]
    return json.loads(feature["properties"]["facts"])


def assert_refused(app: Flask, path: str, status: int, *words: str, parameter: str | None = None) -> None:
    response = get(app, path)
    text = response.get_data(as_text=True)
    assert response.status_code == status, text
    problem = response.get_json(force=True)
    assert "hunter2" not in text
    for word in words:
        assert word in problem["detail"], problem["detail"]
    if parameter is not None:
        assert problem["parameter"] == parameter


def hits(app: Flask) -> float:
    """How many tiles came out of the cache in this process."""
    text = get(app, "/metrics").get_data(as_text=True)
    (line,) = (line for line in text.splitlines() if line.startswith('flagstone_cache_events_total{event="hit"}'))
    return float(line.rpartition(" ")[2])


class TestByBox:
    """`f(xmin, ymin, xmax, ymax, epsg, query_params json)`, as TiMVT calls it."""

    def test_gets_the_tiles_box_and_every_value_as_text(self, app: Flask) -> None:
        facts = told(app, "/tiles/by_box/1/1/0?a=1&b=true&c=x&c=2&d=null&Odd%20%22=%C3%BC")
        assert facts["epsg"] == 3857
        assert facts["box"] == pytest.approx([0, 0, 20037508.342789244, 20037508.342789244])
        assert facts["query"] == {"a": "1", "b": "true", "c": ["x", "2"], "d": "null", 'Odd "': "ü"}

    @pytest.mark.parametrize(("grid", "epsg"), [("EuropeanETRS89_LAEAQuad", 3035), ("WorldCRS84Quad", 4326), ("UTM31WGS84Quad", 32631)])
    def test_answers_in_every_grid_that_has_an_epsg_code(self, app: Flask, grid: str, epsg: int) -> None:
        found = app.extensions["flagstone"].grids.get(grid)
        matrix = found.matrices[found.minzoom]
        facts = told(app, f"/tiles/{grid}/by_box/{found.minzoom}/0/0?TileMatrixSetId={grid}")
        assert facts["epsg"] == epsg
        assert facts["query"] == {}
        box = matrix.bounds(0, 0)
        assert facts["box"] == pytest.approx(box.as_list())

    def test_grid_without_an_epsg_code_is_400(self, oddity: Callable[[str], str], make_app: MakeApp) -> None:
        app = make_app(oddity("functions"), FLAGSTONE_TMS_DIRECTORY=str(ODDITIES.parent / "grids"))
        grids = app.extensions["flagstone"].grids
        without = next(grid for grid in grids.ids if not grids.get(grid).crs.srid)
        zoom = grids.get(without).minzoom
        assert_refused(app, f"/tiles/{without}/by_box/{zoom}/0/0", 400, without, "no EPSG code", parameter="TileMatrixSetId")


class TestByName:
    """`f(z, x, y, further arguments)`, as pg_tileserv calls it."""

    def test_what_is_not_given_has_the_defaults_of_postgresql(self, app: Flask) -> None:
        assert told(app, f"/tiles/by_name/{TILE}") == {
            "z": 8, "x": 134, "y": 89, "smallest": 15, "word": "a, b", "odd": None,
        }  # fmt: skip

    def test_arguments_are_given_by_name_in_any_order(self, app: Flask) -> None:
        odd = quote('Odd "Name%')
        facts = told(app, f"/tiles/by_name/{TILE}?{odd}=%25s&word=x'y&smallest=-3&nobodys=1")
        assert (facts["smallest"], facts["word"], facts["odd"]) == (-3, "x'y", "%s")

    def test_a_missing_argument_is_400_and_named(self, app: Flask) -> None:
        assert_refused(app, f"/tiles/needy/{TILE}", 400, "smallest", "missing", parameter="smallest")
        assert len(decoded(get(app, f"/tiles/needy/{TILE}?smallest=15"))["needy"]["features"]) == 1

    def test_known_parameters_belong_to_the_function_that_has_arguments_of_their_names(self, app: Flask) -> None:
        assert told(app, f"/tiles/filtered/{TILE}?limit=0&columns=a,b") == {"limit": 0, "columns": "a,b"}

    @pytest.mark.parametrize("query", ["limit=x0", "buffer=99999", "columns=nobodys", "sortby=nobodys"])
    def test_parameters_of_tables_mean_nothing_to_other_functions(self, app: Flask, query: str) -> None:
        assert list(decoded(get(app, f"/tiles/plain/{TILE}?{query}"))) == ["plain"]

    @pytest.mark.parametrize(
        ("query", "value"),
        [
            ("i2=-32768", -32768), ("i2=%2B7", 7), ("i2=007", 7), ("i8=9223372036854775807", 9223372036854775807),
            ("f4=1.5", 1.5), ("f8=1e3", 1000), ("f8=.5", 0.5), ("n=12345678901234567890.10", 12345678901234567890.10),
            ("b=yes", True), ("b=OFF", False), ("t=it's;--", "it's;--"), ("t=", ""), ("c=abcdefgh", "abcdefgh"),
            ("d=2024-02-29", "2024-02-29"), ("d=infinity", "infinity"), ("ts=2024-01-02T03:04:05.5", "2024-01-02T03:04:05.5"),
            ("tz=2024-01-02T03:04:05%2B02:00", "2024-01-02T01:04:05+00:00"), ("tz=2024-01-02", "2024-01-02T00:00:00+00:00"),
            ("tm=03:04", "03:04:00"),
            ("u=A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ('j={"a":[1,null]}', {"a": [1, None]}), ("jb=[1,2]", [1, 2]),
            ("ints=1,2,3", [1, 2, 3]), ("ints=1&ints=2", [1, 2]), ("ints={4,5}", [4, 5]), ("ints=", []),
            ('texts=a,"b,c"', ["a", "b,c"]), ('texts=x,y&texts="q"\\', ["x,y", '"q"\\']),
            ("e=blue", "blue"), ("es=red,blue", ["red", "blue"]), ("p=3", 3), ("iv=P1D", "P1D"), ("g=POINT(1 2)", "POINT(1 2)"),
            ("r=places", "places"),
        ],
    )  # fmt: skip
    def test_values_arrive_as_what_they_are(self, app: Flask, query: str, value: object) -> None:
        name = query.partition("=")[0]
        assert told(app, f"/tiles/typed/{TILE}?{quote(query, safe='=&%')}") [name] == value

    @pytest.mark.parametrize(
        "query",
        [
            "i2=32768", "i2=1.0", "i2=", "i2= 1", "i2=1_0", "i2=٣", "i2=1;2", "i8=9223372036854775808", "i8=" + "9" * 5000, "f4=1e39", "f8=1e999",
            "f8=x", "f8=0x1", "f8=1_0", "n=1e", "n=1e999999", "b=maybe", "b=", "b=2", "d=2024-02-30", "d=today", "d=20240101", "d=2024-W01-1", "ts=now",
            "ts=2024-01-02T25:00", "tz=2024-01-02T03:04:05%2B23:59", "tm=24:61", "u=1", "u={a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "j={", "j=NaN", "j=Infinity",
            "jb=" + "[" * 3000, "jb=\"\\u0000\"", "ints=1,a", "ints={1,a}", "ints={1,2", "ints=1,,2", "e=green", "es=red,green", "p=0", "p=-1", "iv=soon", "g=POINT(1",
            "g=hunter2", "r=hunter2", "r=hunter2.x", "r=a.b.c.d", "t=a%00b", "i2=1&i2=2", "texts=a%00&texts=b", "texts=\"a", "c=%00",
        ],
    )  # fmt: skip
    def test_a_mistyped_argument_is_400_and_named(self, app: Flask, query: str) -> None:
        name = query.partition("=")[0]
        assert_refused(app, f"/tiles/typed/{TILE}?{quote(query, safe='=&%')}", 400, name, parameter=name)

    def test_a_domain_that_takes_no_null_names_its_argument_too(self, app: Flask) -> None:
        assert told(app, f"/tiles/strict_one/{TILE}?e=red") == {"e": "red"}
        assert_refused(app, f"/tiles/strict_one/{TILE}?e=green", 400, "e", parameter="e")

    def test_equal_values_are_one_tile_in_the_cache(self, oddity: Callable[[str], str], make_app: MakeApp) -> None:
        app = make_app(oddity("functions"))
        before = hits(app)
        sources = [get(app, f"/tiles/typed/{TILE}?{query}").status_code for query in ("i2=7&b=1", "b=true&i2=007", "i2=7&b=yes&nobodys=1")]
        assert sources == [200, 200, 200]
        assert hits(app) == before + 2

    def test_other_grids_are_400(self, app: Flask) -> None:
        assert_refused(app, "/tiles/WorldCRS84Quad/plain/2/0/0", 400, "WebMercatorQuad", parameter="TileMatrixSetId")
        assert get(app, f"/tiles/WebMercatorQuad/plain/{TILE}").status_code == 200


class TestByQuery:
    """`f(z, x, y, query json)`, as Martin calls it."""

    def test_numbers_booleans_and_repeated_names_are_json_values(self, app: Flask) -> None:
        query = 'a=1&b=true&c=x&c=2&d=null&e={"f":[1]}&g=007&h=1.50&i=NaN&j=&k="q"&l=-1e3'
        expected = {
            "a": 1, "b": True, "c": ["x", 2], "d": None, "e": {"f": [1]}, "g": "007", "h": 1.5, "i": "NaN", "j": "", "k": "q", "l": -1000,
        }  # fmt: skip
        for layer in ("by_query", "by_query_b"):
            assert told(app, f"/tiles/{layer}/{TILE}?{quote(query, safe='=&')}") == expected

    def test_without_a_query_string_it_gets_an_empty_object(self, app: Flask) -> None:
        assert told(app, f"/tiles/by_query/{TILE}") == {}
        assert told(app, f"/tiles/by_query/{TILE}?TileMatrixSetId=WebMercatorQuad&tilematrixsetid=WebMercatorQuad") == {}

    @pytest.mark.parametrize("query", ["a=%00", "%00=a", "a=" + "[" * 5000, "a=" + "9" * 5000, "a=1e999999", "a=[1e400]", 'a={"x":"\\u0000"}', "a=\ud83d"])
    def test_no_value_makes_it_fail(self, app: Flask, query: str) -> None:
        response = get(app, f"/tiles/by_query_b/{TILE}?{quote(query, safe='=&%', errors='surrogatepass')}")
        assert response.status_code in (200, 400), response.get_data(as_text=True)

    def test_a_nul_in_a_json_value_that_becomes_text_is_400(self, make_app: MakeApp, sample_database: str) -> None:
        app = make_app(sample_database)
        for value in ('"\\u0000"', '{"a":"\\u0000"}'):
            path = f"/tiles/sample.countries_by_query/2/2/1?x={quote(value)}"
            assert_refused(app, path, 400, "sample.countries_by_query", parameter="x")

    def test_a_number_that_no_double_holds_is_a_text(self, app: Flask) -> None:
        assert told(app, f"/tiles/by_query/{TILE}?a=1e400&b=1e15") == {"a": "1e400", "b": 10**15}

    def test_zoom_may_be_called_zoom(self, app: Flask) -> None:
        names = [feature["properties"]["name"] for feature in decoded(get(app, f"/tiles/plain/{TILE}"))["plain"]["features"]]
        assert names == ["one", "two"]


class TestResult:
    def test_null_and_no_row_are_an_empty_tile(self, app: Flask) -> None:
        for layer in ("nothing", "no_row"):
            assert get(app, f"/tiles/{layer}/{TILE}").status_code == 204

    def test_tile_outside_of_the_grid_is_404(self, app: Flask) -> None:
        assert get(app, "/tiles/plain/1/2/0").status_code == 404
        assert get(app, "/tiles/by_name/1/0/0").status_code == 404

    def test_a_text_beside_the_tile_is_its_etag(self, app: Flask) -> None:
        plain = get(app, f"/tiles/tagged/{TILE}")
        assert plain.headers["ETag"] == '"6e8a1d0ba2b3e2c3b4a2f2a8a5d46d4e"' or len(plain.headers["ETag"]) == 34
        assert get(app, f"/tiles/tagged_out/{TILE}").headers["ETag"] == '"out"'
        packed = get(app, f"/tiles/tagged/{TILE}?tag=abc", Accept_Encoding="gzip")
        assert packed.headers["ETag"] == '"abc-gzip"'
        again = get(app, f"/tiles/tagged/{TILE}?tag=abc", Accept_Encoding="gzip", If_None_Match='"abc-gzip"')
        assert again.status_code == 304
        assert decoded(packed)["tagged"]

    @pytest.mark.parametrize("tag", ['a"b', "a b", "a,b", "ü", "a\r\nSet-Cookie: x", "x" * 500])
    def test_a_tag_that_no_header_may_hold_is_hashed(self, app: Flask, tag: str) -> None:
        response = get(app, f"/tiles/tagged/{TILE}?tag={quote(json.dumps(tag))}")
        assert response.status_code == 200
        assert len(response.headers["ETag"].strip('"')) == 32
        assert "Set-Cookie" not in response.headers

    def test_a_tag_survives_the_cache(self, oddity: Callable[[str], str], make_app: MakeApp) -> None:
        app = make_app(oddity("functions"))
        for _ in range(2):
            assert get(app, f"/tiles/tagged/{TILE}?tag=abc").headers["ETag"] == '"abc"'

    @pytest.mark.parametrize("cache", ["memory", "NullCache"])
    def test_a_picture_is_sent_as_it_is(self, oddity: Callable[[str], str], make_app: MakeApp, cache: str) -> None:
        app = make_app(oddity("functions"), CACHE_TYPE=cache)
        for _ in range(2):
            response = get(app, f"/tiles/picture/{TILE}", Accept_Encoding="gzip")
            assert response.get_data() == b"\x89PNG\r\n\x1a\n"
            assert response.headers["Content-Type"] == "image/png"
            assert "Content-Encoding" not in response.headers
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert get(app, f"/tiles/picture/{TILE}", If_None_Match=response.headers["ETag"]).status_code == 304

    def test_a_picture_is_no_part_of_a_composite(self, app: Flask) -> None:
        assert_refused(app, f"/tiles/picture,plain/{TILE}", 400, "public.picture", "image/png")

    def test_a_vector_tile_function_is_part_of_a_composite(self, app: Flask) -> None:
        layers = decoded(get(app, f"/tiles/plain,public.places,by_name/{TILE}?by_name.word=w&limit=1"))
        assert [len(layers[name]["features"]) for name in ("plain", "public.places", "told")] == [2, 1, 1]
        assert json.loads(layers["told"]["features"][0]["properties"]["facts"])["word"] == "w"

    def test_in_a_composite_a_function_does_not_hear_what_is_said_to_others(self, app: Flask) -> None:
        layers = decoded(get(app, f"/tiles/by_query,public.places/{TILE}?public.places.limit=1&by_query.a=1&b=2"))
        assert json.loads(layers["told"]["features"][0]["properties"]["facts"]) == {"a": 1, "b": 2}
        assert len(layers["public.places"]["features"]) == 1

    def test_a_tile_that_is_kept_compressed_is_served_as_any_other(self, oddity: Callable[[str], str], make_app: MakeApp) -> None:
        database = oddity("functions")
        app = make_app(database, CACHE_TYPE="NullCache")
        plain = get(app, f"/tiles/plain/{TILE}").get_data()
        with psycopg.connect(database, autocommit=True) as connection:
            packed = gzip.compress(plain).hex()
            connection.execute(f"CREATE FUNCTION packed(z int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT '\\x{packed}'::bytea $$".encode())
            connection.execute("CREATE FUNCTION broken(z int, x int, y int) RETURNS bytea LANGUAGE sql AS $$ SELECT '\\x1f8b0800'::bytea $$")
        app.extensions["flagstone"].catalog.reload()
        for coding in ("gzip", "identity"):
            assert list(decoded(get(app, f"/tiles/packed/{TILE}", Accept_Encoding=coding))) == ["plain"]
        assert_refused(app, f"/tiles/broken/{TILE}", 500, "gzip")


class TestNames:
    def test_a_function_beside_a_table_has_parentheses(self, app: Flask) -> None:
        for asked in ("public.places()", "places()"):
            assert list(decoded(get(app, f"/tiles/{asked}/{TILE}"))) == ["of the function"]
        for asked in ("public.places", "places"):
            assert list(decoded(get(app, f"/tiles/{asked}/{TILE}"))) == ["public.places"]

    def test_functions_of_one_name_are_told_apart_by_their_types(self, app: Flask) -> None:
        long = "twice(int4~2Cint4~2Cint4~2Ctext)"
        for asked in (long, f"public.{long}"):
            assert list(decoded(get(app, f"/tiles/{asked}/{TILE}?word=w"))) == ["w"]
            assert_refused(app, f"/tiles/{asked}/{TILE}", 400, "word", parameter="word")
        for asked in ("twice", "public.twice", "twice(int4~2Cint4~2Cint4)"):
            assert list(decoded(get(app, f"/tiles/{asked}/{TILE}"))) == ["short"]

    def test_any_name_can_be_asked_for(self, app: Flask) -> None:
        asked = 'public.a~2Eb~2Fc~3Bd~2Ce~7Ef %s "{}'
        assert list(decoded(get(app, f"/tiles/{quote(asked)}/{TILE}"))) == ["odd"]

    def test_any_type_may_have_any_name(self, oddity: Callable[[str], str], make_app: MakeApp) -> None:
        dsn = oddity("functions")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute('CREATE SCHEMA "Odd %s ""Schema"')
            connection.execute("""CREATE TYPE "Odd %s ""Schema"."ki%n(d)s {}" AS ENUM ('%s', 'a''b')""")
            for more in ("", ", more int"):
                connection.execute(
                    f"""CREATE FUNCTION "Odd %s ""Schema"."f%s"(z int, x int, y int, "%(k)s" "Odd %s ""Schema"."ki%n(d)s {{}}"{more}) RETURNS bytea
                    LANGUAGE sql AS $$ SELECT public.told(jsonb_build_object('k', "%(k)s")) $$""".encode()
                )
        app = make_app(dsn, CACHE_TYPE="NullCache")
        listed = [each["id"] for each in get(app, "/functions.json").get_json() if each["schema"].startswith("Odd")]
        assert len(listed) == 2
        name = quote("%(k)s")
        for layer_id in listed:
            address = f"/tiles/{quote(layer_id, safe='')}/{TILE}"
            for value in ("%s", "a'b"):
                assert told(app, f"{address}?{name}={quote(value)}&more=1") == {"k": value}
            assert_refused(app, f"{address}?{name}=x&more=1", 400, parameter="%(k)s")
            assert_refused(app, f"{address}?more=1", 400, "missing", parameter="%(k)s")

    @pytest.mark.parametrize("asked", ["twice(int4~2Cint4~2Cint4~2Ctext)", "public.places()", "plain", "public.by_name"])
    def test_a_function_is_there_before_the_catalog(self, oddity: Callable[[str], str], make_app: MakeApp, asked: str) -> None:
        app = make_app(oddity("functions"), FLAGSTONE_CATALOG_INTERVAL_S="0")
        assert get(app, f"/tiles/{asked}/{TILE}?word=w").status_code == 200

    def test_unknown_functions_are_404_with_near_names(self, app: Flask) -> None:
        response = get(app, f"/tiles/plane/{TILE}")
        assert response.status_code == 404
        assert "public.plain" in response.get_json(force=True)["nearest"]
        for asked in ("st_asmvt", "unnamed", "a_text", "plain()", "twice()", "()", "("):
            assert get(app, f"/tiles/{asked}/{TILE}").status_code == 404
