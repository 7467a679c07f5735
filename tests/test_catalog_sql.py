"""The statements of `sql/`: what has to be the same in several of them."""

import re
from pathlib import Path

import pytest

SQL = Path(__file__).parent.parent / "app" / "repository" / "sql"
STATEMENTS = ("relations", "functions", "row_functions")


def between(statement: str, first: str, last: str) -> str:
    """A part of a statement, without comments and line breaks."""
    text = " ".join(re.sub(r"--[^\n]*", "", (SQL / f"{statement}.sql").read_text()).split())
    begin = text.index(first)
    return text[begin : text.index(last, begin) + len(last)]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        # Who may be taken on decides what whoever asks may see: the same for tables and for functions.
        ("r.rolname = current_user", "ELSE 'MEMBER' END )"),
        ("array_agg(t.oid) FILTER (WHERE has_schema_privilege", "AS roles FROM pg_namespace n LEFT JOIN taken t ON true"),
    ],
)  # fmt: skip
def test_roles_are_judged_alike_for_every_kind_of_layer(first: str, last: str) -> None:
    parts = {between(statement, first, last) for statement in STATEMENTS}
    assert len(parts) == 1


def test_geometry_types_are_the_same_for_tables_and_functions() -> None:
    first, last = "geometry_type AS (", "JOIN geometry_type g ON g.oid = b.below )"
    assert between("relations", first, last) == between("row_functions", first, last)
