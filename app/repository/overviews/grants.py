"""Who may read a band: exactly who may read the layer's table, column by column, and by its row security."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from ...errors import OverviewError
from ...layers.overview import BandNames, has_row_security, key_of, stored_columns, totals
from ...layers.relation import RelationLayer
from .. import own_schema
from ..identifier import identifier

_GRANTED = """
SELECT r.rolname, granted.column_name
FROM pg_class c
CROSS JOIN LATERAL (
    SELECT x.grantee, x.privilege_type, NULL::name AS column_name
    FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS x
    UNION
    SELECT x.grantee, x.privilege_type, a.attname
    FROM pg_attribute a, aclexplode(a.attacl) AS x
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) AS granted
LEFT JOIN pg_roles r ON r.oid = granted.grantee
WHERE c.oid = %(table)s
    AND granted.privilege_type = 'SELECT'
    -- A grant without the schema's leads nowhere, and a band lies in another schema.
    AND CASE
        WHEN granted.grantee = 0 THEN has_schema_privilege('public', c.relnamespace, 'USAGE')
        ELSE has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
    END
"""
"""Role, NULL for PUBLIC, and column, NULL for the whole table."""


def copy(connection: Connection[Any], layer: RelationLayer, table: str) -> None:
    """Give the table's SELECT grants to a table of its overview, and take all others. In a transaction of the caller.

    Who may read some columns gets those that the band has, and with the geometry the band's own.
    """
    band = sql.Identifier(own_schema.SCHEMA, table)
    nobody(connection, table)
    granted = connection.execute(_GRANTED, {"table": layer.oid}).fetchall()
    stored = stored_columns(layer)
    names = BandNames.beside(stored)
    own = {
        name for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [f'flagstone."{table}"'],
        )
    }  # fmt: skip
    summed = {each.column.name: own.intersection(column.name for column in each.served) for each in totals(layer)}
    columns: dict[str | None, set[str]] = {}
    roles = {role for role, _ in granted}
    for role, column in granted:
        if column is None:
            connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(band, _role(role)))
        elif column in stored:
            columns.setdefault(role, set()).update({column, *summed.get(column, ())})
        elif column == layer.geometry.name:
            named = {getattr(names, each) for each in BandNames.__dataclass_fields__}
            columns.setdefault(role, set()).update(own & named)
    for role, chosen in columns.items():
        listed = sql.SQL(", ").join(map(identifier, sorted(chosen)))
        connection.execute(sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(listed, band, _role(role)))
    for role in roles:
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA flagstone TO {}").format(_role(role)))


def _revoked(connection: Connection[Any], table: str) -> list[sql.Composed]:
    band = sql.Identifier(own_schema.SCHEMA, table)
    rows = connection.execute(
        "SELECT DISTINCT CASE WHEN x.grantee = 0 THEN NULL ELSE pg_get_userbyid(x.grantee) END"
        " FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped"
        " CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)) AS x"
        " WHERE c.oid = %s::regclass AND x.grantee <> c.relowner",
        [f'flagstone."{table}"'],
    )
    # Taking a table's privilege takes those of its columns too (PostgreSQL, REVOKE).
    return [sql.SQL("REVOKE ALL ON {} FROM {} CASCADE").format(band, _role(role)) for (role,) in rows]


def nobody(connection: Connection[Any], table: str) -> None:
    """Take every grant on a table of schema `flagstone`, also those that a database gives by default."""
    for statement in _revoked(connection, table):
        connection.execute(statement)


def _role(role: str | None) -> sql.Composable:
    return sql.SQL("PUBLIC") if role is None else identifier(role)


def secure(connection: Connection[Any], layer: RelationLayer, table: str) -> None:
    """A policy by which a row of the band is seen where the row of the layer's table is. For tables with row security."""
    if not has_row_security(layer):
        return
    band = sql.Identifier(own_schema.SCHEMA, table)
    same = sql.SQL(" AND ").join(
        sql.SQL("base.{0} = {1}.{0}").format(identifier(name), identifier(table)) for name in key_of(layer)
    )
    policies = connection.execute("SELECT polname FROM pg_policy WHERE polrelid = %s::regclass", [f'flagstone."{table}"']).fetchall()
    for (policy,) in policies:
        connection.execute(sql.SQL("DROP POLICY {} ON {}").format(identifier(policy), band))
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(band))
    # Who built it owns it, and may be bound by the policies of the layer's table, now or later.
    connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(band))
    connection.execute(
        sql.SQL("CREATE POLICY flagstone_as_its_table ON {} FOR SELECT USING (EXISTS (SELECT FROM {} AS base WHERE {}))").format(
            band, identifier(layer.schema, layer.name), same
        )
    )


def see_every_row(connection: Connection[Any], layer: RelationLayer) -> None:
    """Make sure that this login is shown every row of a table with row security, until the end of the caller's
    transaction; OverviewError, with who is, where it is not."""
    if not has_row_security(layer):
        return
    table = identifier(layer.schema, layer.name)
    # Nobody changes that before the transaction ends.
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table))
    row = connection.execute(
        "SELECT row_security_active(c.oid), current_user, pg_get_userbyid(c.relowner), c.relforcerowsecurity FROM pg_class c"
        " WHERE c.oid = %s",
        [layer.oid],
    ).fetchone()
    is_hidden, login, owner, is_forced = row or (False, "", "", False)
    if is_hidden:
        able = "a superuser or a role with BYPASSRLS" if is_forced else f"its owner {owner}, a superuser or a role with BYPASSRLS"
        raise OverviewError(
            f"The login {login} is shown only some rows of {layer.schema}.{layer.name}: the table has row security. An overview"
            f" holds all of them, and shows each role its own; {able} can build it: FLAGSTONE_ADMIN_DATABASE_URL names the login."
        )
    # It is shown all of a band as well, by the policy: with row security off that would be an error.
    connection.execute("SET LOCAL row_security = on")


def writable(connection: Connection[Any], layer: RelationLayer, table: str) -> None:
    """Let who built a table of a secured layer change its rows, until `secure` is called, in the same transaction."""
    see_every_row(connection, layer)
    row = connection.execute("SELECT row_security_active(%s::regclass)", [f'flagstone."{table}"']).fetchone()
    if row is not None and row[0]:
        band = sql.Identifier(own_schema.SCHEMA, table)
        connection.execute(sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(band))
