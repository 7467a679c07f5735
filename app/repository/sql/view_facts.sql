-- Of views: the key of the table behind them, in the view's own column names, whether reading them runs code, and
-- what changes whenever another definition, or row security, gives them other rows.
-- A view is traced where PostgreSQL itself would update through it: one relation, no joins, no grouping, no sets.
-- In psql: \set views '{16385,16390}' and, what code_relations.sql answers, \set code_relations '{16401}'
WITH RECURSIVE
-- Each view, and at any depth the relations that it is made of. A rule depends on its own view too.
below AS (
    SELECT view, view AS part FROM unnest(:'views'::oid[]) AS view
    UNION
    SELECT b.view, d.refobjid
    FROM below b
    JOIN pg_rewrite r ON r.ev_class = b.part AND r.ev_type = '1'
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
),
-- pg_relation_is_updatable would wait for these.
locked AS MATERIALIZED (
    SELECT DISTINCT b.view
    FROM below b
    JOIN pg_locks l ON l.relation = b.part AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
),
rule AS MATERIALIZED (
    SELECT r.oid, r.ev_class AS part, r.ev_action::text AS tree
    FROM pg_rewrite r
    JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
    WHERE r.ev_type = '1' AND r.ev_class IN (SELECT part FROM below)
),
-- Code is every function that is neither PostgreSQL's nor of an extension that does not run the text it is given
-- (tablefunc's crosstab does), every volatile one, and row security, whose policies may call anything.
code AS (
    SELECT r.part
    FROM rule r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
    LEFT JOIN pg_depend m ON m.classid = d.refclassid AND m.objid = d.refobjid AND m.deptype = 'e'
    LEFT JOIN pg_extension e ON e.oid = m.refobjid AND e.extname IN ('postgis', 'citext', 'hstore', 'ltree', 'pg_trgm')
    LEFT JOIN pg_type t ON d.refclassid = 'pg_type'::regclass AND t.oid = d.refobjid
    WHERE d.refclassid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass)
        AND e.oid IS NULL
        AND t.typtype IS DISTINCT FROM 'e'
    UNION
    -- Built-in functions leave no trace in pg_depend; the stored tree has the oids of all.
    SELECT r.part
    FROM rule r
    CROSS JOIN unnest(string_to_array(r.tree, 'funcid ')) WITH ORDINALITY AS called (text, place)
    JOIN pg_proc f ON f.oid = substring(left(called.text, 20) FROM '^\d+')::oid AND f.provolatile = 'v'
    WHERE called.place > 1
    UNION
    SELECT r.part
    FROM rule r
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_class c ON c.oid = d.refobjid AND c.relrowsecurity
    UNION
    SELECT relation FROM unnest(:'code_relations'::oid[]) AS relation
),
-- What the functions do that a definition calls, itself or by an operator, but for PostgreSQL's own. Who may execute them
-- is no matter of what they do.
text_of_functions AS (
    SELECT called.part, string_agg(hashtextextended((to_jsonb(f) - 'proacl')::text, 0)::text, ' ' ORDER BY f.oid) AS text
    FROM (
        SELECT r.part, coalesce(o.oprcode, d.refobjid) AS function
        FROM rule r
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
        LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
        GROUP BY 1, 2
    ) AS called
    JOIN pg_proc f ON f.oid = called.function
    GROUP BY called.part
),
-- A view reads as its owner or, where an option says so, as whoever asks.
definition AS (
    SELECT
        b.view,
        hashtextextended(
            string_agg(
                concat_ws(
                    ' ', b.part, hashtextextended(r.tree, 0), CASE WHEN c.relkind = 'v' THEN c.relowner END,
                    CASE WHEN c.relkind = 'v' THEN c.reloptions::text END, f.text, c.relrowsecurity, c.relforcerowsecurity,
                    CASE WHEN c.relrowsecurity THEN (
                        SELECT string_agg(hashtextextended(p::text, 0)::text, ' ' ORDER BY p.oid)
                        FROM pg_policy p
                        WHERE p.polrelid = c.oid
                    ) END
                ),
                ' ' ORDER BY b.part
            ),
            0
        )::text AS definition
    FROM below b
    JOIN pg_class c ON c.oid = b.part
    LEFT JOIN rule r ON r.part = b.part
    LEFT JOIN text_of_functions f ON f.part = b.part
    GROUP BY b.view
),
-- Bits: 4 UPDATE, 16 DELETE.
simple AS MATERIALIZED (
    SELECT r.part, r.tree
    FROM rule r
    WHERE r.part NOT IN (SELECT b.part FROM below b WHERE b.view IN (SELECT view FROM locked))
        -- A rule of the user's own makes any view updatable.
        AND NOT EXISTS (SELECT FROM pg_rewrite other WHERE other.ev_class = r.part AND other.ev_type <> '1')
        AND pg_relation_is_updatable(r.part, false) & 20 = 20
),
-- The table's column behind each column of a view: in the tree as
-- `:resno 1 :resname id :ressortgroupref 0 :resorigtbl 16385 :resorigcol 1`. Sub-selects have such entries too; where
-- one of the same place and name tells of another column, none is believed.
origin AS (
    SELECT
        e.part,
        a.attnum,
        min(split_part(split_part(e.text, ' :resorigtbl ', 2), ' ', 1)::bigint)::oid AS relation,
        min(split_part(split_part(e.text, ' :resorigcol ', 2), ' ', 1)::int) AS relation_attnum
    FROM (
        SELECT s.part, left(piece.text, 700) AS text
        FROM simple s
        CROSS JOIN unnest(string_to_array(s.tree, ' :resno ')) WITH ORDINALITY AS piece (text, place)
        WHERE piece.place > 1
    ) AS e
    JOIN pg_attribute a ON a.attrelid = e.part AND a.attnum = split_part(e.text, ' ', 1)::int
        -- The tree escapes blanks, brackets and the like in names.
        AND a.attname = regexp_replace(
            split_part(split_part(e.text, ' :resname ', 2), ' :ressortgroupref ', 1), '\\(.)', '\1', 'g'
        )
    GROUP BY e.part, a.attnum
    HAVING count(DISTINCT split_part(split_part(e.text, ' :resorigtbl ', 2), ' :resjunk ', 1)) = 1
),
traced AS (
    SELECT part AS view, attnum, relation, relation_attnum FROM origin
    UNION ALL
    SELECT t.view, t.attnum, o.relation, o.relation_attnum
    FROM traced t
    JOIN origin o ON o.part = t.relation AND o.attnum = t.relation_attnum
),
-- The names in the view of the table's columns, by the table's numbers for them; the first where a view repeats one.
named AS (
    SELECT t.view, t.relation, jsonb_object_agg(t.relation_attnum, a.attname ORDER BY a.attnum DESC) AS names
    FROM traced t
    JOIN pg_class c ON c.oid = t.relation AND c.relkind IN ('r', 'p')
    JOIN pg_attribute a ON a.attrelid = t.view AND a.attnum = t.attnum
    -- An index says nothing of the rows that an inherited table's children hold.
    WHERE c.relkind = 'p' OR NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
    GROUP BY t.view, t.relation
),
keyed AS (
    SELECT
        n.view,
        (
            SELECT array(
                SELECT n.names ->> part.attnum::text
                FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS part (attnum, place)
                WHERE part.place <= i.indnkeyatts
                ORDER BY part.place
            )
            FROM pg_index i
            WHERE i.indrelid = n.relation
                AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
                AND (
                    i.indisprimary
                    OR NOT EXISTS (
                        SELECT FROM pg_attribute nullable
                        WHERE nullable.attrelid = i.indrelid AND NOT nullable.attnotnull
                            AND nullable.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                    )
                )
                -- The view must show every column of it.
                AND NOT EXISTS (
                    SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS part (attnum, place)
                    WHERE part.place <= i.indnkeyatts AND NOT n.names ? part.attnum::text
                )
            ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid
            LIMIT 1
        ) AS key
    FROM named n
)
-- Grouped rather than joined: the planner thinks `keyed` tiny and would compare each view with each.
SELECT
    view,
    max(key) AS key,
    bool_or(runs_code) AS runs_code,
    bool_or(is_locked) AS is_locked,
    max(definition) AS definition
FROM (
    SELECT view, key, false AS runs_code, false AS is_locked, NULL AS definition FROM keyed
    UNION ALL
    SELECT b.view, NULL, true, false, NULL FROM below b WHERE b.part IN (SELECT part FROM code)
    UNION ALL
    SELECT view, NULL, false, true, NULL FROM locked
    UNION ALL
    SELECT view, NULL, false, false, definition FROM definition
) AS fact
GROUP BY view
