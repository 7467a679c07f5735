-- Every relation with a geometry or geography column, one row each: what it is, its columns, its key, who may read it.
-- Nothing here waits for a lock: pg_partition_tree, pg_get_viewdef and their like would, behind any ALTER TABLE.
-- In psql: \set relations '{}' for all of them, or their oids: \set relations '{16385,16390}'.
WITH RECURSIVE
-- What lies below a domain; a domain may be made over another one.
unfolded AS (
    SELECT oid AS domain, typbasetype AS below, typtypmod AS typmod
    FROM pg_type
    WHERE typtype = 'd'
    UNION ALL
    SELECT u.domain, t.typbasetype, CASE WHEN u.typmod = -1 THEN t.typtypmod ELSE u.typmod END
    FROM unfolded u
    JOIN pg_type t ON t.oid = u.below AND t.typtype = 'd'
),
-- The type at the bottom of each domain.
base AS (
    SELECT u.domain, u.below, u.typmod
    FROM unfolded u
    JOIN pg_type t ON t.oid = u.below AND t.typtype <> 'd'
),
geometry_type AS (
    SELECT t.oid, t.typname = 'geography' AS is_geography
    FROM pg_extension e
    JOIN pg_type t ON t.typnamespace = e.extnamespace AND t.typname IN ('geometry', 'geography')
    WHERE e.extname = 'postgis'
),
spatial_type AS (
    SELECT oid, is_geography, -1 AS typmod FROM geometry_type
    UNION ALL
    SELECT b.domain, g.is_geography, b.typmod
    FROM base b
    JOIN geometry_type g ON g.oid = b.below
),
-- A partition asked for brings its parents along: whether it is a layer depends on them.
asked AS MATERIALIZED (
    SELECT relation FROM unnest(:'relations'::oid[]) AS relation
    UNION
    SELECT parent FROM unnest(:'relations'::oid[]) AS relation, pg_partition_ancestors(relation) AS parent
),
geometry_column AS MATERIALIZED (
    SELECT
        a.attrelid,
        json_agg(
            json_build_array(
                a.attname, s.is_geography, CASE WHEN a.atttypmod = -1 THEN s.typmod ELSE a.atttypmod END
            )
            ORDER BY a.attnum
        ) AS geometries
    FROM pg_attribute a
    JOIN spatial_type s ON s.oid = a.atttypid
    WHERE a.attnum > 0
        AND NOT a.attisdropped
        AND (:'relations'::oid[] = '{}' OR a.attrelid = ANY (array(SELECT relation FROM asked)))
    GROUP BY a.attrelid
),
-- The login, and the roles that it may take. Superusers are never taken, and a superuser takes nobody: it reads all.
taken AS (
    SELECT r.oid, r.rolname
    FROM pg_roles r, pg_roles login, pg_extension e
    WHERE login.rolname = session_user
        AND e.extname = 'postgis'
        AND (
            r.rolname = current_user
            OR NOT login.rolsuper
            AND NOT r.rolsuper
            AND r.rolname !~ '^pg_'
            AND pg_has_role(
                session_user, r.oid,
                CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
            )
        )
        -- Without PostGIS's own schema a role can read geometry, but not make a tile of it.
        AND has_schema_privilege(r.oid, e.extnamespace, 'USAGE')
),
published AS MATERIALIZED (
    SELECT n.oid, n.nspname, array_agg(t.oid) FILTER (WHERE has_schema_privilege(t.oid, n.oid, 'USAGE')) AS roles
    FROM pg_namespace n
    LEFT JOIN taken t ON true
    WHERE n.nspname NOT IN ('flagstone', 'pg_catalog', 'information_schema', 'pg_toast')
        AND n.nspname !~ '^pg_(toast_)?temp_'
    GROUP BY n.oid, n.nspname
),
owned AS MATERIALIZED (
    SELECT d.objid, x.extname
    FROM pg_depend d
    JOIN pg_extension x ON x.oid = d.refobjid
    WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
),
-- Children below a partitioned or inherited table, at any depth.
descendant AS (
    SELECT inhparent AS ancestor, inhrelid AS child FROM pg_inherits
    UNION
    SELECT d.ancestor, i.inhrelid
    FROM descendant d
    JOIN pg_inherits i ON i.inhparent = d.child
),
family AS (
    SELECT
        d.ancestor,
        sum(c.reltuples) FILTER (WHERE c.reltuples >= 0 AND c.relkind <> 'p') AS rows_below,
        bool_or(c.relkind = 'f') AS any_foreign
    FROM descendant d
    JOIN pg_class c ON c.oid = d.child
    GROUP BY d.ancestor
)
SELECT
    c.oid,
    p.nspname AS schema,
    c.relname AS name,
    c.relkind::text AS kind,
    c.relispopulated AS is_populated,
    o.extname AS extension,
    CASE WHEN c.relispartition THEN array(SELECT parent::oid FROM pg_partition_ancestors(c.oid) AS parent) END AS parents,
    CASE
        WHEN c.relkind = 'v' THEN NULL
        WHEN f.rows_below IS NOT NULL THEN f.rows_below + CASE WHEN c.relkind <> 'p' THEN greatest(c.reltuples, 0) ELSE 0 END
        WHEN c.reltuples >= 0 THEN c.reltuples
    END::bigint AS estimated_rows,
    c.relkind IN ('r', 'p', 'm') AND f.any_foreign IS NOT TRUE AS has_ctid,
    row_security_active(c.oid) AS has_row_security,
    -- Changes whenever row security does.
    CASE WHEN c.relrowsecurity THEN c.relforcerowsecurity::text || (
        SELECT count(*) || coalesce(string_agg(hashtextextended(p::text, 0)::text, ' ' ORDER BY p.oid), '')
        FROM pg_policy p
        WHERE p.polrelid = c.oid
    ) ELSE '' END AS definition,
    (
        SELECT d.description
        FROM pg_description d
        WHERE d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = 0
    ) AS comment,
    g.geometries,
    (
        SELECT json_agg(
            json_build_array(
                a.attname, format_type(a.atttypid, a.atttypmod), b.typname, b.typcategory, d.description
            )
            ORDER BY a.attnum
        )
        FROM pg_attribute a
        -- OFFSET 0: one look-up by oid; for 5,000 relations a merge join over all types took ten times as long.
        CROSS JOIN LATERAL (
            SELECT t.typname, t.typcategory
            FROM pg_type t
            WHERE t.oid = coalesce((SELECT b.below FROM base b WHERE b.domain = a.atttypid), a.atttypid)
                AND t.oid NOT IN (SELECT g.oid FROM geometry_type g)
            OFFSET 0
        ) AS b
        LEFT JOIN pg_description d
            ON d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    -- The primary key; without one, the unique index with the fewest columns that cannot be null. A materialized
    -- view's columns are never declared NOT NULL.
    (
        SELECT array_agg(a.attname::text ORDER BY part.place)
        FROM (
            SELECT i.indkey::int2[] AS attnums, i.indnkeyatts
            FROM pg_index i
            WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
                -- An index says nothing of the rows that an inherited table's children hold.
                AND (c.relkind = 'p' OR f.ancestor IS NULL)
                AND (
                    i.indisprimary
                    OR c.relkind = 'm'
                    OR NOT EXISTS (
                        SELECT FROM pg_attribute nullable
                        WHERE nullable.attrelid = c.oid AND NOT nullable.attnotnull
                            AND nullable.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                    )
                )
            ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
            LIMIT 1
        ) AS chosen
        CROSS JOIN unnest(chosen.attnums) WITH ORDINALITY AS part (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = part.attnum
        WHERE part.place <= chosen.indnkeyatts
    ) AS key,
    -- Role to the columns it may read; null stands for all of them.
    (
        SELECT json_object_agg(
            t.rolname,
            CASE WHEN NOT has_table_privilege(t.oid, c.oid, 'SELECT') THEN (
                SELECT json_agg(a.attname)
                FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND has_column_privilege(t.oid, c.oid, a.attnum, 'SELECT')
            ) END
        )
        FROM taken t
        WHERE t.oid = ANY (p.roles) AND has_any_column_privilege(t.oid, c.oid, 'SELECT')
    ) AS readers
FROM geometry_column g
JOIN pg_class c ON c.oid = g.attrelid AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
JOIN published p ON p.oid = c.relnamespace
LEFT JOIN owned o ON o.objid = c.oid
LEFT JOIN family f ON f.ancestor = c.oid
ORDER BY p.nspname, c.relname
