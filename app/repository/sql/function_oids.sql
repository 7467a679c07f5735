-- The oids of functions by schema and name, overloads and all; names that do not exist are missing from the answer.
-- In psql: \set schemas '{public,gis}' \set names '{roads,rivers}'
SELECT p.oid
FROM unnest(:'schemas'::text[], :'names'::text[]) AS asked (schema, name)
JOIN pg_namespace n ON n.nspname = asked.schema::name
JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = asked.name::name
-- A cast to name cuts at 63 bytes: a longer name would find the function that begins like it.
WHERE n.nspname::text = asked.schema AND p.proname::text = asked.name
