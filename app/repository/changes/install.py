"""Puts the triggers on tables and takes them off, with the admin login."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg import Connection, sql
from psycopg.errors import LockNotAvailable

from ...errors import ConfigurationError, InstallError
from . import objects, triggers_sql
from .log import Followed, coverage
from .triggers_sql import GeometryOf

_EVENT_TRIGGER = "flagstone_change_refreshed"
_LOCK_TIMEOUT_S = 5
_NAMES = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


class Installed(NamedTuple):
    """What is followed now. `tables` have triggers, itself counted; `owner` is whom their functions run as; `partly` says which
    of its changes a job has to tell, as status does."""

    schema_name: str
    table_name: str
    tables: int
    owner: str
    notices: tuple[str, ...] = ()
    partly: str | None = None


class _Member(NamedTuple):
    oid: int
    schema: str
    table: str
    kind: str
    is_replicated: bool


def install(
    connection: Connection[Any], relation: int, login: str, postgis: str, callers: Sequence[str] = ()
) -> Installed:
    """Follow a relation, and every table below it: all of it or nothing. To do so again covers tables that came later.

    `login` serves tiles and may read the log then; `postgis` is the extension's schema; the roles `callers` may call
    flagstone.changed(). ConfigurationError for what cannot be followed. Waits some seconds for a lock, then gives up.
    """
    with connection.transaction():
        owner, notices = objects.prepare(connection, login, postgis, callers)
        _forget_gone(connection)
        members = _members(connection, relation)
        if not members:
            raise ConfigurationError("It is gone.")
        root = next(each for each in members if each.oid == relation)
        columns = _columns(connection, relation)
        before = _followed(connection, relation)
        tables = 0
        if root.kind == "m":
            notices += _event_trigger(connection)
        elif root.kind == "f":
            notices += (
                f"{root.schema}.{root.table} is a foreign table: flagstone.changed() alone tells of its changes.",
            )
        else:
            _refuse_odd(root, members)
            _put_function(connection, relation, triggers_sql.body_of(connection, columns, postgis), owner)
            tables = len(members)
        connection.execute(
            "INSERT INTO flagstone.change_followed (relation, schema_name, table_name, geometry_columns) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (relation) DO UPDATE SET schema_name = EXCLUDED.schema_name, table_name = EXCLUDED.table_name,"
            " geometry_columns = EXCLUDED.geometry_columns",
            [relation, root.schema, root.table, [column.name for column in columns]],
        )
        with _patience(connection, f"{root.schema}.{root.table}"):
            _put_all(connection, members)
        now = _followed(connection, relation)
        if before is None or before.fault is not None or now is None or _shape(before) != _shape(now):
            # What was written before nobody knows: whoever has a position must not trust it.
            connection.execute("INSERT INTO flagstone.change (relation) VALUES (%s)", [relation])
    return Installed(root.schema, root.table, tables, owner, notices, None if now is None else now.fault or now.partly)


def _followed(connection: Connection[Any], relation: int) -> Followed | None:
    return next((each for each in coverage(connection) if each.relation == relation), None)


def _shape(followed: Followed) -> tuple[object, ...]:
    """What a table is followed as."""
    return (followed.shape, *followed.geometry_columns)


def _put_function(connection: Connection[Any], relation: int, body: str, owner: str) -> None:
    """The function of a table's triggers, where it is not what it should be: to put it again would make all tiles stale."""
    name = triggers_sql.function_name(relation)
    there = objects.value(
        connection,
        "SELECT count(*) FROM pg_proc WHERE proname = %s AND pronamespace = 'flagstone'::regnamespace"
        " AND prosrc = %s AND pg_get_userbyid(proowner) = %s AND prosecdef",
        name, body, owner,
    )  # fmt: skip
    if not there:
        connection.execute(triggers_sql.function(relation, body))
        objects.hand_over(connection, f"{name}()", owner)


@contextmanager
def _patience(connection: Connection[Any], name: str) -> Iterator[None]:
    """Locks of tables are waited for some seconds: everybody who writes waits behind who waits."""
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_TIMEOUT_S}s"])
    try:
        yield
    except LockNotAvailable as error:
        raise InstallError(
            f"{name}, or a table below it, was in use by other transactions for {_LOCK_TIMEOUT_S} seconds. Nothing was changed."
        ) from error


def _refuse_odd(root: _Member, members: Sequence[_Member]) -> None:
    if root.kind not in "rp":
        raise ConfigurationError(
            f"{root.schema}.{root.table} is {_NAMES.get(root.kind, 'no table')}: it can have no triggers."
        )
    foreign = next((each for each in members if each.kind not in "rp"), None)
    if foreign is not None:
        # A statement that writes it through the table above would fail for want of its rows.
        raise ConfigurationError(
            f"{root.schema}.{root.table} cannot be followed: {foreign.schema}.{foreign.table}, which is below it, is"
            f" {_NAMES.get(foreign.kind, 'no table')}."
        )


def _put_all(connection: Connection[Any], tables: Sequence[_Member]) -> None:
    """The triggers of these tables, as far as they are followed. A table may be below of several that are: what is told
    by its own triggers is decided by the nearest one, which knows all of its geometry columns."""
    roots = connection.execute(
        "SELECT c.oid::int8 FROM flagstone.change_followed f JOIN pg_class c ON c.oid = f.relation WHERE c.relkind IN ('r', 'p')"
    ).fetchall()
    trees = {root: _members(connection, root) for (root,) in roots}
    for table in tables:
        above = [root for root, tree in trees.items() if table.oid in {each.oid for each in tree}]
        if above:
            nearest = min(above, key=lambda root: len(trees[root]))
            replicated = any(each.is_replicated for root in above for each in trees[root])
            _put(connection, nearest, table, replicated=replicated)


def _put(connection: Connection[Any], relation: int, member: _Member, *, replicated: bool) -> None:
    """The triggers that the table lacks. Those that are right stay: another lock would be waited for."""
    there = {
        name: (bits, enabled)
        for name, bits, enabled in connection.execute(
            "SELECT t.tgname, t.tgtype::int, t.tgenabled::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE t.tgrelid = %s AND p.proname = %s AND p.pronamespace = 'flagstone'::regnamespace"
            " AND t.tgattr = '' AND t.tgqual IS NULL",
            [member.oid, triggers_sql.function_name(relation)],
        )
    }
    names = {
        name
        for (name,) in connection.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s", [member.oid])
    }
    for trigger in triggers_sql.wanted(replicated=replicated, has_rows=member.kind == "r"):
        if there.get(trigger.name) == (trigger.bits, trigger.enabled):
            continue
        if trigger.name in names:
            connection.execute(triggers_sql.dropped(member.schema, member.table, trigger.name))
        for each in triggers_sql.made(relation, member.schema, member.table, trigger):
            connection.execute(each)


def _event_trigger(connection: Connection[Any]) -> tuple[str, ...]:
    """REFRESH MATERIALIZED VIEW tells of itself, where a superuser installs that; else what to say."""
    if objects.value(
        connection,
        "SELECT count(*) FROM pg_event_trigger WHERE evtname = %s AND evtenabled = 'A'",
        _EVENT_TRIGGER,
    ):
        return ()
    name = sql.Identifier(_EVENT_TRIGGER)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("DROP EVENT TRIGGER IF EXISTS {}").format(name))
            connection.execute(
                sql.SQL(
                    "CREATE EVENT TRIGGER {} ON ddl_command_end WHEN TAG IN ('REFRESH MATERIALIZED VIEW')"
                    " EXECUTE FUNCTION flagstone.change_refreshed()"
                ).format(name)
            )
            connection.execute(sql.SQL("ALTER EVENT TRIGGER {} ENABLE ALWAYS").format(name))
    except psycopg.errors.InsufficientPrivilege:
        return (
            "No event trigger tells of REFRESH MATERIALIZED VIEW: that takes a superuser. A plain REFRESH is noticed within a few"
            " seconds; after REFRESH … CONCURRENTLY call flagstone.changed('schema.name'), or tiles stay for their time to live.",
        )
    return ()


def uninstall(connection: Connection[Any], relation: int) -> None:
    """Take the triggers of a followed relation off, and forget it. What it wrote down stays until it is an hour old.

    Tables that are below another one that is followed keep theirs.
    """
    with connection.transaction():
        members = _members(connection, relation)
        with _patience(connection, members[0].table if members else "a table that is gone"):
            _forget(connection, relation)
            _put_all(connection, members)
        left = objects.value(
            connection,
            "SELECT count(*) FROM flagstone.change_followed f JOIN pg_class c ON c.oid = f.relation WHERE c.relkind = 'm'",
        )
        if not left and objects.value(
            connection, "SELECT count(*) FROM pg_event_trigger WHERE evtname = %s", _EVENT_TRIGGER
        ):
            connection.execute(sql.SQL("DROP EVENT TRIGGER {}").format(sql.Identifier(_EVENT_TRIGGER)))


def _forget(connection: Connection[Any], relation: int) -> None:
    # With the function go the triggers that call it, wherever they are.
    name = sql.Identifier("flagstone", triggers_sql.function_name(relation))
    connection.execute(sql.SQL("DROP FUNCTION IF EXISTS {}() CASCADE").format(name))
    connection.execute("DELETE FROM flagstone.change_followed WHERE relation = %s", [relation])


def _forget_gone(connection: Connection[Any]) -> None:
    """Tables that were dropped; one of the same name is another table."""
    gone = connection.execute(
        "SELECT f.relation::int8 FROM flagstone.change_followed f WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.relation)"
    ).fetchall()
    for (relation,) in gone:
        _forget(connection, relation)


def _columns(connection: Connection[Any], relation: int) -> list[GeometryOf]:
    rows = connection.execute(
        "SELECT a.attname, t.typname = 'geography' FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
        " JOIN pg_extension e ON e.extname = 'postgis' AND t.typnamespace = e.extnamespace"
        " WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped AND t.typname IN ('geometry', 'geography')"
        " ORDER BY a.attnum",
        [relation],
    )
    return [GeometryOf(name, is_geography) for name, is_geography in rows]


def _members(connection: Connection[Any], relation: int) -> list[_Member]:
    """The relation and all below it, and whether replication writes them."""
    rows = connection.execute(
        "WITH RECURSIVE member AS (SELECT %s::oid AS relation UNION SELECT i.inhrelid FROM member m"
        " JOIN pg_inherits i ON i.inhparent = m.relation)"
        " SELECT c.oid::int8, n.nspname, c.relname, c.relkind::text, EXISTS (SELECT FROM pg_subscription_rel s WHERE s.srrelid = c.oid)"
        " FROM member m JOIN pg_class c ON c.oid = m.relation JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY c.oid",
        [relation],
    )
    return [_Member(*row) for row in rows]
