-- Tables of every kind that an overview may be built of, each with so many rows that low zooms need one.
CREATE FUNCTION pg_temp.place(n int, srid int DEFAULT 4326) RETURNS geometry LANGUAGE sql IMMUTABLE AS $$
    SELECT ST_SetSRID(ST_MakePoint(-170 + (n * 37) % 340, -60 + (n * 53) % 130), srid)
$$;
CREATE TABLE plain (id int PRIMARY KEY, name text, geom geometry(Point, 4326));
INSERT INTO plain SELECT n, 'row ' || n, pg_temp.place(n) FROM generate_series(1, 500) AS n;

CREATE TABLE text_key (code text PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO text_key SELECT 'c' || n, pg_temp.place(n) FROM generate_series(1, 500) AS n;
CREATE TABLE uuid_key (id uuid PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO uuid_key SELECT md5(n::text)::uuid, pg_temp.place(n) FROM generate_series(1, 500) AS n;
CREATE TABLE two_keys (land text, number int, geom geometry(Point, 4326), PRIMARY KEY (land, number));
INSERT INTO two_keys SELECT 'l' || n % 7, n, pg_temp.place(n) FROM generate_series(1, 500) AS n;
CREATE TABLE no_key (name text, geom geometry(Point, 4326));
INSERT INTO no_key SELECT 'row ' || n, pg_temp.place(n) FROM generate_series(1, 500) AS n;

CREATE VIEW a_view AS SELECT id, name, geom FROM plain WHERE id <= 400;
CREATE MATERIALIZED VIEW a_materialized AS SELECT id, name, geom FROM plain WHERE id <= 300;
CREATE UNIQUE INDEX ON a_materialized (id);
CREATE TABLE parts (id int, geom geometry(Point, 4326), PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (250);
CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (250) TO (1000);
INSERT INTO parts SELECT n, pg_temp.place(n) FROM generate_series(1, 500) AS n;

CREATE TABLE nothing (id int PRIMARY KEY, geom geometry(Polygon, 4326));
CREATE TABLE alike (id int PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO alike SELECT n, ST_SetSRID(ST_MakePoint(7.5, 47.5), 4326) FROM generate_series(1, 5000) AS n;

CREATE SCHEMA "we""ird %s";
CREATE TABLE "we""ird %s"."o'dd {t}" ("i""d %s" int PRIMARY KEY, "a'b %(x)s" text, "{c}" int, "ge""om %" geometry(Point, 4326));
INSERT INTO "we""ird %s"."o'dd {t}" SELECT n, 'v%s' || n, n, pg_temp.place(n) FROM generate_series(1, 500) AS n;

CREATE TABLE named_like_ours (
    id int PRIMARY KEY, feature_count int, "~x" float8, "~width" text, "~piece" int, "~geometry" text, "~whole" text, source text,
    features int, place int, total int, cx int, competes boolean, geom geometry(Point, 4326)
);
INSERT INTO named_like_ours
SELECT n, -n, n, 'w' || n, n, 'g' || n, 'all', 's', n, n, n, n, true, pg_temp.place(n) FROM generate_series(1, 500) AS n;

CREATE TYPE mood AS ENUM ('calm', 'wild');
CREATE TABLE types (
    id int PRIMARY KEY, j json, b jsonb, n numeric, a int[], t timestamptz, e mood, y bytea, geom geometry(Point, 4326)
);
INSERT INTO types
SELECT n, '{"a": 1}', '{"b": [1, 2]}', n * 1.1, ARRAY[n, n + 1], '2026-01-01 12:00+00', 'wild', '\x00ff', pg_temp.place(n)
FROM generate_series(1, 500) AS n;

-- What of a layer is drawn, and what is not.
CREATE TABLE mixed (id int PRIMARY KEY, kind text, geom geometry);
INSERT INTO mixed SELECT n, 'point', pg_temp.place(n) FROM generate_series(1, 200) AS n;
INSERT INTO mixed SELECT n, 'line', ST_MakeLine(pg_temp.place(n), pg_temp.place(n + 1)) FROM generate_series(201, 250) AS n;
INSERT INTO mixed SELECT n, 'area', ST_Buffer(pg_temp.place(n), 0.01 * (n % 100), 8) FROM generate_series(251, 400) AS n;
INSERT INTO mixed SELECT n, 'collection', ST_Collect(pg_temp.place(n), ST_Buffer(pg_temp.place(n + 3), 3)) FROM generate_series(401, 410) AS n;
INSERT INTO mixed SELECT n, 'null', NULL FROM generate_series(501, 507) AS n;
INSERT INTO mixed SELECT n, 'empty', 'SRID=4326;POLYGON EMPTY' FROM generate_series(511, 515) AS n;
INSERT INTO mixed SELECT n, 'at the pole', ST_SetSRID(ST_MakePoint(n % 180, 89), 4326) FROM generate_series(521, 523) AS n;
INSERT INTO mixed VALUES
    (601, 'bow tie', 'SRID=4326;POLYGON((0 0, 40 40, 40 0, 0 40, 0 0))'),
    (602, 'spike', 'SRID=4326;POLYGON((0 0,10 0,10 10,5 10,5 15,5 10,0 10,0 0))'),
    (603, 'whole world', 'SRID=4326;POLYGON((-180 -90, 180 -90, 180 90, -180 90, -180 -90))'),
    (604, 'across the edge', 'SRID=4326;POLYGON((170 10, 190 10, 190 20, 170 20, 170 10))'),
    (605, 'over the pole', 'SRID=4326;POLYGON((0 80, 90 80, 180 80, 180 90, 0 90, 0 80))'),
    (606, 'with height', 'SRID=4326;POINT Z (5 5 100)'),
    (607, 'a curve', 'SRID=4326;CURVEPOLYGON(CIRCULARSTRING(20 20, 24 24, 28 20, 24 16, 20 20))'),
    (608, 'no area', 'SRID=4326;POLYGON((1 1, 1 1, 1 1, 1 1))');

CREATE TABLE heavy (id int PRIMARY KEY, name text, geom geometry(MultiPolygon, 4326));
INSERT INTO heavy SELECT n, 'land ' || n, ST_Multi(ST_Buffer(pg_temp.place(n), 15, 1000)) FROM generate_series(1, 40) AS n;
CREATE TABLE long_texts (id int PRIMARY KEY, story text, geom geometry(Point, 4326));
INSERT INTO long_texts
SELECT n, (SELECT string_agg(md5(n::text || i), '') FROM generate_series(1, 40) AS i), pg_temp.place(n) FROM generate_series(1, 2000) AS n;
ANALYZE;
