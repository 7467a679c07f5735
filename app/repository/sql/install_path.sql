-- Lets what has no schema go into flagstone, and find PostGIS wherever it is, until the transaction ends.
SELECT pg_catalog.set_config('search_path', 'flagstone, ' || pg_catalog.quote_ident(n.nspname) || ', public, pg_temp', true)
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'postgis'
