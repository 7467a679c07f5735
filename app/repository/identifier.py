"""Names and texts in statements that have parameters: psycopg reads a single % as the start of one, also within quotes."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql


def identifier(*names: str) -> sql.Identifier:
    """A quoted name."""
    return sql.Identifier(*(_doubled(name) for name in names))


def text_literal(text: str) -> sql.Literal:
    """A text that stands in the statement itself."""
    return sql.Literal(_doubled(text))


def text_array(texts: Iterable[str]) -> sql.Literal:
    """An array of texts that stands in the statement itself."""
    return sql.Literal([_doubled(text) for text in texts])


def _doubled(text: str) -> str:
    return text.replace("%", "%%")
