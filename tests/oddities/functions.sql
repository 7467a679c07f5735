-- Functions that return a finished tile, in every way that maps are used to, and some that are no tile functions.
CREATE TABLE places (id int PRIMARY KEY, name text, size int, geom geometry(Point, 4326));
INSERT INTO places VALUES (1, 'one', 10, 'SRID=4326;POINT(9.5 47.1)'), (2, 'two', 20, 'SRID=4326;POINT(9.52 47.12)');

CREATE FUNCTION drawn(z int, x int, y int, layer text, smallest int DEFAULT 0) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT ST_AsMVT(feature, layer) FROM (
        SELECT id, name, size, ST_AsMVTGeom(ST_Transform(geom, 3857), ST_TileEnvelope(z, x, y)) AS geom
        FROM places WHERE size >= smallest AND geom && ST_Transform(ST_TileEnvelope(z, x, y), 4326) ORDER BY id
    ) AS feature HAVING count(*) > 0
$$;

-- What a function was given, as the one feature of a tile.
CREATE FUNCTION told(facts jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT ST_AsMVT(feature, 'told') FROM (
        SELECT facts::text AS facts, ST_AsMVTGeom(ST_MakePoint(1, 1), ST_MakeBox2D(ST_MakePoint(0, 0), ST_MakePoint(2, 2))) AS geom
    ) AS feature
$$;

-- TiMVT
CREATE FUNCTION by_box(xmin float, ymin float, xmax float, ymax float, epsg int, query_params json) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT told(jsonb_build_object('box', jsonb_build_array(xmin, ymin, xmax, ymax), 'epsg', epsg, 'query', query_params))
$$;

-- pg_tileserv
CREATE FUNCTION by_name(z int, x int, y int, smallest int DEFAULT 15, word text DEFAULT 'a, b', "Odd ""Name%" text DEFAULT NULL) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT told(jsonb_build_object('z', z, 'x', x, 'y', y, 'smallest', smallest, 'word', word, 'odd', "Odd ""Name%"))
$$;
COMMENT ON FUNCTION by_name(int, int, int, int, text, text) IS
    '{"description": "What it was given.", "title": "By name", "minzoom": 2, "maxzoom": 12, "bounds": [9, 47, 10, 48], "arguments": {"smallest": "The smallest."}, "vector_layers": [{"id": "told", "fields": {"facts": "String"}}]}';
CREATE FUNCTION filtered(z int, x int, y int, "limit" int DEFAULT 0, columns text DEFAULT 'none') RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT told(jsonb_build_object('limit', "limit", 'columns', columns))
$$;
CREATE FUNCTION needy(z int, x int, y int, smallest int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'needy', smallest) $$;
CREATE TYPE color AS ENUM ('red', 'blue');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE DOMAIN never_null AS color NOT NULL;
CREATE FUNCTION strict_one(z int, x int, y int, e never_null) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT told(jsonb_build_object('e', e)) $$;
CREATE FUNCTION typed(
    z int, x int, y int,
    i2 smallint DEFAULT NULL, i8 bigint DEFAULT NULL, f4 real DEFAULT NULL, f8 float DEFAULT NULL, n numeric DEFAULT NULL, b bool DEFAULT NULL,
    t varchar DEFAULT NULL, c char(5) DEFAULT NULL, d date DEFAULT NULL, ts timestamp DEFAULT NULL, tz timestamptz DEFAULT NULL, tm time DEFAULT NULL,
    u uuid DEFAULT NULL, j json DEFAULT NULL, jb jsonb DEFAULT NULL, ints int[] DEFAULT NULL, texts text[] DEFAULT NULL,
    e color DEFAULT NULL, es color[] DEFAULT NULL, p positive DEFAULT NULL, iv interval DEFAULT NULL, g geometry DEFAULT NULL, r regclass DEFAULT NULL
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT told(jsonb_strip_nulls(jsonb_build_object(
        'i2', i2, 'i8', i8, 'f4', f4, 'f8', f8, 'n', n, 'b', b, 't', t, 'c', c, 'd', d, 'ts', ts, 'tz', tz, 'tm', tm, 'u', u, 'j', j, 'jb', jb,
        'ints', ints, 'texts', texts, 'e', e, 'es', es, 'p', p, 'iv', iv, 'g', ST_AsText(g)
    ) || jsonb_build_object('r', r)))
$$;

-- Martin
CREATE FUNCTION plain(zoom int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(zoom, x, y, 'plain') $$;
CREATE FUNCTION by_query(z int, x int, y int, query json) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT told(query::jsonb) $$;
CREATE FUNCTION by_query_b(z int, x int, y int, anything jsonb) RETURNS TABLE (mvt bytea) LANGUAGE sql STABLE AS $$ SELECT told(anything) $$;
CREATE FUNCTION tagged(z int, x int, y int, query json DEFAULT '{}') RETURNS TABLE (mvt bytea, key text) LANGUAGE sql STABLE AS $$
    SELECT drawn(z, x, y, 'tagged'), coalesce(query ->> 'tag', md5('mine'))
$$;
CREATE FUNCTION tagged_out(z int, x int, y int, OUT mvt bytea, OUT key text) LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'tagged'), 'out' $$;
CREATE FUNCTION no_row(z int, x int, y int) RETURNS TABLE (mvt bytea, key text) LANGUAGE sql STABLE AS $$ SELECT ''::bytea, '' WHERE false $$;
CREATE FUNCTION nothing(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT NULL::bytea $$;
CREATE FUNCTION picture(z int, x int, y int) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$ SELECT '\x89504e470d0a1a0a'::bytea $$;
COMMENT ON FUNCTION picture(int, int, int) IS '{"content_type": "image/png", "description": "A picture."}';

-- Names
CREATE FUNCTION places(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'of the function') $$;
CREATE FUNCTION twice(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'short') $$;
CREATE FUNCTION twice(z int, x int, y int, word text) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, word) $$;
CREATE FUNCTION "a.b/c;d,e~f %s ""{}"(z int, x int, y int) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT drawn(z, x, y, 'odd') $$;

-- Faults
CREATE FUNCTION fails(z int, x int, y int, how text DEFAULT '') RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    CASE how
        WHEN 'raise' THEN RAISE EXCEPTION 'hunter2';
        WHEN 'refuse' THEN RAISE EXCEPTION 'hunter2' USING ERRCODE = 'invalid_parameter_value';
        WHEN 'divide' THEN RETURN (1 / (z - z))::text::bytea;
        WHEN 'read' THEN RETURN 'hunter2'::int::text::bytea;
        WHEN 'lost' THEN RETURN (SELECT hunter2 FROM hunter2);
        WHEN 'write' THEN INSERT INTO places VALUES (99);
        WHEN 'create' THEN CREATE TABLE hunter2 (id int);
        WHEN 'next' THEN PERFORM nextval('counter');
        WHEN 'rewrite' THEN PERFORM set_config('transaction_read_only', 'off', false); INSERT INTO places VALUES (99);
        WHEN 'commit' THEN COMMIT;
        WHEN 'sleep' THEN PERFORM set_config('statement_timeout', '0', false); PERFORM pg_sleep(20);
        WHEN 'settings' THEN
            PERFORM set_config('default_transaction_read_only', 'off', false), set_config('statement_timeout', '0', false),
                set_config('search_path', 'nowhere', false), set_config('TimeZone', 'Asia/Tokyo', false);
            EXECUTE 'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE';
            RETURN NULL;
        WHEN 'lock' THEN PERFORM pg_advisory_lock(4711);
        WHEN 'deallocate' THEN EXECUTE 'DEALLOCATE ALL';
        WHEN 'prepare' THEN EXECUTE 'PREPARE _pg3_0 AS SELECT 1'; EXECUTE 'PREPARE _pg3_1 AS SELECT 1';
        WHEN 'role' THEN EXECUTE 'RESET ROLE';
        ELSE NULL;
    END CASE;
    RETURN drawn(z, x, y, 'fails');
END $$;
CREATE SEQUENCE counter;

-- No tile functions, or none that can be called
CREATE FUNCTION unnamed(int, int, int) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
CREATE FUNCTION half_named(z int, x int, y int, text, more int DEFAULT 1) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
CREATE FUNCTION no_numbers(z text, x text, y text) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
CREATE FUNCTION many(z int, x int, y int, VARIADIC words text[]) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
CREATE FUNCTION any_type(z int, x int, y int, what anyelement) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$;
CREATE FUNCTION three_columns(z int, x int, y int) RETURNS TABLE (mvt bytea, key text, more int) LANGUAGE sql AS $$ SELECT ''::bytea, '', 1 $$;
CREATE FUNCTION a_text(z int, x int, y int) RETURNS text LANGUAGE sql AS $$ SELECT '' $$;
CREATE PROCEDURE a_procedure(z int, x int, y int) LANGUAGE sql AS $$ SELECT 1 $$;
