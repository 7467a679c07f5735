"""`datetime` and `datetime-column`: rows of an instant or an interval, both ends included, in UTC."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.row_parameters import EVERYTHING, serving, stations
from tests.servers.postgres import DatabaseServer


@pytest.fixture(scope="module")
def app(server: DatabaseServer, template: str) -> Iterator[Flask]:
    with serving(server, template) as made:
        yield made


@pytest.mark.parametrize(
    ("asked", "found"),
    [("2024-02-29", {4}), ("2024-02-29T23:59:59Z", {4}), ("2024-02-29T00:30:00+02:00", {3}), ("2024-02-27/2024-02-28", {2, 3}),
     ("../2024-02-27", {1, 2}), ("/2024-02-27", {1, 2}), ("2024-03-01/..", {5, 6, 7, 8}), ("2024-03-01/", {5, 6, 7, 8}),
     ("2024-02-26T12:00:00Z/2024-02-27T12:00:00Z", {1, 2}), ("2020-01-01", set()), ("0001-01-01/9999-12-31", EVERYTHING)],
)  # fmt: skip
def test_days_of_the_first_date_column(app: Flask, asked: str, found: set[int]) -> None:
    assert stations(app, datetime=asked) == found


@pytest.mark.parametrize("column", ["seen", "noted"])
@pytest.mark.parametrize(
    ("asked", "found"),
    [("2024-02-28T13:00:00Z", {1}), ("2024-02-28T15:00:00+02:00", {1}), ("2024-02-28T15:00:00 02:00", {1}), ("2024-02-28T13:00:00", {1}),
     ("2024-02-28T13:00:00.0000001Z", {1}), ("2024-02-28T13:00:01Z", set()), ("2024-02-28T12:59:60Z", {1}), ("2024-02-28", EVERYTHING),
     ("2024-02-28T13:00:00Z/2024-02-28T15:00:00Z", {1, 2, 3}), ("2024-02-28T13:00:00Z/2024-02-28T14:59:59Z", {1, 2}),
     ("../2024-02-28T13:00:00Z", {1}), ("2024-02-28T20:00:00Z/..", {8}), ("2024-02-27/2024-02-28", EVERYTHING), ("../2024-02-27", set()),
     ("2024-02-28T14:00:00Z/2024-02-28", EVERYTHING - {1}), ("2024-02-29/..", set()), ("../9999-12-31", EVERYTHING)],
)  # fmt: skip
def test_moments_of_a_column_of_choice(app: Flask, column: str, asked: str, found: set[int]) -> None:
    assert stations(app, datetime=asked, datetime_column=column) == found


def test_the_column_alone_chooses_nothing(app: Flask) -> None:
    assert stations(app, datetime_column="nothing") == EVERYTHING
