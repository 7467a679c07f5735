"""Whether an index leads from a rectangle to the rows of a layer's table."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from .target import Target

_LEADS = """
WITH RECURSIVE tree AS (
    SELECT %(oid)s::oid AS oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT bool_and(
    c.relkind = 'r' AND EXISTS (
        SELECT
        FROM pg_attribute a
        JOIN pg_index i ON i.indrelid = a.attrelid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
        JOIN pg_class ic ON ic.oid = i.indexrelid
        JOIN pg_am am ON am.oid = ic.relam AND am.amname IN ('gist', 'spgist')
        JOIN pg_opclass oc ON oc.oid = i.indclass[0]
        -- An index over three dimensions answers another operator.
        JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily
        JOIN pg_operator o ON o.oid = ao.amopopr AND o.oprname = '&&'
        WHERE a.attrelid = c.oid AND a.attname = %(column)s AND NOT a.attisdropped
    )
)
FROM tree
JOIN pg_class c USING (oid)
WHERE c.relkind <> 'p'
"""


def leads(connection: Connection[Any], target: Target) -> bool:
    """Whether every table that the layer's rows lie in has one. Of a geography the comparison is that of the plane, which its
    index does not know; a view shows nobody an index."""
    layer = target.layer
    if layer.kind not in "rp" or layer.geometry.is_geography:
        return False
    row = connection.execute(_LEADS, {"oid": layer.oid, "column": layer.geometry.name}).fetchone()
    return row is not None and row[0] is True
