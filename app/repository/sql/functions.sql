-- Every function whose result may be a finished tile, one row each: its arguments, what it returns, who may execute it.
-- Nothing here waits for a lock. Which of them have the arguments of a tile function is decided by who reads this.
-- In psql: \set functions '{}' for all of them, or their oids: \set functions '{16385,16390}'.
WITH RECURSIVE
-- What lies below a domain; a domain may be made over another one.
unfolded AS (
    SELECT oid AS domain, typbasetype AS below
    FROM pg_type
    WHERE typtype = 'd'
    UNION ALL
    SELECT u.domain, t.typbasetype
    FROM unfolded u
    JOIN pg_type t ON t.oid = u.below AND t.typtype = 'd'
),
base AS (
    SELECT u.domain, u.below
    FROM unfolded u
    JOIN pg_type t ON t.oid = u.below AND t.typtype <> 'd'
),
-- The login, and the roles that it may take. Superusers are never taken, and a superuser takes nobody: it may do all.
taken AS (
    SELECT r.oid, r.rolname
    FROM pg_roles r, pg_roles login
    WHERE login.rolname = session_user
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
candidate AS MATERIALIZED (
    SELECT p.oid
    FROM pg_proc p
    WHERE p.prokind = 'f'
        AND (p.prorettype = 'bytea'::regtype OR p.prorettype = 'record'::regtype AND p.proargmodes IS NOT NULL)
        AND p.pronargs >= 3
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
    -- has a default, and the default for people to read.
    (
        SELECT json_agg(
            json_build_array(
                given.name, format_type(given.type, -1), t.typname, t.typcategory,
                given.place > p.pronargs - p.pronargdefaults,
                CASE WHEN given.place > p.pronargs - p.pronargdefaults
                    THEN pg_get_function_arg_default(p.oid, given.whole::int) END
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
    -- The types of the columns that come out; of a bare value null.
    (
        SELECT json_agg(t.typname ORDER BY a.whole)
        FROM unnest(p.proallargtypes, p.proargmodes) WITH ORDINALITY AS a (type, mode, whole)
        JOIN pg_type t ON t.oid = a.type
        WHERE a.mode IN ('o', 'b', 't')
    ) AS returned,
    (
        SELECT json_agg(t.rolname)
        FROM taken t
        WHERE t.oid = ANY (n.roles) AND has_function_privilege(t.oid, p.oid, 'EXECUTE')
    ) AS callers
FROM candidate c
JOIN pg_proc p ON p.oid = c.oid
JOIN published n ON n.oid = p.pronamespace
ORDER BY n.nspname, p.proname, p.oid
