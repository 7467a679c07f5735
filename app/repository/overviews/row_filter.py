"""The rows of a layer that its overview is made of."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import Connection, sql

from ..filter_sql import condition
from .target import Target


def always(connection: Connection[Any], target: Target) -> sql.Composable | None:
    """The filter that always applies to the layer's rows, its values written into the text: CREATE TABLE takes no parameters.
    A percent sign in it is doubled, as in names."""
    chosen = target.layer.options.filter
    if chosen is None:
        return None
    found = condition(chosen, target.postgis)
    written = psycopg.ClientCursor(connection).mogrify(found.text, found.values)
    # Braces stay: the text is put into other clauses, and never a template itself.
    return sql.SQL(written.replace("%", "%%"))
