-- Every function whose result has a geometry or geography column, one row each: its arguments, its columns, who may
-- execute it. Nothing here waits for a lock. Which of them are layers is decided by who reads this.
-- In psql: \set functions '{}' for all of them, or their oids: \set functions '{16385,16390}'.
WITH RECURSIVE
-- What lies below a domain; a domain may be made over another one.
unfolded AS (
    SELECT oid AS domain, typbasetype AS below, typtypmod AS typmod
    FROM pg_type
    WHERE typtype = 'd'
    UNION ALL
    SELECT u.domain, t.typbasetype, CASE WHEN u.typmod = -1 THEN t.typtypmod ELSE u.typmod END
    FROM unfolded u
    JOIN pg_type t ON t.oid = u.below AND t.typtype = 'd'
),
base AS (
    SELECT u.domain, u.below, u.typmod
    FROM unfolded u
    JOIN pg_type t ON t.oid = u.below AND t.typtype <> 'd'
),
geometry_type AS (
    SELECT t.oid, t.typname = 'geography' AS is_geography
    FROM pg_extension e
    JOIN pg_type t ON t.typnamespace = e.extnamespace AND t.typname IN ('geometry', 'geography')
    WHERE e.extname = 'postgis'
),
spatial_type AS (
    SELECT oid, is_geography, -1 AS typmod FROM geometry_type
    UNION ALL
    SELECT b.domain, g.is_geography, b.typmod
    FROM base b
    JOIN geometry_type g ON g.oid = b.below
),
-- The login, and the roles that it may take. Superusers are never taken, and a superuser takes nobody: it may do all.
taken AS (
    SELECT r.oid, r.rolname
    FROM pg_roles r, pg_roles login, pg_extension e
    WHERE login.rolname = session_user
        AND e.extname = 'postgis'
        AND (
            r.rolname = current_user
            OR NOT login.rolsuper
            AND NOT r.rolsuper
            AND r.rolname !~ '^pg_'
            AND pg_has_role(
                session_user, r.oid,
                CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
            )
        )
        -- Without PostGIS's own schema a role can read geometry, but not make a tile of it.
        AND has_schema_privilege(r.oid, e.extnamespace, 'USAGE')
),
-- Schema flagstone holds no layers but the functions that somebody put there to be served.
published AS MATERIALIZED (
    SELECT n.oid, n.nspname, array_agg(t.oid) FILTER (WHERE has_schema_privilege(t.oid, n.oid, 'USAGE')) AS roles
    FROM pg_namespace n
    LEFT JOIN taken t ON true
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND n.nspname !~ '^pg_(toast_)?temp_'
    GROUP BY n.oid, n.nspname
),
-- The columns that come out: of OUT and TABLE arguments, of a row type, or a set of bare geometries.
returned AS MATERIALIZED (
    SELECT p.oid, a.place, a.name, a.type, -1 AS typmod, false AS is_bare
    FROM pg_proc p
    CROSS JOIN LATERAL unnest(p.proallargtypes, p.proargmodes, p.proargnames)
        WITH ORDINALITY AS a (type, mode, name, place)
    WHERE p.prorettype = 'record'::regtype AND p.proargmodes IS NOT NULL AND a.mode IN ('o', 'b', 't')
    UNION ALL
    SELECT p.oid, a.attnum, a.attname, a.atttypid, a.atttypmod, false
    FROM pg_proc p
    JOIN pg_type t ON t.oid = p.prorettype AND t.typtype = 'c'
    JOIN pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT p.oid, 1, coalesce((
        SELECT a.name
        FROM unnest(p.proargmodes, p.proargnames) AS a (mode, name)
        WHERE a.mode IN ('o', 'b', 't') AND a.name <> ''
        LIMIT 1
    ), 'geom'), p.prorettype, -1, true
    FROM pg_proc p
    JOIN spatial_type s ON s.oid = p.prorettype
    WHERE p.proretset
),
candidate AS MATERIALIZED (
    SELECT DISTINCT p.oid
    FROM pg_proc p
    JOIN returned r ON r.oid = p.oid
    JOIN spatial_type s ON s.oid = r.type
    WHERE p.prokind = 'f'
        AND p.pronamespace IN (SELECT oid FROM published)
        AND (:'functions'::oid[] = '{}' OR p.oid = ANY (:'functions'::oid[]))
)
SELECT
    p.oid,
    n.nspname AS schema,
    p.proname AS name,
    (
        SELECT x.extname
        FROM pg_depend d
        JOIN pg_extension x ON x.oid = d.refobjid
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
            AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
        LIMIT 1
    ) AS extension,
    p.provolatile::text AS volatility,
    p.provariadic <> 0 AS is_variadic,
    -- Another number whenever the function becomes another one: its row holds body, settings, defaults and the rest.
    hashtextextended(p::text, 0)::text AS definition,
    (
        SELECT d.description
        FROM pg_description d
        WHERE d.classoid = 'pg_proc'::regclass AND d.objoid = p.oid AND d.objsubid = 0
    ) AS comment,
    -- Arguments that go in: name, type as a statement writes it, the type below its domains, its category, whether it
    -- has a default, the default for people to read, and whether it is a geometry, a geography or null for neither.
    (
        SELECT json_agg(
            json_build_array(
                coalesce(given.name, ''), format_type(given.type, -1), t.typname, t.typcategory,
                given.place > p.pronargs - p.pronargdefaults,
                CASE WHEN given.place > p.pronargs - p.pronargdefaults
                    THEN pg_get_function_arg_default(p.oid, given.whole::int) END,
                (SELECT t.typname FROM geometry_type g WHERE g.oid = t.oid)
            )
            ORDER BY given.place
        )
        FROM (
            SELECT a.type, a.name, a.whole, row_number() OVER (ORDER BY a.whole) AS place
            FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames)
                WITH ORDINALITY AS a (type, mode, name, whole)
            WHERE a.type IS NOT NULL AND coalesce(a.mode, 'i') IN ('i', 'b', 'v')
        ) AS given
        JOIN pg_type t ON t.oid = coalesce((SELECT b.below FROM base b WHERE b.domain = given.type), given.type)
    ) AS arguments,
    -- Columns that come out: name, type as a statement writes it, the type below its domains, its category, whether it
    -- is a geometry, a geography or null for neither, and the type modifier.
    (
        SELECT json_agg(
            json_build_array(
                r.name, format_type(r.type, r.typmod), t.typname, t.typcategory,
                (SELECT t.typname FROM geometry_type g WHERE g.oid = t.oid),
                CASE WHEN r.typmod = -1 THEN coalesce(b.typmod, -1) ELSE r.typmod END
            )
            ORDER BY r.place
        )
        FROM returned r
        LEFT JOIN base b ON b.domain = r.type
        JOIN pg_type t ON t.oid = coalesce(b.below, r.type)
        WHERE r.oid = p.oid
    ) AS columns,
    (SELECT bool_or(r.is_bare) FROM returned r WHERE r.oid = p.oid) AS is_bare,
    (
        SELECT json_agg(t.rolname)
        FROM taken t
        WHERE t.oid = ANY (n.roles) AND has_function_privilege(t.oid, p.oid, 'EXECUTE')
    ) AS callers
FROM candidate c
JOIN pg_proc p ON p.oid = c.oid
JOIN published n ON n.oid = p.pronamespace
ORDER BY n.nspname, p.proname, p.oid
