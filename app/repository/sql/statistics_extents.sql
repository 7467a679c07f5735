-- The boxes of geometry columns, in their own CRS, from a GiST index's root page or else from ANALYZE's statistics.
-- A partitioned table that was not analysed as a whole has the boxes of its partitions, if all of them have one.
-- In psql: \set postgis public \set relations '{16385,16390}' \set geometries '{geom,geom}'
WITH RECURSIVE part AS (
    SELECT asked.relation, asked.relation AS part, asked.geometry
    FROM unnest(:'relations'::oid[], :'geometries'::text[]) AS asked (relation, geometry)
    UNION ALL
    SELECT p.relation, i.inhrelid, p.geometry
    FROM part p
    JOIN pg_class c ON c.oid = p.part AND c.relkind = 'p'
    JOIN pg_inherits i ON i.inhparent = p.part
),
-- MATERIALIZED: the box is asked for once, not in each place where it is named below.
boxed AS MATERIALIZED (
    SELECT
        p.relation,
        p.geometry,
        c.relkind = 'p' AS is_partitioned,
        c.reltuples = 0 AS is_empty,
        -- ST_EstimatedExtent warns into the server's log where it knows nothing, so it is only asked where it may.
        -- It cannot be asked for a name with a quotation mark: it puts the name between two of them as it is.
        CASE WHEN strpos(n.nspname || c.relname, '"') = 0 AND (
            EXISTS (
                SELECT FROM pg_stats s
                WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = p.geometry
            )
            OR c.reltuples <> 0 AND EXISTS (
                SELECT
                FROM pg_index i
                JOIN pg_class x ON x.oid = i.indexrelid
                JOIN pg_am m ON m.oid = x.relam AND m.amname = 'gist'
                JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = p.geometry
                WHERE i.indrelid = p.part AND i.indisvalid AND i.indpred IS NULL AND x.relkind = 'i'
            )
        ) THEN :"postgis".st_estimatedextent(n.nspname::text, c.relname::text, p.geometry) END AS box
    FROM part p
    JOIN pg_class c ON c.oid = p.part
    JOIN pg_namespace n ON n.oid = c.relnamespace
)
SELECT
    relation,
    geometry,
    min(:"postgis".st_xmin(box)) AS xmin,
    min(:"postgis".st_ymin(box)) AS ymin,
    max(:"postgis".st_xmax(box)) AS xmax,
    max(:"postgis".st_ymax(box)) AS ymax
FROM boxed
GROUP BY relation, geometry
HAVING bool_or(is_partitioned AND box IS NOT NULL)
    OR bool_and(box IS NOT NULL OR is_empty) FILTER (WHERE NOT is_partitioned)
