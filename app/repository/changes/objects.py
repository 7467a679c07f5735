"""What lies in schema `flagstone` for changes: the log, its functions, and whom these belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg.errors import DuplicateObject, UniqueViolation

from ...errors import ConfigurationError
from .. import own_schema
from ..identifier import identifier
from ..sql_script import statements
from ..statements import statement

WRITER = "flagstone_changes"
"""The role that owns what the triggers call: it may write the log, and nothing else."""
_TABLES = ("change", "change_horizon", "change_followed")
_FUNCTIONS = (
    "change_prune()", "change_raster(float8[])", "change_counted(oid)", "change_told(oid, float8[])", "change_value(anyelement, anyelement)",
    "change_refreshed()", "change_asked(regclass)",
    "changed(regclass)",
    "changed(regclass, float8, float8, float8, float8, int)",
)  # fmt: skip


def refuse_unknown(connection: Connection[Any], roles: Sequence[str]) -> None:
    """ConfigurationError that names the roles that the server does not have."""
    found = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(roles)]).fetchall()
    unknown = sorted(set(roles) - {name for (name,) in found})
    if unknown:
        raise ConfigurationError(f"There is no role {', '.join(unknown)} in this server. Nothing was changed.")


def prepare(
    connection: Connection[Any], login: str, postgis: str, callers: Sequence[str] = ()
) -> tuple[str, tuple[str, ...]]:
    """The log, its functions and their owner; the serving login may read the log. In a transaction of the caller.

    Gives the owner, and what to say of it.
    """
    own_schema.prepare(connection)
    if not all(own_schema.has_table(connection, table) for table in _TABLES):
        # Not where they are there: even IF NOT EXISTS would wait for everybody who writes.
        with own_schema.only_ours(connection, *_TABLES, "change_id_seq"):
            for each in statements(statement("change_tables").as_string(connection)):
                connection.execute(each)
    for each in statements(statement("change_functions").as_string(connection)):
        connection.execute(each)
    for role in (login, *callers):
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA flagstone TO {}").format(identifier(role)))
    connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(_listed(_TABLES), identifier(login)))
    for role in callers:
        for name in _FUNCTIONS[-2:]:
            connection.execute(
                sql.SQL("GRANT EXECUTE ON FUNCTION flagstone.{} TO {}").format(
                    sql.SQL(name), identifier(role)
                )
            )
    owner, notices = _owner(connection, postgis)
    for name in _FUNCTIONS:
        hand_over(connection, name, owner)
    return owner, notices


def _owner(connection: Connection[Any], postgis: str) -> tuple[str, tuple[str, ...]]:
    """Whom the functions run as: a role that may do nothing else, or the admin login where that cannot be had."""
    own = str(value(connection, "SELECT current_user"))
    role = identifier(WRITER)
    try:
        with connection.transaction():
            if value(connection, "SELECT count(*) FROM pg_roles WHERE rolname = %s", WRITER) == 0:
                try:
                    with connection.transaction():
                        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
                except (DuplicateObject, UniqueViolation):
                    pass  # made for another database just now: roles are the cluster's
            # To own what is made here takes the right to create, for a moment, and membership where this is no superuser.
            # From PostgreSQL 16 on a member may be one that cannot take the role on.
            member = "SET" if connection.info.server_version >= 160000 else "MEMBER"
            if not value(connection, "SELECT pg_has_role(current_user, %s, %s)", WRITER, member):
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
            connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA flagstone TO {}").format(role))
            hand_over(connection, _FUNCTIONS[0], WRITER)
            connection.execute(
                sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}").format(_listed(_TABLES[:2]), role)
            )
            connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(_listed(_TABLES[2:]), role))
            if not value(connection, "SELECT has_schema_privilege(%s, %s, 'USAGE')", WRITER, postgis):
                connection.execute(
                    sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(identifier(postgis), role)
                )
            if not value(connection, "SELECT has_schema_privilege(%s, %s, 'USAGE')", WRITER, postgis):
                return own, (
                    f"Functions of triggers run as {own}: role {WRITER} may not use schema {postgis}, where PostGIS is.",
                )
        return WRITER, ()
    except psycopg.errors.InsufficientPrivilege as error:
        said = (error.diag.message_primary or "").strip()
        return own, (
            f"Functions of triggers run with the rights of {own}: {own} may not make role {WRITER}, which may write the log and"
            f" nothing else, or hand them to it: {said}.",
        )


def hand_over(connection: Connection[Any], function: str, owner: str) -> None:
    """Hand a function of the schema to its owner, who gets the right to create there for as long as that takes."""
    name, role = sql.SQL(function), identifier(owner)
    if owner == WRITER:
        connection.execute(sql.SQL("GRANT CREATE ON SCHEMA flagstone TO {}").format(role))
    connection.execute(sql.SQL("ALTER FUNCTION flagstone.{} OWNER TO {}").format(name, role))
    connection.execute(sql.SQL("REVOKE ALL ON FUNCTION flagstone.{} FROM PUBLIC").format(name))
    if owner == WRITER:
        connection.execute(sql.SQL("REVOKE CREATE ON SCHEMA flagstone FROM {}").format(role))


def _listed(tables: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier("flagstone", table) for table in tables)


def value(connection: Connection[Any], query: str, *values: Any) -> Any:
    """The first value of the first row; None without one."""
    row = connection.execute(query.encode(), list(values)).fetchone()
    return row[0] if row else None
