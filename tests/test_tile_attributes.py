"""Attributes as a decoder sees them: the value that the database holds, in a type that MVT has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import MakeApp
from tests.tile_decoding import features, get

TILE = "8/134/89"


@pytest.fixture
def app(oddity: Callable[[str], str], make_app: MakeApp) -> Flask:
    return make_app(oddity("attribute_types"))


@pytest.fixture
def rows(app: Flask) -> dict[int, dict[str, Any]]:
    return {feature["properties"]["id"]: feature["properties"] for feature in features(app, f"/tiles/attribute_types/{TILE}")}


def test_every_type_has_the_value_of_the_database(rows: dict[int, dict[str, Any]]) -> None:
    row = rows[1]
    assert json.loads(row.pop("flat")) == {"b": 1, "a": [1, 2]}
    assert json.loads(row.pop("tree")) == {"b": 1, "a": {"c": None}}
    assert json.loads(row.pop("record")) == {"a": 1, "b": "x y"}
    assert json.loads(row.pop("numbers")) == [1, 2, None]
    assert json.loads(row.pop("texts")) == ["a,b", 'c"d']
    assert json.loads(row.pop("moods")) == ["sad"]
    assert row == {
        "id": 1, "tiny": -7, "plain": 42, "huge": 9007199254740993, "part": 1.5, "whole": 0.1, "price": 1234.5,
        "cash": row["cash"], "yes": True, "words": "Zürich – 北京 🜁 <b>\"'", "fixed": "ab", "short": "x", "quoted": "n",
        "chosen": 'so "happy"', "bounded": 3, "day": "2024-02-29", "moment": "2024-02-29T12:34:56.789",
        "instant": "2024-02-29T10:34:56+00:00", "clock": "23:59:59", "span": "P1DT2H3M4S",
        "code": "00000000-0000-0000-0000-00000000000a", "net": "10.0.0.1/8", "span_of": "[1,5)", "bits": "101",
    }  # fmt: skip
    assert "12.34" in row["cash"]
    assert isinstance(row["price"], float) and row["yes"] is True


def test_null_is_left_out(rows: dict[int, dict[str, Any]]) -> None:
    assert rows[2] == {"id": 2}


def test_extremes_arrive(rows: dict[int, dict[str, Any]]) -> None:
    row = rows[3]
    assert row["huge"] == -(2**63)
    assert math.isnan(row["part"]) and math.isnan(row["price"])
    assert row["whole"] == math.inf
    assert row["words"] == "\u0001\u200f\ufffd\r\n\t"
    assert (row["day"], row["moment"], row["instant"], row["tree"]) == ("infinity", "-infinity", "infinity", "null")


def test_a_big_key_is_id_and_property(app: Flask) -> None:
    big = next(feature for feature in features(app, f"/tiles/attribute_types/{TILE}") if feature["id"] > 3)
    assert big["id"] == big["properties"]["id"] == 9007199254740993
    assert big["properties"]["words"] == ""


def test_tilejson_states_the_served_types(app: Flask, rows: dict[int, dict[str, Any]]) -> None:
    fields = get(app, "/attribute_types/tilejson.json").get_json()["vector_layers"][0]["fields"]
    names = {bool: "Boolean", int: "Number", float: "Number", str: "String"}
    for row in rows.values():
        assert {name: fields[name] for name in row} == {name: names[type(value)] for name, value in row.items()}
    assert set(rows[1]) == set(fields)
