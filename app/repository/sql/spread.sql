-- How the rows of a relation are spread over a box, from ANALYZE's statistics alone: no row of it is read.
-- The box is that of the histogram, in the CRS of the geometry; beside it the parts of all rows in each of its cells,
-- row after row from the south. No row where there is no histogram.
-- In psql: \set postgis public \set relation 16385 \set geometry geom \set columns 64
WITH
-- Both functions fail where there are no statistics. pg_stats leaves out what row security hides.
told AS MATERIALIZED (
    SELECT :"postgis"._postgis_stats(c.oid::regclass, s.attname::text)::json -> 'extent' AS extent
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = :'geometry'
    WHERE c.oid = :'relation'::oid AND s.null_frac < 1
    LIMIT 1
),
box AS MATERIALIZED (
    SELECT
        (extent -> 'min' ->> 0)::float8 AS west,
        (extent -> 'min' ->> 1)::float8 AS south,
        (extent -> 'max' ->> 0)::float8 AS east,
        (extent -> 'max' ->> 1)::float8 AS north
    FROM told
)
SELECT
    west,
    south,
    east,
    north,
    array(
        SELECT
            :"postgis"._postgis_selectivity(
                :'relation'::oid::regclass,
                :'geometry',
                :"postgis".st_makeenvelope(
                    west + x * (east - west) / :'columns'::int4,
                    south + y * (north - south) / :'columns'::int4,
                    west + (x + 1) * (east - west) / :'columns'::int4,
                    south + (y + 1) * (north - south) / :'columns'::int4
                )
            )
        FROM generate_series(0, :'columns'::int4 - 1) AS y, generate_series(0, :'columns'::int4 - 1) AS x
        ORDER BY y, x
    ) AS parts
FROM box
WHERE east > west AND north > south
