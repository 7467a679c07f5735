"""`?column=value` and `ids`: which rows a tile holds."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask

from tests.conftest import Login, MakeApp
from tests.row_parameters import EVERYTHING, address, serving, stations
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import attributes, features, get


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with serving(server, template) as made:
        yield made


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("lines", "10", {5}), ("lines", "-30", {1}), ("lines", "-0", {4}), ("lines", "010", {5}), ("lines", "11", set()),
        ("id", "3", {3}), ("big", "9007199254740993", {1}), ("big", "9007199254740994", {2}), ("filled", "7", {7}),
        ("share", "0.1", {1}), ("share", "0.3", {3}), ("share", "3e-1", {3}), ("height", "0.2", {2}), ("height", "+.2", {2}),
        ("price", "1.0003", {3}), ("price", "1.00030", {3}), ("price", "10003e-4", {3}), ("price", "1", set()),
        ("active", "true", {2, 4, 6, 8}), ("active", "f", {1, 3, 5, 7}), ("active", "YES", {2, 4, 6, 8}), ("active", "0", {1, 3, 5, 7}),
        ("name", "Bern", {2, 4}), ("name", "bern", set()), ("name", "", {5}), ("name", "Ünï 北京", {6}), ("name", "O'Hare\" --", {7}),
        ("code", "c1", {1}), ("code", "c1  ", {1}), ("short", "s2", {2}), ("a b", "x3", {3}), ("naïve", "y4", {4}),
        ('comma,"quote', "5", {5}), ("-name", "4", {6}),
        ("opened", "2024-02-29", {4}), ("clock", "06:05", {5}), ("clock", "06:05:00.0", {5}),
        ("seen", "2024-02-28T13:00:00Z", {1}), ("seen", "2024-02-28T15:00:00+02:00", {1}), ("seen", "2024-02-28t14:00:00.000z", {2}),
        ("noted", "2024-02-28T13:00:00", {1}), ("noted", "2024-02-28 13:00:00Z", {1}),
        ("ref", "00000000-0000-0000-0000-000000000003", {3}), ("ref", "00000000000000000000000000000003", {3}),
        ("state", "open", {3, 6}), ("state", "it's; DROP", {2, 5, 8}),
    ],
)  # fmt: skip
def test_a_column_equals_a_value_of_its_type(app: Flask, name: str, value: str, found: set[int]) -> None:
    path = f"/tiles/public.stations/0/0/0?{quote(name)}={quote(value)}"
    assert {feature["id"] for feature in features(app, path)} == found


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [("lines", ["10", "20"], {5, 6}), ("name", ["Bern", "Chur"], {2, 3, 4}), ("state", ["open", "nothing"], {3, 6}),
     ("active", ["true", "false"], EVERYTHING), ("share", ["0.1", "0.2"], {1, 2}), ("price", ["1.0001", "1.0002"], {1, 2}),
     ("ref", ["0" * 31 + "1", "0" * 31 + "2"], {1, 2}), ("opened", ["2024-02-26", "2024-02-27"], {1, 2}), ("code", ["c1", "c2"], {1, 2}),
     ("seen", ["2024-02-28T13:00:00Z", "2024-02-28T14:00:00Z"], {1, 2}), ("clock", ["06:01", "06:02"], {1, 2}),
     ("noted", ["2024-02-28T13:00:00", "2024-02-28T14:00:00"], {1, 2}), ("name", [f"n{i}" for i in range(400)] + ["Alt"], {1})],
)  # fmt: skip
def test_a_repeated_column_equals_one_of_its_values(app: Flask, name: str, given: list[str], found: set[int]) -> None:
    assert stations(app, **{name: given}) == found


def test_several_columns_hold_together(app: Flask) -> None:
    assert stations(app, name="Bern", active="true", lines="-20") == {2}


def test_null_equals_no_value(app: Flask) -> None:
    assert 8 not in stations(app, name=["", "Alt", "NULL", "null"])


def test_equal_requests_are_one_tile_in_whatever_order_they_are_written(app: Flask) -> None:
    reader = app.extensions["flagstone"].reader
    one = get(app, address(name=["Bern", "Chur", "Bern"], lines="010", columns="name"))
    before = reader._cache
    other = get(app, "/tiles/public.stations/0/0/0?columns=name&lines=10&name=Chur&name=Bern&nobody=1")
    assert before is reader._cache
    assert one.get_data() == other.get_data()


def test_known_names_win_over_columns(app: Flask) -> None:
    assert len(stations(app, limit="3")) == 3  # not the row whose column `limit` is 3
    assert stations(app, f="f3") == EVERYTHING
    assert stations(app, filter="\"limit\" = 3 AND f = 'f3'") == {3}


def test_a_row_condition_narrows_a_filter(app: Flask) -> None:
    assert stations(app, filter="id < 3 OR id > 6", active="true") == {2, 8}
    assert stations(app, filter="id < 3 OR id > 6", ids="1,2,3") == {1, 2}


def test_the_condition_column_needs_not_be_served(app: Flask) -> None:
    assert attributes(app, address(name="Chur", columns="lines")) == [{"lines": -10}]


def test_the_limit_counts_only_rows_that_fulfil_the_condition(app: Flask) -> None:
    response = get(app, address(active="true", limit="3"))
    assert response.headers["Flagstone-Tile"] == "limited"
    assert stations(app, active="true", limit="3") == {2, 4, 6}
    assert get(app, address(active="true", limit="4")).headers["Flagstone-Tile"] == "full"


class TestIds:
    @pytest.mark.parametrize(
        ("given", "found"),
        [("3", {3}), ("3,1", {1, 3}), ("1,1", {1}), (" 1 , 2 ", {1, 2}), ("99", set()), ('"2"', {2}), ("-1,2", {2}),
         (["1", "2"], {1, 2}), (["1,2", "3"], {1, 2, 3}), (",".join(map(str, range(900))), EVERYTHING)],
    )  # fmt: skip
    def test_ids_choose_rows_by_an_integer_key(self, app: Flask, given: str | list[str], found: set[int]) -> None:
        assert stations(app, ids=given) == found

    @pytest.mark.parametrize(
        ("given", "found"),
        [("a", {1}), ('a,"b,c"', {1, 2}), ('"d""e"', {3}), ('a,""', {1, 4}), (" f ", {5}), ("f", set()), ("b,c", set()), ("'", set()),
         ('"b,c', None)],
    )  # fmt: skip
    def test_ids_of_text_keys_may_be_quoted(self, app: Flask, given: str, found: set[int] | None) -> None:
        path = address("public.lanes", ids=given)
        if found is None:
            assert get(app, path).status_code == 400
        else:
            assert {row["lines"] for row in attributes(app, path)} == found


class TestWhoMayNotRead:
    """A column that the login may not read is nobody's: no answer tells that it is there."""

    @pytest.fixture
    def limited_app(self, app: Flask, login: Login, make_app: MakeApp) -> Flask:
        dsn = app.extensions["flagstone"].settings.database_url.get_secret_value()
        return make_app(login(dsn, "flagstone_params", "GRANT SELECT (id, name, geom) ON stations TO flagstone_params",
                              "GRANT SELECT (lines, geom) ON lanes TO flagstone_params"))  # fmt: skip

    @pytest.mark.parametrize("value", ["z1", "nobody", "", "\0"])
    def test_its_value_changes_nothing(self, limited_app: Flask, value: str) -> None:
        plain = get(limited_app, address())
        asked, unknown = (get(limited_app, address(**{name: value})) for name in ("secret", "unheard"))
        assert asked.status_code == unknown.status_code == 200
        assert asked.get_data() == unknown.get_data() == plain.get_data()

    @pytest.mark.parametrize("parameter", ["sortby", "columns", "properties", "datetime-column", "geom-column"])
    @pytest.mark.parametrize(("hidden", "unheard"), [("secret", "zecrey"), ("seen", "zeez"), ("area", "zrez")])
    def test_naming_it_fails_as_any_unknown_name_does(
        self, limited_app: Flask, parameter: str, hidden: str, unheard: str
    ) -> None:
        asked = {"datetime": "2024-02-28"} if parameter == "datetime-column" else {}
        one, other = (get(limited_app, address(**{parameter: name, **asked})) for name in (hidden, unheard))
        assert one.status_code == other.status_code == 400
        told, otherwise = (response.get_json(force=True) for response in (one, other))
        assert told["detail"].replace(hidden, "X") == otherwise["detail"].replace(unheard, "X")
        assert told["parameter"] == otherwise["parameter"]

    def test_ids_need_a_readable_key(self, limited_app: Flask) -> None:
        assert get(limited_app, address("public.lanes", ids="a")).get_json(force=True)["parameter"] == "ids"
        assert get(limited_app, address(datetime="2024-02-28")).get_json(force=True)["parameter"] == "datetime"
