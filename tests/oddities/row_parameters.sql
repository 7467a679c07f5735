-- Rows to choose among by every kind of value: eight stations, each in its own place, and tables whose keys are odd.
CREATE TYPE state AS ENUM ('open', 'closed', 'it''s; DROP');
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE stations (
    id int PRIMARY KEY, name text, code char(4), short varchar(20), lines smallint, big bigint, share real,
    height double precision, price numeric(20, 4), active boolean, opened date, seen timestamptz, noted timestamp, clock time,
    ref uuid, state state, filled percent, tags text[], info jsonb, plain json, span interval, ways point,
    "limit" int, "f" text, "a b" text, "comma,""quote" int, "-name" int, "naïve" text, secret text,
    geom geometry(Point, 4326), area geometry(Polygon, 3857), "Other Geom" geometry(LineString, 4326)
);
INSERT INTO stations
SELECT
    i, (ARRAY['Alt', 'Bern', 'Chur', 'Bern', '', 'Ünï 北京', 'O''Hare" --', NULL])[i], 'c' || i, 's' || i, i * 10 - 40,
    9007199254740992 + i, 0.1 * i, 0.1 * i, 1.0000 + i / 10000.0, i % 2 = 0, date '2024-02-25' + i,
    timestamptz '2024-02-28 12:00:00+00' + i * interval '1 hour', timestamp '2024-02-28 12:00:00' + i * interval '1 hour',
    time '06:00' + i * interval '1 minute', ('00000000-0000-0000-0000-00000000000' || i)::uuid,
    (ARRAY['open', 'closed', 'it''s; DROP'])[i % 3 + 1]::state, i, ARRAY['t' || i], jsonb_build_object('i', i),
    json_build_object('i', i), i * interval '1 day', point(i, i),
    i, 'f' || i, 'x' || i, i, 10 - i, 'y' || i, 'z' || i,
    ST_SetSRID(ST_MakePoint(i * 10, i * 5), 4326),
    ST_Transform(ST_MakeEnvelope(-i * 10 - 5, -i * 5 - 5, -i * 10, -i * 5, 4326), 3857),
    ST_SetSRID(ST_MakeLine(ST_MakePoint(-i * 10, i * 5), ST_MakePoint(-i * 10 - 4, i * 5)), 4326)
FROM generate_series(1, 8) AS i;

CREATE TABLE lanes (key text PRIMARY KEY, lines int, name text, geom geometry(Point, 4326));
INSERT INTO lanes
SELECT k, n, 'lane ' || n, ST_SetSRID(ST_MakePoint(-n * 10, -n * 5), 4326)
FROM (VALUES ('a', 1), ('b,c', 2), ('d"e', 3), ('', 4), (' f ', 5)) AS v (k, n);

CREATE TABLE pairs (one int, two int, geom geometry(Point, 4326), PRIMARY KEY (one, two));
INSERT INTO pairs SELECT i, i, ST_SetSRID(ST_MakePoint(i, i), 4326) FROM generate_series(1, 3) AS i;

-- Ranks that are equal, missing, and not a number.
CREATE TABLE ranked (id int PRIMARY KEY, score double precision, word text COLLATE "C", geom geometry(Point, 4326));
INSERT INTO ranked
SELECT i, s, w, ST_SetSRID(ST_MakePoint(i, i), 4326)
FROM (VALUES
    (1, NULL::float8, 'b'), (2, 5, 'a'), (3, 5, NULL), (4, 7, 'B'), (5, NULL, 'é'), (6, 1, 'a'), (7, float8 '-Infinity', 'z'), (8, 5, 'A')
) AS v (i, s, w);
