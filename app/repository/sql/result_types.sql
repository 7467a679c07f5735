-- What types of a statement's result are below their domains, one row each, in the order asked for.
-- In psql: \set types '{25,23}' and \set typmods '{-1,-1}', oids of pg_type and their modifiers.
WITH RECURSIVE
asked AS (
    SELECT place, type, typmod
    FROM unnest(:'types'::oid[], :'typmods'::int[]) WITH ORDINALITY AS asked (type, typmod, place)
),
unfolded AS (
    SELECT place, type, typmod FROM asked
    UNION ALL
    SELECT u.place, t.typbasetype, CASE WHEN u.typmod = -1 THEN t.typtypmod ELSE u.typmod END
    FROM unfolded u
    JOIN pg_type t ON t.oid = u.type AND t.typtype = 'd'
)
SELECT
    format_type(a.type, a.typmod) AS shown,
    t.typname AS base_type,
    t.typcategory::text AS category,
    t.typtype::text AS kind,
    t.typname IN ('geometry', 'geography')
        AND t.typnamespace = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'postgis') AS is_spatial,
    u.typmod
FROM asked a
JOIN unfolded u ON u.place = a.place
JOIN pg_type t ON t.oid = u.type AND t.typtype <> 'd'
ORDER BY a.place
