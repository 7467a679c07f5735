"""Parameters of a composite: each is meant for the members that have what it is about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.row_parameters import EVERYTHING, address, fault, parts, serving
from tests.servers.postgres import DatabaseServer
from tests.tile_decoding import get

BOTH = "public.stations,public.lanes"


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with serving(server, template) as made:
        yield made


def found(app: Flask, layers: str = BOTH, **asked: object) -> tuple[set[int], set[int]]:
    """Ids of the stations and numbers of the lanes in the tile."""
    layer = parts(app, address(layers, **asked))
    return (
        {feature["id"] for feature in layer.get("public.stations", [])},
        {feature["properties"]["lines"] for feature in layer.get("public.lanes", [])},
    )


LANES = {1, 2, 3, 4, 5}


def test_a_column_of_one_member_restricts_that_one(app: Flask) -> None:
    assert found(app, active="true") == ({2, 4, 6, 8}, LANES)


def test_a_column_of_both_restricts_both(app: Flask) -> None:
    assert found(app, lines="10") == ({5}, set())
    assert found(app, name=["Bern", "lane 2"]) == ({2, 4}, {2})


def test_a_value_must_fit_each_column_of_its_name(app: Flask) -> None:
    assert fault(app, address(BOTH, lines="many")) == "lines"


def test_ids_restrict_members_that_have_an_id(app: Flask) -> None:
    assert found(app, "public.stations,public.pairs", ids="1,2")[0] == {1, 2}
    assert len(parts(app, address("public.stations,public.pairs", ids="1,2"))["public.pairs"]) == 3
    assert fault(app, address(BOTH, ids="a")) == "ids"  # no integer, as the key of the stations is


def test_datetime_restricts_members_that_have_moments(app: Flask) -> None:
    assert found(app, datetime="2024-02-29") == ({4}, LANES)
    assert found(app, datetime="2024-02-28T13:00:00Z", datetime_column="seen") == ({1}, LANES)
    assert fault(app, address("public.lanes,public.pairs", datetime="2024-02-29")) == "datetime"
    assert fault(app, address(BOTH, datetime="2024-02-29", datetime_column="name")) == "datetime-column"


def test_a_box_restricts_all_members(app: Flask) -> None:
    assert found(app, bbox="-25,-90,25,90") == ({1, 2}, {1, 2})


def test_sortby_orders_members_that_have_the_column(app: Flask) -> None:
    assert found(app, sortby="-id", limit=2) == ({8, 7}, {4, 5})  # the keys of the lanes are '', ' f ', 'a' …
    assert found(app, sortby="-lines", limit=2) == ({8, 7}, {5, 4})
    assert fault(app, address(BOTH, sortby="nobody")) == "sortby"


def test_columns_are_those_that_each_member_has(app: Flask) -> None:
    layer = parts(app, address(BOTH, properties="name,active"))
    assert {name for feature in layer["public.lanes"] for name in feature["properties"]} == {"name"}
    assert {name for feature in layer["public.stations"] for name in feature["properties"]} == {"name", "active"}


class TestPrefixes:
    def test_a_prefixed_parameter_is_one_members(self, app: Flask) -> None:
        assert found(app, **{"public.stations.lines": "10"}) == ({5}, LANES)
        assert found(app, **{"public.lanes.ids": "a"}) == (EVERYTHING, {1})
        assert found(app, **{"public.lanes.sortby": "-lines", "public.lanes.limit": "2"}) == (EVERYTHING, {5, 4})
        assert found(app, **{"public.stations.bbox": "0,0,15,90", "bbox": "-15,-90,0,0"}) == ({1}, {1})
        assert found(app, **{"public.stations.datetime": "2024-02-29"}) == ({4}, LANES)

    @pytest.mark.parametrize(
        ("name", "value"),
        [("public.lanes.datetime", "2024-02-29"), ("public.stations.lines", "x"), ("public.lanes.sortby", "active"), ("public.stations.ids", "x"),
         ("public.stations.bbox", "x"), ("public.stations.clip", "x"), ("public.lanes.datetime", "x")],
    )  # fmt: skip
    def test_its_fault_is_told_by_the_name_that_was_written(self, app: Flask, name: str, value: str) -> None:
        assert fault(app, address(BOTH, **{name: value})) == name


def test_documents_of_a_composite_hand_the_parameters_on(app: Flask) -> None:
    document = get(app, f"/{BOTH}/tilejson.json?ids=1,2&public.lanes.ids=a&sortby=-name&properties=name").get_json()
    assert [sorted(layer["fields"]) for layer in document["vector_layers"]] == [["name"], ["name"]]
    tile = document["tiles"][0].split("localhost", 1)[1].replace("{z}/{x}/{y}", "0/0/0")
    assert {name: len(layer) for name, layer in parts(app, tile).items()} == {"public.stations": 2, "public.lanes": 1}
