"""A statement with numbered parameters is the one that psycopg makes of the named ones."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from app.repository.identifier import identifier
from app.repository.numbered import execute, numbered


def test_each_name_has_one_number_in_the_order_of_their_places() -> None:
    assert numbered(b"SELECT %(b)s, %(a)s, %(b)s + 1") == (b"SELECT $1, $2, $1 + 1", ("b", "a"))
    assert numbered(b"SELECT 1") == (b"SELECT 1", ())


def test_a_doubled_percent_sign_is_one() -> None:
    assert numbered(b"SELECT 5 %% 2, '%%(a)s', '100%%%%', %(a)s") == (
        b"SELECT 5 % 2, '%(a)s', '100%%', $1",
        ("a",),
    )


@pytest.mark.parametrize("name", ["50%", "%(a)s", "%s", 'a "b', "%%", "$1", "Zürich %(ü)s"])
def test_a_column_s_name_is_no_parameter(database: str, name: str) -> None:
    text = (
        sql.SQL("SELECT %(a)s::int4 AS {}, %(Straße)s::text, %(a)s::int4 %% 2")
        .format(identifier(name))
        .as_bytes(None)
    )
    values = {"a": 7, "Straße": "ß %(a)s", "unused": object()}
    with psycopg.connect(database, autocommit=True) as connection:
        made = execute(connection, text, values, prepare=True)
        assert made.description is not None
        assert made.description[0].name == name
        assert made.fetchone() == (7, "ß %(a)s", 1)
        usual = connection.execute(text, {key: values[key] for key in ("a", "Straße")})
        assert usual.fetchone() == (7, "ß %(a)s", 1)


def test_a_value_that_is_missing_is_named(database: str) -> None:
    with psycopg.connect(database) as connection, pytest.raises(KeyError, match="resolution"):
        execute(connection, b"SELECT %(resolution)s::int4", {}, prepare=None)


def test_it_is_prepared_once_for_all_values(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for number in range(3):
            assert execute(
                connection, b"SELECT %(a)s::int4 + 1", {"a": number}, prepare=True
            ).fetchone() == (number + 1,)
        [(count,)] = connection.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::int4 + 1'"
        )
    assert count == 1
