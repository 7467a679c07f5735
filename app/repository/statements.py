"""Reads the static statements of `sql/`: one file each, named for what it returns, written so that psql runs it too.

What differs from call to call is written as psql's own variables: `:"postgis"` is an identifier, `:'relations'` a
value. Identifiers are filled in here, values become psycopg's `%(relations)s` and are sent beside the statement.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from psycopg import sql

_FOLDER = Path(__file__).parent / "sql"
_IDENTIFIER = re.compile(r':"(\w+)"')
_VALUE = re.compile(r":'(\w+)'")


@lru_cache(maxsize=64)
def _template(name: str) -> sql.SQL:
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip().removesuffix(";")
    # Braces and percent signs of the file are text; only the variables have a meaning here.
    text = text.replace("{", "{{").replace("}", "}}").replace("%", "%%")
    return sql.SQL(_VALUE.sub(r"%(\1)s", _IDENTIFIER.sub(r"{\1}", text)))


def statement(name: str, **identifiers: str) -> sql.Composed:
    """The statement of `sql/{name}.sql` with its identifiers quoted in."""
    return _template(name).format(**{key: sql.Identifier(value) for key, value in identifiers.items()})
