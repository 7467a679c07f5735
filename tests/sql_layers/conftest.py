"""A table of ten squares, and applications over `.sql` files that read it."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from tests.conftest import MakeApp

_SQUARES = """
CREATE TABLE public.squares (id int PRIMARY KEY, name text, kind text[], born date, size numeric(6,2), geom geometry(Polygon, 4326));
INSERT INTO squares
SELECT n, 'square ' || n, ARRAY['a', 'b'], date '2024-01-01' + n, n / 2.0, ST_MakeEnvelope(n, 0, n + 1, 1, 4326)
FROM generate_series(0, 9) AS n;
"""


@pytest.fixture
def squares(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_SQUARES)
    return database


@pytest.fixture
def sql_app(make_app: MakeApp, squares: str, tmp_path: Path) -> Callable[..., Flask]:
    """`sql_app(name=text, …)` writes a file of each and gives the application over them."""

    def make(**files: str) -> Flask:
        for name, text in files.items():
            (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
        return make_app(squares, FLAGSTONE_SQL_DIRECTORY=str(tmp_path), CACHE_TYPE="NullCache")

    return make
