-- Everything that is followed, with all tables below it, and whether each of its changes is written down.
-- `fault`: they are not; `partly`: not by themselves. `shape` changes whenever a table comes or goes, is renamed or rewritten (its
-- file is another one), or its columns, with the defaults of rows that were there before, or its triggers change. In PostgreSQL's tgtype: row 1, before 2, insert 4, delete 8, update 16,
-- truncate 32, instead 64.
WITH RECURSIVE member AS (
    SELECT f.relation AS root, f.relation FROM flagstone.change_followed f
    UNION
    SELECT m.root, i.inhrelid FROM member m JOIN pg_inherits i ON i.inhparent = m.relation
),
-- Tables that another server's changes are brought into need triggers that fire for these too.
replicated AS (
    SELECT DISTINCT m.root FROM member m JOIN pg_subscription_rel s ON s.srrelid = m.relation
),
trigger AS (
    SELECT
        m.root,
        m.relation,
        bit_or(t.tgtype & 60) FILTER (
            WHERE t.tgtype & 67 = 0 AND (t.tgenabled = 'A' OR t.tgenabled = 'O' AND r.root IS NULL)
        ) AS by_statement,
        bit_or(t.tgtype & 28) FILTER (WHERE t.tgtype & 67 = 1 AND t.tgenabled IN ('A', 'R')) AS by_row,
        bool_and(
            has_schema_privilege(p.proowner, n.oid, 'USAGE') AND has_table_privilege(p.proowner, 'flagstone.change', 'INSERT')
            AND has_function_privilege(p.proowner, 'flagstone.change_told(oid, double precision[])', 'EXECUTE')
        ) AS may_write,
        string_agg(concat(t.tgname, t.tgenabled, t.tgfoid, t.xmin, p.xmin), ' ' ORDER BY t.tgname) AS described
    FROM member m
    JOIN pg_trigger t ON t.tgrelid = m.relation AND t.tgattr = '' AND t.tgqual IS NULL
    JOIN pg_proc p ON p.oid = t.tgfoid
    JOIN pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'flagstone'
    -- That of this table, or of another one that it is below of too.
    JOIN member other ON other.relation = m.relation AND p.proname = 'change_' || other.root
    LEFT JOIN replicated r ON r.root = m.root
    GROUP BY m.root, m.relation
)
SELECT
    f.relation,
    coalesce(max(n.nspname) FILTER (WHERE c.oid = f.relation), f.schema_name) AS schema_name,
    coalesce(max(c.relname) FILTER (WHERE c.oid = f.relation), f.table_name) AS table_name,
    f.geometry_columns,
    array_agg(c.oid ORDER BY c.oid) FILTER (WHERE c.oid IS NOT NULL) AS members,
    min(
        CASE
            WHEN c.oid IS NULL THEN f.schema_name || '.' || f.table_name || ' is gone'
            WHEN c.relkind IN ('m', 'f') AND m.relation = m.root THEN NULL
            WHEN c.relkind = 'f' THEN n.nspname || '.' || c.relname || ' is a foreign table: others may write it, and INSERTs that lead there fail as long as triggers are above it (flask changes uninstall)'
            WHEN c.relkind NOT IN ('r', 'p') THEN n.nspname || '.' || c.relname || ' can have no triggers'
            WHEN t.by_statement IS DISTINCT FROM 60 THEN n.nspname || '.' || c.relname || ' lacks triggers, or they are disabled'
            WHEN NOT t.may_write THEN
                'the triggers of ' || n.nspname || '.' || c.relname || ' may not write the log: writing the table fails (flask changes install)'
            WHEN r.root IS NOT NULL AND c.relkind = 'r' AND t.by_row IS DISTINCT FROM 28 THEN
                n.nspname || '.' || c.relname || ' is written by a subscription and lacks triggers for that'
        END
    ) AS fault,
    min(
        CASE
            WHEN c.relkind = 'f' THEN n.nspname || '.' || c.relname || ' is a foreign table: flagstone.changed() alone tells of its changes'
            WHEN c.relkind = 'm' AND NOT EXISTS (
                SELECT
                FROM pg_event_trigger e
                JOIN pg_proc p ON p.oid = e.evtfoid AND p.proname = 'change_refreshed'
                JOIN pg_namespace s ON s.oid = p.pronamespace AND s.nspname = 'flagstone'
                WHERE e.evtevent = 'ddl_command_end' AND e.evtenabled = 'A'
            ) THEN n.nspname || '.' || c.relname || ' is a materialized view and there is no event trigger: '
                || 'of REFRESH … CONCURRENTLY flagstone.changed() alone tells'
        END
    ) AS partly,
    md5(string_agg(concat_ws(' ', m.relation, c.relfilenode, n.nspname, c.relname, a.described, t.described), ',' ORDER BY m.relation)) AS shape
FROM flagstone.change_followed f
JOIN member m ON m.root = f.relation
LEFT JOIN pg_class c ON c.oid = m.relation
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', attnum, attname, atttypid, atttypmod, attisdropped, attmissingval), ',' ORDER BY attnum) AS described
    FROM pg_attribute
    WHERE attrelid = m.relation AND attnum > 0
) AS a ON true
LEFT JOIN trigger t ON t.root = m.root AND t.relation = m.relation
LEFT JOIN replicated r ON r.root = m.root
GROUP BY f.relation
ORDER BY 2, 3
