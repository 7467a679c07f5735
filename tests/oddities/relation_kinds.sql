SET search_path = public;
-- Every kind of relation, and every way for one to have geometry or to have no use for a map.
CREATE TABLE plain (
    id int PRIMARY KEY, name varchar(20) NOT NULL, price numeric(10, 2), tags text[], photo bytea,
    second geometry(LineString, 2056), geom geometry(MultiPolygon, 4326), third geography(Point)
);
COMMENT ON TABLE plain IS 'Plain words';
COMMENT ON COLUMN plain.name IS 'What people call it';
ALTER TABLE plain ADD dropped int;
ALTER TABLE plain DROP dropped;
CREATE TABLE no_geometry (id int PRIMARY KEY);
CREATE TABLE only_geometry (geom geometry(PointZM, 3857));
CREATE VIEW simple AS SELECT id, geom FROM plain;
CREATE TABLE source (id int, geom geometry(Point, 4326));
INSERT INTO source SELECT n, ST_SetSRID(ST_MakePoint(n, n), 4326) FROM generate_series(1, 50) AS n;
CREATE MATERIALIZED VIEW stored AS SELECT id, geom FROM source;
CREATE UNIQUE INDEX ON stored (id);
CREATE MATERIALIZED VIEW never_filled AS SELECT id, geom FROM plain WITH NO DATA;
CREATE TABLE measured (id int, region text, geom geometry(Point, 4326), PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE measured_north PARTITION OF measured FOR VALUES IN ('north');
CREATE TABLE measured_south PARTITION OF measured FOR VALUES IN ('south') PARTITION BY RANGE (id);
CREATE TABLE measured_south_1 PARTITION OF measured_south FOR VALUES FROM (0) TO (100);
INSERT INTO measured SELECT n, CASE WHEN n < 10 THEN 'north' ELSE 'south' END, ST_SetSRID(ST_MakePoint(n, n), 4326)
FROM generate_series(1, 30) AS n;
CREATE TABLE parent (id int PRIMARY KEY, geom geometry(Point, 4326));
CREATE TABLE child () INHERITS (parent);
-- Nobody listens at port 1: the table is a layer all the same, and costs the others nothing.
CREATE EXTENSION postgres_fdw;
CREATE SERVER nowhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'nothing');
CREATE USER MAPPING FOR CURRENT_USER SERVER nowhere;
CREATE FOREIGN TABLE far_away (id int, geom geometry(Point, 4326)) SERVER nowhere;
CREATE FOREIGN TABLE far_away_untyped (id int, geom geometry) SERVER nowhere;
-- Keys.
CREATE TABLE keyed_twice (b int NOT NULL, a int NOT NULL, geom geometry(Point, 4326), PRIMARY KEY (a, b) INCLUDE (geom));
CREATE TABLE keyed_by_index (a int NOT NULL UNIQUE, geom geometry(Point, 4326));
CREATE TABLE keyed_sometimes (a int UNIQUE, b int NOT NULL, geom geometry(Point, 4326));
CREATE UNIQUE INDEX ON keyed_sometimes (b) WHERE b > 0;
CREATE UNIQUE INDEX ON keyed_sometimes ((b + 1));
-- Types below domains.
CREATE DOMAIN place AS geometry(Point, 2056);
CREATE DOMAIN town AS place;
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN share AS percent;
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TABLE by_domain (id int PRIMARY KEY, part share, tint colour, tints colour[], shapes geometry[], geom town);
-- What is nobody's layer.
CREATE SCHEMA flagstone;
CREATE TABLE flagstone.own (id int, geom geometry(Point, 4326));
CREATE TEMPORARY TABLE passing (id int, geom geometry(Point, 4326));
CREATE TABLE of_extension (id int, geom geometry(Point, 4326));
ALTER EXTENSION postgres_fdw ADD TABLE of_extension;
