-- What views and row security read: of each of these relations, and of all that it is made of, the relations that its
-- definition or its policies name, what in these nobody can follow, and of simple views the table's column behind each column.
-- A view is simple where PostgreSQL itself would update through it: one relation, no joins, no grouping, no sets.
-- In psql: \set relations '{16385,16390}'
WITH RECURSIVE
-- The stored trees name every relation, also PostgreSQL's own, of which pg_depend says nothing.
below AS (
    SELECT DISTINCT relation FROM unnest(:'relations'::oid[]) AS relation
    UNION
    SELECT named.part[1]::oid
    FROM below b
    CROSS JOIN LATERAL (
        SELECT r.ev_action::text AS tree
        FROM pg_rewrite r
        JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
        WHERE r.ev_class = b.relation AND r.ev_type = '1'
        UNION ALL
        SELECT p.polqual::text
        FROM pg_policy p
        JOIN pg_class c ON c.oid = p.polrelid AND c.relrowsecurity
        WHERE p.polrelid = b.relation AND p.polcmd IN ('r', '*') AND p.polqual IS NOT NULL
    ) AS t
    CROSS JOIN LATERAL regexp_matches(t.tree, ':relid (\d+)', 'g') AS named (part)
),
tree AS MATERIALIZED (
    SELECT r.ev_class AS relation, r.ev_action::text AS tree
    FROM pg_rewrite r
    JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
    WHERE r.ev_class IN (SELECT relation FROM below) AND r.ev_type = '1'
    UNION ALL
    SELECT p.polrelid, p.polqual::text
    FROM pg_policy p
    JOIN pg_class c ON c.oid = p.polrelid AND c.relrowsecurity
    WHERE p.polrelid IN (SELECT relation FROM below) AND p.polcmd IN ('r', '*') AND p.polqual IS NOT NULL
),
named AS (
    SELECT t.relation, array_agg(n.part[1]::oid::int8) AS reads
    FROM tree t
    -- From PostgreSQL 16 on a tree names each relation twice, once for the rights on it.
    CROSS JOIN LATERAL regexp_matches(t.tree, '(?<!PERMISSIONINFO ):relid (\d+)', 'g') AS n (part)
    -- A rule names its own view too.
    WHERE n.part[1]::oid <> t.relation
    GROUP BY t.relation
),
called AS (
    SELECT t.relation, f.part[1]::oid AS function
    FROM tree t
    CROSS JOIN LATERAL regexp_matches(t.tree, ':(?:funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') AS f (part)
    UNION
    SELECT t.relation, o.oprcode
    FROM tree t
    CROSS JOIN LATERAL regexp_matches(t.tree, ':opno (\d+)', 'g') AS f (part)
    JOIN pg_operator o ON o.oid = f.part[1]::oid
),
fault AS (
    SELECT
        c.relation,
        CASE
            WHEN p.provolatile = 'v' THEN 'calls ' || p.proname || '(), which may give something else each time'
            WHEN n.nspname = 'pg_catalog' AND p.oid < 16384 THEN 'calls ' || p.proname || '(), which depends on more than rows'
            ELSE 'calls ' || p.proname || '(), which may read anything'
        END AS fault
    FROM called c
    JOIN pg_proc p ON p.oid = c.function AND p.provolatile <> 'i'
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.provolatile = 'v'
        OR n.nspname = 'pg_catalog' AND p.oid < 16384 AND (
            p.proname IN ('now', 'transaction_timestamp', 'statement_timestamp', 'obj_description', 'col_description', 'shobj_description')
            OR p.proname = 'age' AND p.pronargs = 1
            OR p.proname ~ '^(pg_(?!typeof|column_size)|has_|txid_|inet_|to_reg|row_security)'
        )
        OR NOT (n.nspname = 'pg_catalog' AND p.oid < 16384) AND NOT EXISTS (
            SELECT
            FROM pg_depend d
            JOIN pg_extension e ON e.oid = d.refobjid AND e.extname IN ('postgis', 'citext', 'hstore', 'ltree', 'pg_trgm', 'unaccent')
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
        )
    UNION ALL
    -- CURRENT_DATE to LOCALTIMESTAMP, in the order of PostgreSQL's SQLValueFunctionOp.
    SELECT relation, 'asks for the time' FROM tree WHERE tree ~ '\{SQLVALUEFUNCTION :op [0-8] '
    UNION ALL
    SELECT relation, 'takes samples of rows' FROM tree WHERE tree ~ '\{TABLESAMPLECLAUSE '
),
-- Bits: 4 UPDATE, 16 DELETE. A rule of the user's own makes any view updatable.
simple AS MATERIALIZED (
    SELECT t.relation, t.tree
    FROM tree t
    JOIN pg_class c ON c.oid = t.relation AND c.relkind = 'v'
    WHERE NOT EXISTS (SELECT FROM pg_rewrite other WHERE other.ev_class = t.relation AND other.ev_type <> '1')
        AND pg_relation_is_updatable(t.relation, false) & 20 = 20
),
-- In the tree as `:resno 1 :resname id :ressortgroupref 0 :resorigtbl 16385 :resorigcol 1`. Sub-selects have such entries
-- too; where one of the same place and name tells of another column, none is believed.
origin AS (
    SELECT
        e.relation,
        a.attname,
        min(split_part(split_part(e.text, ' :resorigtbl ', 2), ' ', 1)::bigint)::oid AS source,
        min(split_part(split_part(e.text, ' :resorigcol ', 2), ' ', 1)::int) AS source_attnum
    FROM (
        SELECT s.relation, left(piece.text, 700) AS text
        FROM simple s
        CROSS JOIN unnest(string_to_array(s.tree, ' :resno ')) WITH ORDINALITY AS piece (text, place)
        WHERE piece.place > 1
    ) AS e
    JOIN pg_attribute a ON a.attrelid = e.relation AND a.attnum = split_part(e.text, ' ', 1)::int
        -- The tree escapes blanks, brackets and the like in names.
        AND a.attname = regexp_replace(
            split_part(split_part(e.text, ' :resname ', 2), ' :ressortgroupref ', 1), '\\(.)', '\1', 'g'
        )
    GROUP BY e.relation, a.attname
    HAVING count(DISTINCT split_part(split_part(e.text, ' :resorigtbl ', 2), ' :resjunk ', 1)) = 1
),
columns AS (
    SELECT o.relation, jsonb_object_agg(o.attname, jsonb_build_array(o.source::int8, a.attname)) AS columns
    FROM origin o
    JOIN pg_attribute a ON a.attrelid = o.source AND a.attnum = o.source_attnum
    GROUP BY o.relation
)
SELECT
    b.relation::int8,
    concat(n.nspname, '.', c.relname) AS name,
    c.relkind::text AS kind,
    coalesce(d.reads, '{}') AS reads,
    (SELECT min(f.fault) FROM fault f WHERE f.relation = b.relation) AS fault,
    coalesce(k.columns, '{}') AS columns
FROM below b
JOIN pg_class c ON c.oid = b.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN named d ON d.relation = b.relation
LEFT JOIN columns k ON k.relation = b.relation
