-- Types of extensions and domains over everything, objects whose keys become attributes, and numbers with many digits.
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS citext;
CREATE TYPE weather AS ENUM ('sun', 'rain');
CREATE TYPE address AS (street text, number int, since date);
CREATE DOMAIN d_int AS int CHECK (VALUE > 0);
CREATE DOMAIN d_big AS bigint;
CREATE DOMAIN d_float AS double precision;
CREATE DOMAIN d_bool AS boolean;
CREATE DOMAIN d_text AS text;
CREATE DOMAIN d_numeric AS numeric(20, 4);
CREATE DOMAIN d_uuid AS uuid;
CREATE DOMAIN d_stamp AS timestamptz;
CREATE DOMAIN d_mood AS weather;
CREATE DOMAIN d_array AS int[];
CREATE DOMAIN d_json AS jsonb;
CREATE DOMAIN d_domain AS d_int;
CREATE DOMAIN d_bytes AS bytea;
CREATE DOMAIN d_citext AS citext;
CREATE TABLE kinds (
    id int PRIMARY KEY,
    nocase citext, pairs hstore, markup xml, place inet, wire macaddr, few bit varying(8), whole numrange, days daterange,
    spans int4multirange, clock timetz, vector tsvector, lived address, rain weather, kinds weather[], raw bytea, raws bytea[],
    dn d_int, db d_big, df d_float, dy d_bool, dt d_text, dd d_numeric, du d_uuid, ds d_stamp, dm d_mood, da d_array,
    dj d_json, dx d_domain, dz d_bytes, dc d_citext, precise numeric, cents money, span interval, letter "char",
    geom geometry(Point, 4326)
);
INSERT INTO kinds VALUES (
    1,
    'MiXed', 'a=>1, b=>NULL, c=>"x y"', '<a b="1">&amp;</a>', '10.0.0.1/24', '08:00:2b:01:02:03', '101', '[1.5,2)', '[2024-02-28,2024-03-01)',
    '{[1,3),[7,9)}', '12:34:56+02', 'a fat cat', ('Städtle', 1, '2024-02-29'), 'rain', '{sun,rain}', '\x00ff', '{"\\x00"}',
    7, 9007199254740993, 0.25, true, 'text', 12345678901234.5678, '00000000-0000-0000-0000-00000000000b', '2024-02-29 12:00+01', 'sun', '{1,2}',
    '{"k": 1}', 8, '\x01', 'CiText', 1234567890.12345678901234567890, 1234.5, '-1 year -2 mons +3 days -04:05:06.7', 'c',
    'SRID=4326;POINT(9.5 47.1)'
);
CREATE TABLE objects (
    id int PRIMARY KEY, name text, secret text, tags jsonb, more json, pairs hstore, lived address,
    geom geometry(Point, 4326)
);
INSERT INTO objects VALUES
    (1, 'column', 'hidden', '{"name": "key", "secret": "key", "lanes": 2, "width": 3.75, "huge": 9007199254740993, "oneway": true, "none": null, "nested": {"a": [1]}, "list": [1, "x"], "": "empty", "geom": "g", "who": "tags", "e": 1e3, "minus": -5}',
        '{"who": "more", "surface": "asphalt", "twice": 1, "twice": 2}', 'hkey=>hvalue, gone=>NULL, who=>pairs', ('Städtle', 49, NULL), 'SRID=4326;POINT(9.5 47.1)'),
    (2, 'list', NULL, '[1, 2]', '"text"', '', NULL, 'SRID=4326;POINT(9.5 47.1)'),
    (3, 'nulls', NULL, 'null', NULL, NULL, NULL, 'SRID=4326;POINT(9.5 47.1)'),
    (4, 'empty', NULL, '{}', '{}', NULL, (NULL, NULL, NULL), 'SRID=4326;POINT(9.5 47.1)');
