-- One table per kind of geometry, all around longitude 9.5, latitude 47.1.
CREATE TABLE mixed (id int PRIMARY KEY, what text, geom geometry(Geometry, 4326));
INSERT INTO mixed VALUES
    (1, 'null', NULL),
    (2, 'empty', 'SRID=4326;POLYGON EMPTY'),
    (3, 'point', 'SRID=4326;POINT(9.5 47.1)'),
    (4, 'line', 'SRID=4326;LINESTRING(9.4 47.0, 9.6 47.2)'),
    (5, 'polygon', 'SRID=4326;POLYGON((9.4 47.0, 9.6 47.0, 9.6 47.2, 9.4 47.2, 9.4 47.0))'),
    (6, 'bow-tie', 'SRID=4326;POLYGON((9.4 47.0, 9.6 47.2, 9.6 47.0, 9.4 47.2, 9.4 47.0))'),
    (7, 'curve polygon', 'SRID=4326;CURVEPOLYGON(CIRCULARSTRING(9.4 47.1, 9.6 47.1, 9.4 47.1))'),
    (8, 'compound curve', 'SRID=4326;COMPOUNDCURVE(CIRCULARSTRING(9.4 47.1, 9.5 47.2, 9.6 47.1), (9.6 47.1, 9.6 47.0))'),
    (9, 'collection', 'SRID=4326;GEOMETRYCOLLECTION(POINT(9.5 47.1), POLYGON((9.4 47.0, 9.6 47.0, 9.6 47.2, 9.4 47.0)))'),
    (10, 'multi point', 'SRID=4326;MULTIPOINT(9.4 47.0, 9.6 47.2)'),
    (11, 'multi surface', 'SRID=4326;MULTISURFACE(CURVEPOLYGON(CIRCULARSTRING(9.4 47.1, 9.6 47.1, 9.4 47.1)))'),
    (12, 'empty point', 'SRID=4326;POINT EMPTY'),
    (13, 'not a number', ST_SetSRID(ST_MakePoint('NaN', 'NaN'), 4326)),
    (14, 'infinite', ST_SetSRID(ST_MakePoint('Infinity', 47), 4326)),
    (15, 'repeated point line', 'SRID=4326;LINESTRING(9.5 47.1, 9.5 47.1)'),
    (16, 'beyond the pole', 'SRID=4326;POLYGON((9.4 47.0, 9.6 47.0, 9.6 95.0, 9.4 95.0, 9.4 47.0))');
CREATE TABLE solids (id int PRIMARY KEY, geom geometry(GeometryZ, 4326));
INSERT INTO solids VALUES
    (1, 'SRID=4326;TIN Z(((9.4 47.0 0, 9.6 47.0 0, 9.6 47.2 0, 9.4 47.0 0)))'),
    (2, 'SRID=4326;POLYHEDRALSURFACE Z(((9.4 47.0 0, 9.6 47.0 0, 9.6 47.2 0, 9.4 47.0 0)))'),
    (3, 'SRID=4326;TRIANGLE Z((9.4 47.0 0, 9.6 47.0 0, 9.6 47.2 0, 9.4 47.0 0))');
CREATE TABLE zm (id int PRIMARY KEY, geom geometry(LineStringZM, 4326));
INSERT INTO zm VALUES (1, 'SRID=4326;LINESTRING ZM(9.4 47.0 400 1, 9.6 47.2 500 2)');
CREATE TABLE measured (id int PRIMARY KEY, geom geometry(PointM, 4326));
INSERT INTO measured VALUES (1, 'SRID=4326;POINT M(9.5 47.1 7)');
CREATE TABLE curves (id int PRIMARY KEY, geom geometry(CurvePolygon, 4326));
INSERT INTO curves VALUES (1, 'SRID=4326;CURVEPOLYGON(CIRCULARSTRING(9.4 47.1, 9.6 47.1, 9.4 47.1))');
CREATE TABLE unlabelled (id int PRIMARY KEY, geom geometry);
INSERT INTO unlabelled VALUES (1, 'SRID=4326;POINT(9.5 47.1)'), (2, 'SRID=4326;POINT(9.51 47.1)');
CREATE TABLE unknown (id int PRIMARY KEY, geom geometry(Point));
INSERT INTO unknown VALUES (1, 'POINT(9.5 47.1)');
CREATE TABLE empty (id int PRIMARY KEY, geom geometry(Point, 4326));
CREATE TABLE bare (geom geometry(Point, 4326));
INSERT INTO bare VALUES ('SRID=4326;POINT(9.5 47.1)'), ('SRID=4326;POINT(9.5 47.1)');
CREATE TABLE on_earth (id int PRIMARY KEY, geog geography(Polygon, 4326));
INSERT INTO on_earth VALUES
    (1, 'POLYGON((9.4 47.0, 9.6 47.0, 9.6 47.2, 9.4 47.2, 9.4 47.0))'),
    (2, 'POLYGON((179 -17, -179 -17, -179 -16, 179 -16, 179 -17))');
CREATE TABLE around_the_line (id int PRIMARY KEY, what text, geom geometry(Point, 4326));
INSERT INTO around_the_line VALUES
    (1, 'east', 'SRID=4326;POINT(179.99 10)'), (2, 'west', 'SRID=4326;POINT(-179.99 10)'),
    (3, 'pole', 'SRID=4326;POINT(0 90)'), (4, 'almost', 'SRID=4326;POINT(0 85.0)'), (5, 'line', 'SRID=4326;POINT(180 0)');
