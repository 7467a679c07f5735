"""Types by decision: what a decoder finds of extensions' types, domains, long numbers, and objects that are opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import decoded, features, get

TILE = "8/134/89"


@pytest.fixture
def dsn(oddity: Callable[[str], str]) -> str:
    return oddity("attribute_kinds")


@pytest.fixture
def app(dsn: str, make_app: MakeApp) -> Flask:
    return make_app(dsn)


def _rows(app: Flask, layer: str, query: str = "") -> dict[int, dict[str, Any]]:
    return {each["properties"]["id"]: each["properties"] for each in features(app, f"/tiles/{layer}/{TILE}{query}")}


def test_types_of_extensions_and_domains_have_their_decided_type(app: Flask) -> None:
    row = _rows(app, "kinds")[1]
    assert json.loads(row.pop("lived")) == {"street": "Städtle", "number": 1, "since": "2024-02-29"}
    assert json.loads(row.pop("kinds")) == ["sun", "rain"]
    assert json.loads(row.pop("da")) == [1, 2]
    assert json.loads(row.pop("dj")) == {"k": 1}
    assert row.pop("precise") == pytest.approx(1234567890.1234567)
    assert row.pop("dd") == pytest.approx(12345678901234.5678)
    assert "1,234.50" in row.pop("cents")
    assert row == {
        "id": 1, "nocase": "MiXed", "pairs": '"a"=>"1", "b"=>NULL, "c"=>"x y"', "markup": '<a b="1">&amp;</a>', "place": "10.0.0.1/24",
        "wire": "08:00:2b:01:02:03", "few": "101", "whole": "[1.5,2)", "days": "[2024-02-28,2024-03-01)", "spans": "{[1,3),[7,9)}",
        "clock": "12:34:56+02", "vector": "'a' 'cat' 'fat'", "rain": "rain", "dn": 7, "db": 9007199254740993, "df": 0.25, "dy": True,
        "dt": "text", "du": "00000000-0000-0000-0000-00000000000b", "ds": "2024-02-29T11:00:00+00:00", "dm": "sun", "dx": 8, "dc": "CiText",
        "span": "P-1Y-2M3DT-4H-5M-6.7S", "letter": "c",
    }  # fmt: skip


def test_tilejson_and_table_document_state_what_the_tile_holds(app: Flask) -> None:
    row = _rows(app, "kinds")[1]
    names = {bool: "Boolean", int: "Number", float: "Number", str: "String"}
    expected = {name: names[type(value)] for name, value in row.items()}
    assert get(app, "/kinds/tilejson.json").get_json()["vector_layers"][0]["fields"] == expected
    table = get(app, "/table/public.kinds.json").get_json()
    assert {each["name"]: each["served"] for each in table["properties"]} == expected


def test_a_number_that_no_double_holds_does_not_keep_its_tile_from_being_made(database: str, make_app: MakeApp) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("CREATE DOMAIN amount AS numeric")
        connection.execute("CREATE TABLE sums (id int PRIMARY KEY, n numeric, d amount, p numeric(6,2), geom geometry(Point, 4326))")
        numbers = ["1e400", "-1e400", "1e-400", "NaN", "-Infinity", "0", "-2.5", "1.7976931348623157e308", "5e-324", None]
        for number, value in enumerate(numbers):
            connection.execute("INSERT INTO sums VALUES (%s, %s, %s, 12.25, 'SRID=4326;POINT(9 47)')", (number, value, value))
    app = make_app(database)
    rows = {each["properties"]["id"]: each["properties"] for each in features(app, "/tiles/sums/0/0/0")}
    assert {row["p"] for row in rows.values()} == {12.25}
    expected = ["inf", "-inf", "0.0", "nan", "-inf", "0.0", "-2.5", "1.7976931348623157e+308", "5e-324"]
    for column in ("n", "d"):
        assert [str(rows[number][column]) for number in range(9)] == expected
        assert column not in rows[9]
    assert {each["properties"]["id"] for each in features(app, "/tiles/sums/0/0/0?filter=n%20%3E%201")} == {0, 3, 7}


@pytest.mark.parametrize("how", ["setting", "comment"])
def test_numeric_may_be_text_with_all_its_digits(dsn: str, make_app: MakeApp, how: str) -> None:
    settings = {"FLAGSTONE_NUMERIC_AS": "text"} if how == "setting" else {}
    if how == "comment":
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("""COMMENT ON TABLE kinds IS '{"numeric_as": "text"}'""")
    app = make_app(dsn, **settings)
    row = _rows(app, "kinds")[1]
    assert row["precise"] == "1234567890.12345678901234567890"
    assert row["dd"] == "12345678901234.5678"
    assert row["df"] == 0.25
    fields = get(app, "/kinds/tilejson.json").get_json()["vector_layers"][0]["fields"]
    assert (fields["precise"], fields["dd"], fields["df"]) == ("String", "String", "Number")
    described = get(app, "/api?layer=kinds").get_json()["components"]["schemas"]["attributes"]
    tileset = get(app, "/collections/public.kinds/tiles/WebMercatorQuad").get_json()
    for schema in (described, tileset["layers"][0]["propertiesSchema"]):
        assert [schema["properties"][name]["type"] for name in ("precise", "dd", "df")] == ["string", "string", "number"]


class TestObjects:
    def test_keys_become_attributes_on_request(self, app: Flask) -> None:
        rows = _rows(app, "objects", "?json=open")
        nested = rows[1].pop("nested")
        assert json.loads(nested) == {"a": [1]}
        assert json.loads(rows[1].pop("list")) == [1, "x"]
        assert rows[1] == {
            "id": 1, "name": "column", "secret": "hidden", "lanes": 2, "width": 3.75, "huge": 9007199254740993, "oneway": True, "": "empty",
            "who": "tags", "e": 1000, "minus": -5, "surface": "asphalt", "twice": 2, "hkey": "hvalue", "street": "Städtle", "number": 49,
        }  # fmt: skip
        assert rows[1]["oneway"] is True

    def test_what_is_no_object_stays_text_under_its_name(self, app: Flask) -> None:
        rows = _rows(app, "objects", "?json=open")
        assert rows[2] == {"id": 2, "name": "list", "tags": "[1, 2]", "more": '"text"'}
        assert rows[3] == {"id": 3, "name": "nulls", "tags": "null"}
        assert rows[4] == {"id": 4, "name": "empty"}

    def test_columns_beside_them_may_have_percent_signs_in_their_names(self, database: str, make_app: MakeApp) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute('CREATE TABLE shares ("50%" int, "%(a)s" int, parts jsonb, geom geometry(Point, 4326))')
            connection.execute("""INSERT INTO shares VALUES (1, 2, '{"50%": 3, "a": 4}', 'SRID=4326;POINT(1 1)')""")
        [found] = features(make_app(database), "/tiles/shares/0/0/0?json=open")
        assert found["properties"] == {"50%": 1, "%(a)s": 2, "a": 4}

    def test_without_the_request_they_are_text(self, app: Flask) -> None:
        plain, asked = (_rows(app, "objects", query)[1] for query in ("", "?json=text"))
        assert plain == asked
        assert json.loads(plain["tags"])["lanes"] == 2
        assert "lanes" not in plain

    def test_only_the_columns_asked_for_are_opened_and_a_column_s_name_is_never_a_key_s(self, app: Flask) -> None:
        rows = _rows(app, "objects", "?json=open&columns=id,more")
        assert rows[1] == {"id": 1, "who": "more", "surface": "asphalt", "twice": 2}
        rows = _rows(app, "objects", "?json=open&columns=id,tags")
        # `name` and `secret` are columns of the table: a key must not pass for one of them.
        assert "name" not in rows[1] and "secret" not in rows[1] and rows[1]["who"] == "tags"

    @pytest.mark.parametrize("how", ["setting", "comment"])
    def test_a_layer_may_be_open_by_configuration_and_a_request_may_close_it(self, dsn: str, make_app: MakeApp, how: str) -> None:
        if how == "comment":
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("""COMMENT ON TABLE objects IS '{"json_as": "open"}'""")
        app = make_app(dsn, **({"FLAGSTONE_JSON_AS": "open"} if how == "setting" else {}))
        assert _rows(app, "objects")[1]["lanes"] == 2
        assert "lanes" not in _rows(app, "objects", "?json=text")[1]
        fields = get(app, "/objects/tilejson.json").get_json()["vector_layers"][0]["fields"]
        assert fields == {"id": "Number", "name": "String", "secret": "String", "tags": "Object", "more": "Object", "pairs": "Object", "lived": "Object"}
        fields = get(app, "/objects/tilejson.json?json=text").get_json()["vector_layers"][0]["fields"]
        assert fields["tags"] == "String"

    def test_tilejson_of_a_request_leads_to_its_tiles(self, app: Flask) -> None:
        document = get(app, "/objects/tilejson.json?json=open").get_json()
        path = document["tiles"][0].removeprefix("http://localhost").format(z=8, x=134, y=89)
        assert decoded(get(app, path))["public.objects"]["features"][0]["properties"]["lanes"] == 2

    @pytest.mark.parametrize("value", ["OPEN", "", "yes", "open,text"])
    def test_another_value_is_400(self, app: Flask, value: str) -> None:
        answer = get(app, f"/tiles/objects/{TILE}?json={value}")
        assert answer.status_code == 400
        assert "text or open" in answer.get_json()["detail"]

    def test_objects_in_a_schema_of_postgis_of_its_own(self, make_app: MakeApp, gis_database: str) -> None:
        with psycopg.connect(gis_database, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext")
            connection.execute("CREATE TABLE objects (id int PRIMARY KEY, pairs ext.hstore, geom gis.geometry(Point, 4326))")
            connection.execute("INSERT INTO objects VALUES (1, 'a=>1', 'SRID=4326;POINT(9.5 47.1)')")
        assert _rows(make_app(gis_database), "objects", "?json=open")[1] == {"id": 1, "a": "1"}
