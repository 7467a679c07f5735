"""Names in statements that have parameters."""

from __future__ import annotations

from psycopg import sql


def identifier(*names: str) -> sql.Identifier:
    """A quoted name. psycopg reads a single % as the start of a parameter, also within quotes."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))
