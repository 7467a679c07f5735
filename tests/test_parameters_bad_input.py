"""Values that are none: each is a 400 that names its parameter, before the database is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.row_parameters import EVERYTHING, address, fault, serving, stations
from tests.servers.postgres import DatabaseServer, url
from tests.tile_decoding import features, get

NONSENSE = ["x", "\0", "1\0", "１", "٣", "1_0", " 1", "1 ", "+1", "--1", "0x1", "1e3", "1;DROP TABLE stations", "1 OR 1=1", "1--",
            "'", '"', "%s", "%(limit)s", "{}", "NULL", "null", "x" * 10_000, "9" * 10_000, "-", "١٢", "𝟏"]  # fmt: skip


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with serving(server, template) as made:
        yield made


@pytest.mark.parametrize("value", [*NONSENSE, "", "1.0", "32768", "-32769"])
@pytest.mark.parametrize("name", ["lines", "filled"])
def test_integer_columns_take_integers_in_range(app: Flask, name: str, value: str) -> None:
    if name == "filled" and value in ("32768", "-32769"):
        assert stations(app, **{name: value}) == set()
    else:
        assert fault(app, address(**{name: value})) == name


@pytest.mark.parametrize("value", ["9223372036854775808", "-9223372036854775809", "9" * 400])
def test_integers_beyond_eight_bytes_are_refused(app: Flask, value: str) -> None:
    assert fault(app, address(big=value)) == "big"


@pytest.mark.parametrize("name", ["share", "height", "price"])
@pytest.mark.parametrize(
    "value", ["", "x", "1,5", "NaN", "inf", "-Infinity", "1e", "1e99999", ".", "1 ", "0x1p3", "1\0", "１", "9" * 5000, "1e9999"]
)
def test_number_columns_take_finite_numbers(app: Flask, name: str, value: str) -> None:
    assert fault(app, address(**{name: value})) == name


@pytest.mark.parametrize("value", ["1e39", "1e309", "-1e39"])
def test_numbers_beyond_four_bytes_are_refused(app: Flask, value: str) -> None:
    assert fault(app, address(share=value)) == "share"


@pytest.mark.parametrize("value", ["1e-60", "1e-400", "0." + "0" * 200 + "1"])
def test_numbers_too_small_for_their_column_match_nothing_or_zero(app: Flask, value: str) -> None:
    assert stations(app, share=value) == stations(app, height=value) == set()


@pytest.mark.parametrize(
    ("name", "value"),
    [("active", "maybe"), ("active", ""), ("active", "2"), ("active", "ｔ"), ("active", "tr"),
     ("opened", ""), ("opened", "2024-02-30"), ("opened", "2024-2-3"), ("opened", "yesterday"), ("opened", "0000-01-01"),
     ("opened", "2024-02-26T00:00:00Z"), ("opened", "infinity"), ("opened", "20240226"), ("opened", "２０２４-02-26"),
     ("seen", ""), ("seen", "now"), ("seen", "2024-02-28T25:00:00Z"), ("seen", "2024-02-28T12:00:00+99:00"),
     ("seen", "2024-02-28T12:00:00+12:75"), ("seen", "0001-01-01T00:00:00+01:00"), ("seen", "9999-12-31T23:59:59-01:00"),
     ("seen", "9999-12-31T23:59:60Z"), ("noted", "epoch"), ("clock", ""), ("clock", "24:00"), ("clock", "6:1"), ("clock", "allballs"),
     ("ref", ""), ("ref", "x"), ("ref", "{00000000-0000-0000-0000-000000000001}"), ("ref", "0" * 31), ("ref", "0" * 33),
     ("ref", "urn:uuid:00000000-0000-0000-0000-000000000001"),
     ("name", "a\0b"), ("state", "open\0"), ("tags", "{t1}"), ("info", '{"i":1}'), ("plain", "{}"), ("span", "1 day"), ("ways", "(1,1)")],
)  # fmt: skip
def test_values_that_are_no_values_of_the_type_are_refused(app: Flask, name: str, value: str) -> None:
    assert fault(app, address(**{name: value})) == name


@pytest.mark.parametrize("value", ["open; DROP", "OPEN", "", "x" * 10_000, "' OR ''='", "%", "\ufffd"])
def test_an_unknown_label_of_an_enum_is_nobodys(app: Flask, value: str) -> None:
    assert stations(app, state=value) == set()


@pytest.mark.parametrize("value", ["' OR 1=1 --", "'; DROP TABLE stations; --", "Bern'", "%", "%s", "\\", "{}", "x" * 10_000])
def test_sql_in_a_text_is_text(app: Flask, value: str) -> None:
    assert stations(app, name=value) == set()
    assert stations(app) == EVERYTHING


def test_a_fault_in_one_of_several_values_is_named(app: Flask) -> None:
    assert fault(app, address(lines=["10", "x"])) == "lines"


@pytest.mark.parametrize("value", [*NONSENSE, ",", "1,", ",1", "1,,2", '"1', "1;2", "1|2", "2147483648"])
def test_ids_of_an_integer_key_are_integers(app: Flask, value: str) -> None:
    if value in (" 1", "1 "):
        assert stations(app, ids=value) == {1}
    else:
        assert fault(app, address(ids=value)) == "ids"


def test_ids_where_no_single_column_tells_rows_apart_are_refused(app: Flask) -> None:
    assert fault(app, address("public.pairs", ids="1")) == "ids"


@pytest.mark.parametrize(
    "value",
    [*NONSENSE, "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7", "a,b,c,d", "nan,0,1,1", "0,0,inf,1", "0,0,1,1e999", ",,,", "0,0,1,",
     "0 0 1 1", "0,10,1,5", "0,-91,1,1", "0,0,1,91", "-541,0,1,1", "0,0,541,1", "[0,0,1,1]", "0;0;1;1", "1,2,0,3,1,0",
     "0,0,１,1", "0,0,1,1\0", ",".join(["0"] * 5000), "0,0,1," + "1" * 5000],
)  # fmt: skip
def test_boxes_that_are_none_are_refused(app: Flask, value: str) -> None:
    assert fault(app, address(bbox=value)) == "bbox"


@pytest.mark.parametrize("value", ["10,0,5,1", "0,10,1,5"])
def test_boxes_in_metres_begin_with_their_lower_corner(app: Flask, value: str) -> None:
    assert fault(app, address(bbox=value, bbox_crs="EPSG:3857")) == "bbox"


@pytest.mark.parametrize(
    "value",
    ["x", "EPSG:0", "EPSG:99999", "EPSG:4979", "EPSG:5703", "EPSG:", "WGS84", "４３２６", "-1", "4326;", "EPSG:4326' --", "9" * 5000,
     "http://www.opengis.net/def/crs/OGC/1.3/CRS83", "file:///etc/passwd", "+proj=longlat", "\0", "http://localhost/x.wkt"],
)  # fmt: skip
def test_unknown_reference_systems_of_a_box_are_refused(app: Flask, value: str) -> None:
    assert fault(app, address(bbox="0,0,1,1", bbox_crs=value)) == "bbox-crs"


@pytest.mark.parametrize(
    "value",
    ["x", "now", "2024", "2024-02", "2024-13-01", "2024-02-30/..", "../..", "/", "/..", "..", "2024-02-28/2024-02-27", "2024-02-28/x",
     "2024-02-28/2024-02-29/2024-03-01", "2024-02-28T12:00Z", "2024-02-28T12:00:00ZZ", "２０２４-02-28", "2024-02-28\0", "P1D/2024-02-28",
     "'2024-02-28'", "2024-02-28 ", "-2024-02-28", "10000-01-01", "0000-01-01", "x" * 10_000, "2024-02-28/" * 1000],
)  # fmt: skip
def test_moments_that_are_none_are_refused(app: Flask, value: str) -> None:
    assert fault(app, address(datetime=value)) == "datetime"


def test_moments_where_no_column_holds_any_are_refused(app: Flask) -> None:
    assert fault(app, address("public.lanes", datetime="2024-02-28")) == "datetime"
    assert fault(app, address(datetime="2024-02-28", datetime_column="name")) == "datetime-column"
    assert fault(app, address(datetime="2024-02-28", datetime_column="x\0")) == "datetime-column"


@pytest.mark.parametrize(
    "value",
    ["nothing", "-", "+", "--name", "name,", ",", "name desc", "name;", "1", "name,-name", "id,-id", "geom", "ctid", "tags", "plain", "ways",
     "info", '"name', "NAME", "name\0", "ｎame", "x" * 10_000, "random()", "(SELECT 1)", "~id", "~geometry"],
)  # fmt: skip
def test_orders_that_are_none_are_refused(app: Flask, value: str) -> None:
    if value in ("--name", "name,-name", "info"):  # a column is really called so, and jsonb has an order
        assert get(app, address(sortby=value)).status_code == 200
    else:
        assert fault(app, address(sortby=value)) == "sortby"


@pytest.mark.parametrize("value", ["", "2", "maybe", "yes please", "ｔrue", "\0", "x" * 10_000, "None"])
@pytest.mark.parametrize("name", ["clip", "simplify"])
def test_flags_are_true_or_false(app: Flask, name: str, value: str) -> None:
    assert fault(app, address(**{name: value})) == name


@pytest.mark.parametrize("value", ["x", "name", "Geom", "geom\0", "geom;", "x" * 10_000, "none", "secret", '"area"'])
def test_unknown_geometry_columns_are_refused(app: Flask, value: str) -> None:
    assert fault(app, address(geom_column=value)) == "geom-column"


@pytest.mark.parametrize("name", ["limit", "resolution", "buffer", "clip", "simplify", "bbox", "datetime", "sortby", "geom-column"])
def test_contradictions_are_refused(app: Flask, name: str) -> None:
    assert fault(app, address(**{name: ["1", "0"]})) == name


def test_two_names_of_the_same_list_must_agree(app: Flask) -> None:
    assert fault(app, address(columns="name", properties="lines")) == "properties"
    assert get(app, address(columns="name,lines", properties="lines,name")).status_code == 200


@pytest.mark.parametrize("name", ["resolution", "buffer", "limit"])
@pytest.mark.parametrize("value", [*NONSENSE, "", "1.5"])
def test_numbers_of_the_tile_are_whole_numbers(app: Flask, name: str, value: str) -> None:
    if name == "limit" and value == "9" * 10_000:  # more than the most allowed is the most allowed
        assert stations(app, limit=value) == EVERYTHING
    else:
        assert fault(app, address(**{name: value})) == name


@pytest.mark.parametrize("name", ["ids", "bbox", "datetime", "sortby", "geom-column", "bbox-crs", "datetime-column"])
def test_an_empty_parameter_is_as_if_it_were_not_there(app: Flask, name: str) -> None:
    assert stations(app, **{name: ""}) == EVERYTHING


@pytest.mark.parametrize(
    "name", ["x", "geom", "ctid", "tableoid", "NAME", "name ", "stations.name", "id;", "'", '"id"', "~id", "oid", "1", "", "name\0", "\ud7ff"]
)
def test_names_that_are_nobodys_are_ignored_and_not_part_of_the_key(app: Flask, name: str) -> None:
    plain = get(app, address())
    assert get(app, address(**{name: "1'"})).get_data() == plain.get_data()


def test_a_character_that_the_databases_encoding_lacks_is_400(server_dsn: str, make_app: MakeApp) -> None:
    name = f"flagstone_latin_{os.getpid()}"
    with psycopg.connect(server_dsn, autocommit=True) as keeper:
        keeper.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'".encode())
        try:
            dsn = url(server_dsn, dbname=name)
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("CREATE EXTENSION postgis")
                connection.execute("CREATE TABLE towns (id int PRIMARY KEY, name text, geom geometry(Point, 4326))")
                connection.execute("INSERT INTO towns VALUES (1, 'Zürich', 'SRID=4326;POINT(8 47)')")
            app = make_app(dsn)
            assert len(features(app, address("public.towns", name="Zürich"))) == 1
            for asked in ({"name": "北京"}, {"name": ["Zürich", "北京"]}, {"filter": "name = '北京'"}):
                assert get(app, address("public.towns", **asked)).status_code == 400
            app.extensions["flagstone"].close()
        finally:
            keeper.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
