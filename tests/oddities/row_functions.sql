-- Functions that return rows with a geometry, in every way that PostgreSQL has for that.
CREATE TABLE towns (id int PRIMARY KEY, name text, people int, geom geometry(Point, 4326));
INSERT INTO towns SELECT n, 'town ' || n, n * 1000, ST_SetSRID(ST_MakePoint(n, n / 2.0), 4326) FROM generate_series(1, 20) AS n;

-- A set of a table's rows: the type of the column says the reference system.
CREATE FUNCTION towns_above(lowest int DEFAULT 5) RETURNS SETOF towns LANGUAGE sql STABLE AS
    'SELECT * FROM towns WHERE id >= lowest ORDER BY id';

-- TABLE(…), with the place of the tile and its box.
CREATE FUNCTION here(z int, x int, y int, bounds geometry, word text DEFAULT 'none')
    RETURNS TABLE (zoom int, col int, line int, word_out text, west float8, box_srid int, geom geometry)
    LANGUAGE sql STABLE AS
    'SELECT z, x, y, word, ST_XMin(bounds), ST_SRID(bounds), ST_Centroid(bounds)';
COMMENT ON FUNCTION here IS '{"layer": true, "title": "Here", "arguments": {"word": "Any word"}, "bounds": [-180, -80, 180, 80]}';

-- OUT columns, one row, not a set; a reference system that only the comment can say.
CREATE FUNCTION middle(z smallint, x bigint, y float8, bounds geometry, OUT n int, OUT shape geometry) LANGUAGE sql STABLE AS
    'SELECT z::int, ST_Centroid(bounds)';
COMMENT ON FUNCTION middle IS '{"layer": true, "srid": 3857}';

-- Bare geometries.
CREATE FUNCTION bare(bounds geometry) RETURNS SETOF geometry LANGUAGE sql STABLE AS 'SELECT ST_Centroid(bounds)';
COMMENT ON FUNCTION bare IS '{"layer": true}';

-- Geography in and out.
CREATE FUNCTION globe(area geography) RETURNS TABLE (n int, spot geography) LANGUAGE sql STABLE AS
    'SELECT id, geom::geography FROM towns WHERE geom::geography && area';
COMMENT ON FUNCTION globe IS '{"layer": true}';

-- Overloads, a table of the same name, awkward names.
CREATE FUNCTION twice(a int) RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns WHERE id = a';
CREATE FUNCTION twice(a int, b int) RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns WHERE id IN (a, b)';
CREATE FUNCTION towns() RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns WHERE id < 3';
CREATE SCHEMA "Odd Schema";
CREATE FUNCTION "Odd Schema"."the ""func"" %s"("a ) %(x)s" int, "B.c" text DEFAULT '%')
    RETURNS TABLE ("N %" int, "t"";--" text, "Geo m" geometry) LANGUAGE sql STABLE AS
    'SELECT $1, $2, geom FROM towns WHERE id = 1';
COMMENT ON FUNCTION "Odd Schema"."the ""func"" %s" IS '{"layer": true}';

-- Not named by anything, of a kind that cannot be one, of nobody's concern.
CREATE FUNCTION unnamed_by_anyone() RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns';
CREATE FUNCTION any_number(VARIADIC numbers int[]) RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns WHERE id = ANY (numbers)';
CREATE FUNCTION no_names(int) RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns WHERE id = $1';
CREATE FUNCTION any_type(a anyelement) RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns';
CREATE FUNCTION no_geometry() RETURNS TABLE (a int) LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION one_geometry(g geometry) RETURNS geometry LANGUAGE sql STABLE AS 'SELECT g';
CREATE FUNCTION nowhere() RETURNS TABLE (geom geometry) LANGUAGE sql STABLE AS 'SELECT geom FROM towns';
COMMENT ON FUNCTION nowhere IS '{"layer": true, "srid": 77777}';

-- At fault when they run.
CREATE FUNCTION writes() RETURNS SETOF towns LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO towns (id) VALUES (99); RETURN QUERY SELECT * FROM towns; END $$;
CREATE FUNCTION changes_settings() RETURNS SETOF towns LANGUAGE plpgsql AS
    $$ BEGIN
        PERFORM set_config('search_path', 'nowhere', false), set_config('statement_timeout', '1', false);
        RETURN QUERY SELECT * FROM public.towns;
    END $$;
CREATE FUNCTION fails(because text) RETURNS SETOF towns LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'secret text %', because; END $$;
CREATE FUNCTION returns_nothing() RETURNS SETOF towns LANGUAGE sql STABLE AS 'SELECT * FROM towns WHERE false';
CREATE FUNCTION returns_null() RETURNS towns LANGUAGE sql STABLE AS 'SELECT NULL::towns';

-- Two geometries, of which the comment names one.
CREATE FUNCTION two_shapes(bounds geometry) RETURNS TABLE (first_one geometry, second_one geometry, n int) LANGUAGE sql STABLE AS
    'SELECT NULL::geometry, ST_Centroid(bounds), 1';
COMMENT ON FUNCTION two_shapes IS '{"layer": true, "geometry": "second_one", "srid": 4326}';
