"""How PostgreSQL plans a tile's statement: once for all tiles of a connection, or for one tile's own values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from typing import Any

from psycopg import Connection, sql
from psycopg.pq import TransactionStatus

# Planning takes longer than running a light tile's statement, and left alone PostgreSQL plans it each time: it takes a box
# that it does not know for one with more rows than most have.
_SHARED = "force_generic_plan"
# Where other people's code runs, in transactions, its own statements are planned as PostgreSQL has it.
_USUAL = "auto"
_CACHE_MODE_SINCE = 120_000
_MEMOIZE_SINCE = 140_000
# PostgreSQL takes the rows of a Gather Merge for fewer than they are (those of one worker, with a leader that works too), and
# with them the cost of encoding: a tile of 1,400 places read the whole table in parallel in 38 ms, by the index in 11 ms.
# Who set the cost of a parallel plan for the database meant it.
_COST = "pg_catalog.current_setting('parallel_setup_cost')"
# PostgreSQL writes its own numbers as it likes: a million is 1e+06.
_SET_COST = (
    f"pg_catalog.set_config('parallel_setup_cost', CASE WHEN {_COST}::pg_catalog.float8 OPERATOR(pg_catalog.=) {{}} THEN {{}} ELSE {_COST} END, {{}})"
)
_USUAL_COST, _RARE_COST = 1000, 1_000_000


class Plan(Enum):
    """What a statement is planned for. Its result is the same with each."""

    SHARED = "any values: once, by a connection that keeps it prepared"
    OWN = "its own values"
    WEIGHED = "its own values, in parallel at PostgreSQL's own cost: it reads millions of rows and gives a few"


def settings(connection: Connection[Any], *, local: bool) -> dict[str, str]:
    """What the session, or a transaction of it (`local`), is given for the planner, as far as the server knows it."""
    version = connection.info.server_version
    values = {}
    if version >= _CACHE_MODE_SINCE:
        values["plan_cache_mode"] = _USUAL if local else _SHARED
    if version >= _MEMOIZE_SINCE:
        # The tile query's LATERAL steps see each row once; remembering them cost 3 µs a row.
        values["enable_memoize"] = "off"
    return values


def fewer_parallel(*, local: bool) -> sql.Composed:
    """The call that makes parallel plans rarer, for the transaction or for the session."""
    return _cost(_USUAL_COST, _RARE_COST, local=local)


def _cost(now: int, then: int, *, local: bool) -> sql.Composed:
    return sql.SQL(_SET_COST).format(sql.Literal(now), sql.Literal(str(then)), sql.Literal(local))


def planned(connection: Connection[Any], plan: Plan) -> AbstractContextManager[None]:
    """A block whose statements are planned so, on a connection that was given `settings`."""
    if plan is Plan.WEIGHED:
        return _weighed(connection)
    if plan is Plan.OWN and _shares(connection):
        return _own(connection)
    return nullcontext()


def is_shared(connection: Connection[Any], plan: Plan) -> bool:
    """Whether a statement is given the plan that serves any values."""
    return plan is Plan.SHARED and _shares(connection)


def _shares(connection: Connection[Any]) -> bool:
    is_idle = connection.info.transaction_status is TransactionStatus.IDLE
    return is_idle and connection.info.server_version >= _CACHE_MODE_SINCE


@contextmanager
def _own(connection: Connection[Any]) -> Iterator[None]:
    # Not in a transaction: that would be three more statements in place of two.
    connection.execute(f"SET plan_cache_mode = {_USUAL}", prepare=False)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(f"SET plan_cache_mode = {_SHARED}", prepare=False)


@contextmanager
def _weighed(connection: Connection[Any]) -> Iterator[None]:
    with connection.transaction():
        if connection.info.server_version >= _CACHE_MODE_SINCE:
            connection.execute(f"SET LOCAL plan_cache_mode = {_USUAL}", prepare=False)
        connection.execute(sql.SQL("SELECT {}").format(_cost(_RARE_COST, _USUAL_COST, local=True)), prepare=False)
        yield
