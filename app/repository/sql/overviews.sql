-- Every overview with its tables, who may read these, and whether more may read them than the layer's own table.
-- In psql: \set roles '{}' or the names of roles: \set roles '{anna,web}'.
SELECT
    o.id,
    o.relation,
    o.geometry_column,
    o.grid,
    o.grid_key,
    o.definition,
    o.build,
    o.complete,
    o.single_rows,
    (
        SELECT json_agg(
            json_build_array(
                b.kind, b.zoom, b.table_name, b.relation, b.small_pixels, b.cell_pixels, b.pixel, b.in_pieces, b.rows
            )
            ORDER BY b.zoom
        )
        FROM flagstone.overview_band b
        -- One that somebody renamed or moved is not found by its name.
        JOIN pg_class c ON c.oid = b.relation AND c.relname = b.table_name AND c.relnamespace = 'flagstone'::regnamespace
        WHERE b.overview = o.id
    ) AS bands,
    -- Role to the columns that it may read in every table that has them; null stands for all of them.
    (
        SELECT json_object_agg(
            r.rolname,
            CASE WHEN NOT readable.whole THEN (
                SELECT coalesce(json_agg(of_all.attname), '[]')
                FROM (
                    SELECT a.attname
                    FROM flagstone.overview_band b
                    JOIN pg_attribute a ON a.attrelid = b.relation AND a.attnum > 0 AND NOT a.attisdropped
                    WHERE b.overview = o.id AND b.kind <> 'blocks'
                    GROUP BY a.attname
                    HAVING bool_and(has_column_privilege(r.oid, b.relation, a.attnum, 'SELECT'))
                ) AS of_all
            ) END
        )
        FROM pg_roles r
        CROSS JOIN LATERAL (
            SELECT
                bool_and(has_table_privilege(r.oid, b.relation, 'SELECT')) AS whole,
                bool_and(has_any_column_privilege(r.oid, b.relation, 'SELECT')) AS any_column
            FROM flagstone.overview_band b
            JOIN pg_class c ON c.oid = b.relation
            WHERE b.overview = o.id AND b.kind <> 'blocks'
        ) AS readable
        WHERE r.rolname = ANY (:'roles'::text[])
            AND readable.any_column
            AND has_schema_privilege(r.oid, 'flagstone', 'USAGE')
    ) AS readers,
    -- Somebody may read a band, or a column of one, who may not read the same of the layer's table.
    EXISTS (
        SELECT
        FROM flagstone.overview_band b
        JOIN pg_class c ON c.oid = b.relation
        CROSS JOIN LATERAL (
            SELECT x.grantee, NULL::name AS column_name
            FROM aclexplode(c.relacl) AS x
            WHERE x.privilege_type = 'SELECT' AND x.grantee <> c.relowner
            UNION ALL
            SELECT x.grantee, a.attname
            FROM pg_attribute a, aclexplode(a.attacl) AS x
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND x.privilege_type = 'SELECT'
        ) AS granted
        LEFT JOIN pg_class base ON base.oid = o.relation
        LEFT JOIN pg_attribute own ON own.attrelid = base.oid AND NOT own.attisdropped
            AND (
                own.attname = granted.column_name
                -- Sums and means tell of the column that they are of.
                OR rtrim(granted.column_name, '_') IN (
                    own.attname || '_sum', own.attname || '_mean', '~' || own.attname || ' total', '~' || own.attname || ' rows'
                )
                AND NOT EXISTS (
                    SELECT FROM pg_attribute same
                    WHERE same.attrelid = base.oid AND same.attname = granted.column_name AND NOT same.attisdropped
                )
            )
        LEFT JOIN pg_attribute shape ON shape.attrelid = base.oid AND shape.attname = o.geometry_column AND NOT shape.attisdropped
        LEFT JOIN pg_roles r ON r.oid = granted.grantee
        WHERE b.overview = o.id
            AND NOT CASE
                -- Counts of rows: nobody but who builds has to know them.
                WHEN b.kind = 'blocks' OR base.oid IS NULL THEN false
                WHEN granted.grantee = 0 AND NOT has_schema_privilege('public', base.relnamespace, 'USAGE') THEN false
                WHEN granted.grantee = 0 AND granted.column_name IS NULL THEN has_table_privilege('public', base.oid, 'SELECT')
                -- What only the band has (its measures, its geometry) is granted with the table's geometry.
                WHEN granted.grantee = 0 THEN has_column_privilege('public', base.oid, coalesce(own.attnum, shape.attnum), 'SELECT')
                WHEN r.oid IS NULL OR NOT has_schema_privilege(r.oid, base.relnamespace, 'USAGE') THEN false
                WHEN granted.column_name IS NULL THEN has_table_privilege(r.oid, base.oid, 'SELECT')
                ELSE has_column_privilege(r.oid, base.oid, coalesce(own.attnum, shape.attnum), 'SELECT')
            END
    ) AS is_wider,
    EXISTS (SELECT FROM pg_class base WHERE base.oid = o.relation AND base.relrowsecurity) AS has_row_security,
    -- Of single rows: a table without its policies, or with another one beside them. That by which a refresh sees all rows is
    -- for the owner alone, in a transaction that may write.
    o.single_rows AND EXISTS (
        SELECT
        FROM flagstone.overview_band b
        JOIN pg_class c ON c.oid = b.relation
        WHERE b.overview = o.id
            AND b.kind <> 'blocks'
            AND NOT (
                c.relrowsecurity
                AND c.relforcerowsecurity
                -- Its policy asks the layer's table, whoever reads.
                AND EXISTS (
                    SELECT
                    FROM pg_policy p
                    JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = o.relation
                    WHERE p.polrelid = c.oid AND p.polname = 'flagstone_as_its_table' AND p.polroles = '{0}'
                )
                AND array(
                    SELECT p.polname::text || p.polcmd::text || p.polpermissive::text
                    FROM pg_policy p
                    WHERE p.polrelid = c.oid
                        AND (
                            p.polname <> 'flagstone_refreshes'
                            OR p.polroles <> ARRAY[c.relowner]
                            OR pg_get_expr(p.polqual, p.polrelid) <> '((current_setting(''transaction_read_only''::text) = ''off''::text)'
                                ' AND (current_setting(''flagstone.refreshes''::text, true) = ''on''::text))'
                        )
                ) = '{flagstone_as_its_tablertrue}'
            )
    ) AS is_open
FROM flagstone.overview o
ORDER BY o.relation, o.geometry_column, o.grid, o.complete DESC, o.id DESC
