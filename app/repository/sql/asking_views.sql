-- Why the rows of a view depend on who asks for them, as far as its definition and those of the views below it show:
-- at most one row, a sentence's end. What a function in another language does, and what it calls itself, is not seen.
-- In psql: \set view 16385
WITH RECURSIVE
below AS (
    SELECT :'view'::oid AS part, NULL::oid AS above
    UNION
    SELECT d.refobjid, b.part
    FROM below b
    JOIN pg_class c ON c.oid = b.part AND c.relkind = 'v'
    JOIN pg_rewrite r ON r.ev_class = b.part AND r.ev_type = '1'
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE d.refobjid <> b.part
),
rule AS MATERIALIZED (
    SELECT r.oid, r.ev_class AS part, r.ev_action::text AS tree
    FROM pg_rewrite r
    JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
    WHERE r.ev_type = '1' AND r.ev_class IN (SELECT part FROM below)
),
-- Functions by the oids in the stored trees, where those of PostgreSQL are too, and those behind operators.
called AS (
    SELECT r.part, substring(left(piece.text, 20) FROM '^\d+')::oid AS function
    FROM rule r
    CROSS JOIN unnest(string_to_array(r.tree, 'funcid ')) WITH ORDINALITY AS piece (text, place)
    WHERE piece.place > 1
    UNION
    SELECT r.part, d.refobjid
    FROM rule r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_proc'::regclass
    UNION
    SELECT r.part, o.oprcode::oid
    FROM rule r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_operator'::regclass
    JOIN pg_operator o ON o.oid = d.refobjid
),
reason AS (
    SELECT 1 AS place, 'it reads its tables with the rights of whoever asks (security_invoker)' AS text
    FROM pg_class c
    CROSS JOIN LATERAL pg_options_to_table(c.reloptions) AS option
    WHERE c.oid = :'view'::oid AND option.option_name = 'security_invoker' AND option.option_value::bool
    UNION ALL
    SELECT 2, format('%s below it has row security', c.oid::regclass)
    FROM pg_class c
    WHERE c.oid IN (SELECT part FROM below) AND c.relrowsecurity
    UNION ALL
    -- CURRENT_ROLE, CURRENT_USER, USER, SESSION_USER and CURRENT_SCHEMA are no functions in a tree.
    SELECT 3, format('%s asks for the current user', r.part::regclass)
    FROM rule r
    WHERE r.tree ~ '\{SQLVALUEFUNCTION :op (9|10|11|12|14) '
    UNION ALL
    SELECT 4, format('%s calls %s, which depends on who asks', c.part::regclass, f.oid::regprocedure)
    FROM called c
    JOIN pg_proc f ON f.oid = c.function
    WHERE f.pronamespace = 'pg_catalog'::regnamespace
        AND f.proname ~ ('^(current_setting|current_user|session_user|system_user|getpgusername|current_schemas?|pg_has_role'
            '|has_.*_privilege|row_security_active|pg_get_userbyid|inet_client_(addr|port)|pg_backend_pid|pg_stat_get_.*)$')
    UNION ALL
    -- Written in SQL or PL/pgSQL a function shows what it does; in what it calls nobody looks.
    SELECT 5, format('%s calls %s, whose text asks for the current user or a setting', c.part::regclass, f.oid::regprocedure)
    FROM called c
    JOIN pg_proc f ON f.oid = c.function AND f.prokind IN ('f', 'w')
    WHERE f.oid >= 16384
        AND NOT EXISTS (
            SELECT FROM pg_depend d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e'
        )
        AND pg_get_functiondef(f.oid) ~* '\m(current_user|session_user|current_role|system_user|user|current_setting|pg_has_role|has_\w+_privilege)\M'
)
SELECT text FROM reason ORDER BY place, text LIMIT 1
