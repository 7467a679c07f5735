-- The oids of relations that run somebody's function when a query reads them, or only plans to; of views, what their
-- definitions call is in view_facts.sql. Empty in most databases.
-- A tile writes values as text: that runs the casts of their types. Planning computes what is constant in the
-- expressions of indexes, statistics, inherited constraints and partition keys.
WITH RECURSIVE
-- Neither PostgreSQL's own, which have smaller oids, nor of an extension.
somebodys AS MATERIALIZED (
    SELECT f.oid
    FROM pg_proc f
    WHERE f.oid >= 16384
        AND NOT EXISTS (
            SELECT
            FROM pg_depend d
            WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid
                AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
        )
),
-- Types with such code, and all that is made of them.
code_type AS (
    (
        SELECT c.castsource AS oid
        FROM pg_cast c
        JOIN somebodys f ON f.oid = c.castfunc
        -- A type of the user's own may have the name of one of PostgreSQL's, and be cast to that.
        WHERE c.castsource >= 16384 OR c.casttarget IN ('text'::regtype, 'json'::regtype, 'jsonb'::regtype)
        UNION ALL
        SELECT t.oid
        FROM pg_type t
        JOIN somebodys f ON f.oid = t.typoutput
    )
    UNION
    SELECT made.whole
    FROM code_type c
    -- OFFSET 0: looked for once for each such type, so never where there is none.
    CROSS JOIN LATERAL (
        SELECT t.oid AS whole FROM pg_type t WHERE t.typtype = 'd' AND t.typbasetype = c.oid
        UNION ALL
        SELECT t.oid FROM pg_type t WHERE t.typelem = c.oid
        UNION ALL
        SELECT r.rngtypid FROM pg_range r WHERE r.rngsubtype = c.oid
        UNION ALL
        SELECT t.oid
        FROM pg_attribute a
        JOIN pg_type t ON t.typrelid = a.attrelid AND t.typtype = 'c'
        WHERE a.atttypid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        OFFSET 0
    ) AS made
),
called AS (
    SELECT 'pg_proc'::regclass AS class, oid FROM somebodys
    UNION ALL
    SELECT 'pg_operator'::regclass, o.oid
    FROM pg_operator o
    JOIN somebodys f ON f.oid = o.oprcode
),
planned AS (
    SELECT coalesce(i.indrelid, p.partrelid, s.stxrelid, k.conrelid) AS relation
    FROM called
    JOIN pg_depend d ON d.refclassid = called.class AND d.refobjid = called.oid
    LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid
    LEFT JOIN pg_partitioned_table p ON d.classid = 'pg_class'::regclass AND p.partrelid = d.objid
    LEFT JOIN pg_statistic_ext s ON d.classid = 'pg_statistic_ext'::regclass AND s.oid = d.objid
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
),
running AS (
    (
        SELECT relation FROM planned WHERE relation <> 0
        UNION ALL
        SELECT a.attrelid
        FROM pg_attribute a
        WHERE a.atttypid IN (SELECT oid FROM code_type) AND a.attnum > 0 AND NOT a.attisdropped
    )
    UNION
    -- Who reads a parent reads its children.
    SELECT i.inhparent
    FROM running r
    JOIN pg_inherits i ON i.inhrelid = r.relation
)
SELECT relation FROM running
