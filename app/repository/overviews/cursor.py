"""The cursor of who builds: every statement is read as one with parameters, since names in clauses are written for that."""

from __future__ import annotations

from typing import Any, Self

from psycopg import Cursor
from psycopg.abc import Params


class EscapedCursor(Cursor[Any]):
    """Reads `%%` as a percent sign in statements without values too: see `identifier`. Without values psycopg would leave
    it as it is, and a table called `50%` would not be found."""

    def execute(
        self, query: Any, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
    ) -> Self:
        return super().execute(query, () if params is None else params, prepare=prepare, binary=binary)


