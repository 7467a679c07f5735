-- What filters look at: every comparable type, NULLs, text that looks like syntax, geometries of several kinds.
CREATE EXTENSION citext;
CREATE TYPE size AS ENUM ('small', 'LARGE', 'so "odd"');
CREATE DOMAIN percent AS numeric CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE things (
    id bigint PRIMARY KEY,
    tiny smallint, whole int, huge bigint, part real, double double precision, price numeric, share percent,
    name text, short varchar(20), fixed char(6), label name, folded citext, size size, yes boolean,
    day date, moment timestamp, instant timestamptz, clock time, code uuid, tags text[], numbers int[], tree jsonb,
    "Odd ""name"" %s" int, "and" int, geometry_note text,
    geom geometry(Point, 4326)
);
INSERT INTO things VALUES
    (1, 1, 10, 9007199254740993, 0.1, 0.1, 1.10, 5, 'Zürich', 'one', 'ab', 'n1', 'MiXed', 'small', true,
     '2024-02-29', '2024-02-29 12:00', '2024-02-29 12:00+00', '12:00', '00000000-0000-0000-0000-00000000000a', '{a,b}', '{1,2}', '{"a": 1}',
     1, 1, 'x', 'SRID=4326;POINT(8.5 47.4)'),
    (2, 2, 20, 9007199254740992, 0.2, 0.2, 2.20, 50, 'O''Brien', 'two', 'cd', 'n2', 'other', 'LARGE', false,
     '2024-03-01', '2024-03-01 00:00', '2024-03-01 00:00+00', '00:00', '00000000-0000-0000-0000-00000000000b', '{b}', '{3}', 'null',
     2, 2, 'y', 'SRID=4326;POINT(-100 40)'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'SRID=4326;POINT(175 -40)'),
    (4, -1, -10, -9223372036854775808, 'NaN', 'Infinity', 12345678901234567890.5, 0, '100% _sure_ \ %s; DROP TABLE things --', '', ' ', 'n4', 'MIXED', 'so "odd"', true,
     '9999-12-31', '0001-01-01 00:00', '2024-02-29 23:59:59.5+00', '23:59:59', NULL, '{}', '{}', '{}',
     4, 4, 'z', 'SRID=4326;POINT(-175 -40)');

CREATE TABLE shapes (id int PRIMARY KEY, geom geometry);
INSERT INTO shapes VALUES
    (1, 'SRID=4326;POLYGON((0 0,10 0,10 10,0 10,0 0))'),
    (2, 'SRID=4326;POLYGON((10 0,20 0,20 10,10 10,10 0))'),
    (3, 'SRID=4326;LINESTRING(-5 5,15 5)'),
    (4, 'SRID=4326;POINT(5 5)'),
    -- It crosses itself.
    (5, 'SRID=4326;POLYGON((30 0,40 10,40 0,30 10,30 0))'),
    (6, 'SRID=4326;POINT(5 6)'),
    (7, NULL),
    (8, 'SRID=4326;CURVEPOLYGON(CIRCULARSTRING(50 0,55 5,60 0,55 -5,50 0))'),
    (9, 'SRID=4326;TIN(((70 0 0,75 0 1,75 5 2,70 0 0)))');

CREATE TABLE gathered (id int PRIMARY KEY, geom geometry(GeometryCollection, 4326));
INSERT INTO gathered VALUES (1, 'SRID=4326;GEOMETRYCOLLECTION(POINT(5 5),LINESTRING(0 0,5 0))');

CREATE TABLE spheres (id int PRIMARY KEY, geog geography(Polygon, 4326));
INSERT INTO spheres VALUES
    (1, 'POLYGON((0 50,10 50,10 60,0 60,0 50))'), (2, 'POLYGON((20 50,30 50,30 60,20 60,20 50))');

CREATE TABLE projected (id int PRIMARY KEY, name text, geom geometry(Point, 3857));
INSERT INTO projected VALUES
    (1, 'a', 'SRID=3857;POINT(945000 5990000)'), (2, 'b', 'SRID=3857;POINT(-11130000 4865000)'), (3, 'a', 'SRID=3857;POINT(0 0)');
