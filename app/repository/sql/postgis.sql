-- Where PostGIS is and how new; the database and the login. `schema` and `version` are null where there is no PostGIS.
SELECT
    n.nspname AS schema,
    e.extversion AS version,
    current_database() AS database,
    current_user AS login,
    getdatabaseencoding() AS encoding,
    r.rolsuper OR r.rolbypassrls AS sees_all,
    has_schema_privilege(n.oid, 'USAGE') AS may_use
FROM pg_roles r
LEFT JOIN pg_extension e ON e.extname = 'postgis'
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE r.rolname = current_user
