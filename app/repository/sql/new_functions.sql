-- The functions that this transaction made or replaced, one row each: schema, name, types of the arguments.
SELECT n.nspname AS schema, p.proname AS name, pg_catalog.oidvectortypes(p.proargtypes) AS arguments
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.xmin::text::bigint = pg_catalog.mod(pg_catalog.txid_current(), 4294967296)
ORDER BY n.nspname, p.proname, p.oid
