"""Who reads a column, where Flagstone itself looks at its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..layers.identity import Identity


def column_reader(readers: Mapping[str, Collection[str] | None], column: str, login: str) -> Identity:
    """The login if it may read the column, else the first role by name that may.

    `readers` gives for each role the columns that it may read; None stands for all of them.
    """
    able = [role for role, columns in readers.items() if columns is None or column in columns]
    return Identity(None if login in able or not able else min(able))
