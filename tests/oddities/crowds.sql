-- More rows than a tile may hold, lying as awkwardly as rows can.
SELECT setseed(0.25);

CREATE TABLE same (id int PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO same SELECT i, 'SRID=4326;POINT(9.5 47.1)' FROM generate_series(1, 20000) AS i;

-- rank has NULLs; the last rows have the most people
CREATE TABLE towns (id int PRIMARY KEY, people int, kind text, geom geometry(Point, 4326));
INSERT INTO towns
SELECT i, CASE WHEN i % 3 > 0 THEN i END, chr(97 + i % 5), ST_SetSRID(ST_MakePoint(random() * 300 - 150, random() * 140 - 70), 4326)
FROM generate_series(1, 12000) AS i;
INSERT INTO towns VALUES (12001, NULL, 'z', NULL), (12002, NULL, 'z', 'SRID=4326;POINT EMPTY'),
    (12003, NULL, 'z', ST_SetSRID(ST_MakePoint('NaN', 'NaN'), 4326)), (12004, NULL, 'z', ST_SetSRID(ST_MakePoint('NaN', 1), 4326));
COMMENT ON TABLE towns IS '{"rank": ["-people"]}';

-- from a metre to a thousand kilometres wide, in metres
CREATE TABLE fields (id int PRIMARY KEY, feature_count text DEFAULT 'mine', geom geometry(Polygon, 3857));
INSERT INTO fields (id, geom)
SELECT i, ST_SetSRID(ST_Expand(ST_MakePoint(random() * 3e7 - 1.5e7, random() * 2e7 - 1e7)::geometry, 1 + 5e5 * random() ^ 12), 3857)
FROM generate_series(1, 12000) AS i;

-- lines without width, without height, without any length
CREATE TABLE lines (id int PRIMARY KEY, word text DEFAULT 'w', geom geometry(LineString, 3035));
INSERT INTO lines (id, geom)
SELECT i, ST_SetSRID(ST_MakeLine(a, ST_Translate(a, CASE WHEN i % 3 = 0 THEN 0 ELSE random() * 9000 END, CASE WHEN i % 3 < 2 THEN 0 ELSE random() * 9000 END)), 3035)
FROM (SELECT i, ST_MakePoint(2.6e6 + random() * 4e6, 1.5e6 + random() * 3.5e6) AS a FROM generate_series(1, 6000) AS i) AS made;

CREATE TABLE on_sphere (id int PRIMARY KEY, geog geography(Point, 4326));
INSERT INTO on_sphere
SELECT i, ST_SetSRID(ST_MakePoint(random() * 360 - 180, random() * 160 - 80), 4326)::geography FROM generate_series(1, 12000) AS i;

-- rows beyond ±180, which come round
CREATE TABLE pacific (id int PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO pacific
SELECT i, ST_SetSRID(ST_MakePoint(150 + random() * 60, random() * 60 - 30), 4326) FROM generate_series(1, 12000) AS i;

CREATE TABLE keyless AS SELECT kind, geom FROM towns WHERE id <= 12000 ORDER BY md5(id::text);
ALTER TABLE keyless ALTER geom TYPE geometry(Point, 4326);
CREATE VIEW seen AS SELECT kind, geom FROM keyless UNION ALL SELECT kind, geom FROM keyless WHERE kind = 'a';

CREATE INDEX ON same USING gist (geom);
CREATE INDEX ON towns USING gist (geom);
CREATE INDEX ON fields USING gist (geom);
CREATE INDEX ON lines USING gist (geom);
CREATE INDEX ON on_sphere USING gist (geog);
CREATE INDEX ON pacific USING gist (geom);
CREATE INDEX ON keyless USING gist (geom);
ANALYZE;
