-- The oids of relations by schema and name; names that do not exist are missing from the answer.
-- In psql: \set schemas '{public,gis}' \set names '{roads,rivers}'
SELECT c.oid
FROM unnest(:'schemas'::text[], :'names'::text[]) AS asked (schema, name)
JOIN pg_namespace n ON n.nspname = asked.schema::name
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = asked.name::name
-- A cast to name cuts at 63 bytes: a longer name would find the relation that begins like it.
WHERE n.nspname::text = asked.schema AND c.relname::text = asked.name
