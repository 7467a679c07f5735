"""Who may read a band: exactly who may read the layer's table, column by column, and by its row security."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from ...errors import OverviewError
from ...layers.overview import BandNames, has_row_security, key_of, stored_columns, told_by
from ...layers.relation import RelationLayer
from ...layers.totals import totals
from .. import own_schema
from ..identifier import identifier

_LOCK_TIMEOUT_S = 3
"""How long who reads a band may keep its policies from being changed."""

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
    own_schema.nobody(connection, table)
    granted = connection.execute(_GRANTED, {"table": layer.oid}).fetchall()
    stored = stored_columns(layer)
    names = BandNames.beside(stored)
    own = {
        name for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [f'flagstone."{table}"'],
        )
    }  # fmt: skip
    # A mean is made of both where features of a band are thinned once more.
    summed = {
        each.column.name: own.intersection((each.total, each.rows, *(column.name for column in each.served)))
        for each in totals(layer)
    }
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
    public = columns.get(None, set())
    for chosen in columns.values():
        if not chosen.union(public).issuperset(told_by(layer)):
            # Lines that are one tell that they have equal values of what this role may not read, the rows of a filter that they
            # fulfil it, and the winner of a cell that it is the first there.
            chosen.difference_update(getattr(names, each) for each in BandNames.__dataclass_fields__)
    for role, chosen in ((role, chosen) for role, chosen in columns.items() if chosen):
        listed = sql.SQL(", ").join(map(identifier, sorted(chosen)))
        connection.execute(sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(listed, band, _role(role)))
    for role in roles:
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA flagstone TO {}").format(_role(role)))


def _role(role: str | None) -> sql.Composable:
    return sql.SQL("PUBLIC") if role is None else identifier(role)


def secure(connection: Connection[Any], layer: RelationLayer, table: str) -> None:
    """A policy by which a row of the band is seen where the row of the layer's table is. For tables with row security.

    A band that is secured so is left alone: to change its policies PostgreSQL locks out everybody who reads it, until the
    end of the transaction, and waits for who does.
    """
    if not has_row_security(layer) or _is_secured(connection, layer, table):
        return
    _waiting_shortly(connection)
    band = sql.Identifier(own_schema.SCHEMA, table)
    policies = connection.execute("SELECT polname FROM pg_policy WHERE polrelid = %s::regclass", [f'flagstone."{table}"']).fetchall()
    for (policy,) in policies:
        connection.execute(sql.SQL("DROP POLICY {} ON {}").format(identifier(policy), band))
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(band))
    # Who built it owns it, and may be bound by the policies of the layer's table, now or later.
    connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(band))
    row = connection.execute("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass", [f'flagstone."{table}"']).fetchone()
    for policy in _policies(layer, table, band, str(row[0]) if row else ""):
        connection.execute(policy)


def _policies(layer: RelationLayer, table: str, band: sql.Identifier, owner: str) -> tuple[sql.Composed, sql.Composed]:
    same = sql.SQL(" AND ").join(
        sql.SQL("base.{0} OPERATOR(pg_catalog.=) {1}.{0}").format(identifier(name), identifier(table)) for name in key_of(layer)
    )
    return (
        sql.SQL("CREATE POLICY flagstone_as_its_table ON {} FOR SELECT USING (EXISTS (SELECT FROM {} AS base WHERE {}))").format(
            band, identifier(layer.schema, layer.name), same
        ),
        # A refresh takes out rows whose row of the table is gone. What reads for a tile may write nothing, and cannot say so either.
        sql.SQL(
            "CREATE POLICY flagstone_refreshes ON {} FOR ALL TO {} USING (current_setting('transaction_read_only') = 'off'"
            " AND current_setting('flagstone.refreshes', true) = 'on')"
        ).format(band, identifier(owner)),
    )


_SECURED = """
SELECT c.relrowsecurity AND c.relforcerowsecurity, array(
    SELECT (p.polname, p.polcmd, p.polpermissive, p.polroles, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))::text
    FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY p.polname
), pg_get_userbyid(c.relowner)
FROM pg_class c WHERE c.oid = %s::regclass
"""


def _is_secured(connection: Connection[Any], layer: RelationLayer, table: str) -> bool:
    """Whether row security and the policies of a band are those that `secure` would make."""
    row = connection.execute(_SECURED, [f'flagstone."{table}"']).fetchone()
    if row is None or not row[0] or len(row[1]) != len(_policies(layer, table, sql.Identifier(table), row[2])):
        return False
    # PostgreSQL writes policies in words of its own: so they are compared with those of a table of the same name that is nobody's.
    twin = sql.Identifier("pg_temp", table)
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {})").format(identifier(table), sql.Identifier(own_schema.SCHEMA, table)))
    for policy in _policies(layer, table, twin, row[2]):
        connection.execute(policy)
    wanted = connection.execute(_SECURED, [f'pg_temp."{table}"']).fetchone()
    connection.execute(sql.SQL("DROP TABLE {}").format(twin))
    return wanted is not None and wanted[1] == row[1]


def _waiting_shortly(connection: Connection[Any]) -> None:
    # Who reads a band meanwhile waits behind this one.
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{_LOCK_TIMEOUT_S}s"])


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
    """Let who built a table of a secured layer see and change all of its rows, until the transaction ends. No lock is taken where its policies are those that `secure` makes."""
    see_every_row(connection, layer)
    row = connection.execute("SELECT row_security_active(%s::regclass)", [f'flagstone."{table}"']).fetchone()
    if row is None or not row[0]:
        return
    if _is_secured(connection, layer, table):
        connection.execute("SET LOCAL flagstone.refreshes = 'on'")
    else:
        _waiting_shortly(connection)
        connection.execute(
            sql.SQL("ALTER TABLE {} NO FORCE ROW LEVEL SECURITY").format(sql.Identifier(own_schema.SCHEMA, table))
        )
