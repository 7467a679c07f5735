-- Views whose rows have a key, views whose rows have none, and views that run somebody's code.
CREATE TABLE base (
    gid int PRIMARY KEY, other int UNIQUE NOT NULL, kind text, "we ird (x)" int,
    lon float, lat float, geom geometry(Point, 4326)
);
CREATE TABLE two_keys (b int, a int, geom geometry(Point, 4326), PRIMARY KEY (a, b));
CREATE TABLE parent (id int PRIMARY KEY, geom geometry(Point, 4326));
CREATE TABLE child () INHERITS (parent);
CREATE TABLE secured (id int PRIMARY KEY, geom geometry(Point, 4326));
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
CREATE TYPE colour AS ENUM ('red', 'green');
-- Traced.
CREATE VIEW everything AS SELECT * FROM base;
CREATE VIEW renamed AS SELECT gid AS id, geom FROM base WHERE kind <> 'x';
CREATE VIEW of_view AS SELECT id AS "my id", geom FROM renamed;
CREATE VIEW swapped AS SELECT other AS gid, gid AS other, geom FROM base;
CREATE VIEW by_unique_index AS SELECT other, geom FROM base;
CREATE VIEW repeated AS SELECT gid, gid AS again, geom FROM base;
CREATE VIEW both_columns AS SELECT a AS x, b AS y, geom FROM two_keys;
CREATE VIEW made_geometry AS SELECT gid, ST_SetSRID(ST_MakePoint(lon, lat), 4326)::geometry(Point, 4326) AS geom FROM base;
CREATE VIEW sub_selects AS SELECT gid, (SELECT max(b.gid) FROM base b) AS most, geom FROM base WHERE other IN (SELECT other FROM base);
CREATE VIEW odd_names AS SELECT "we ird (x)" AS "a :resorigtbl 7", gid AS "{b :resno 7 \ }", geom FROM base;
CREATE VIEW with_enum AS SELECT gid, 'red'::colour AS tint, geom FROM base;
-- Not traced.
CREATE VIEW without_key AS SELECT kind, geom FROM base;
CREATE VIEW half_a_key AS SELECT a, geom FROM two_keys;
CREATE VIEW joined AS SELECT b.gid, b.geom FROM base b JOIN two_keys t ON t.a = b.gid;
CREATE VIEW grouped AS SELECT gid, ST_Union(geom)::geometry(Point, 4326) AS geom FROM base GROUP BY gid;
CREATE VIEW distinct_rows AS SELECT DISTINCT gid, geom FROM base;
CREATE VIEW first_rows AS SELECT gid, geom FROM base LIMIT 10;
CREATE VIEW united AS SELECT gid, geom FROM base UNION ALL SELECT gid, geom FROM base;
CREATE VIEW repeated_rows AS SELECT gid, generate_series(1, 3) AS n, geom FROM base;
CREATE VIEW constant AS SELECT 1 AS gid, geom FROM base WHERE EXISTS (SELECT gid FROM base);
CREATE VIEW of_parent AS SELECT id, geom FROM parent;
CREATE VIEW of_united AS SELECT gid, geom FROM united;
CREATE VIEW ruled AS SELECT b.gid, b.geom FROM base b, two_keys t;
CREATE RULE no_update AS ON UPDATE TO ruled DO INSTEAD NOTHING;
CREATE RULE no_delete AS ON DELETE TO ruled DO INSTEAD NOTHING;
-- Code.
CREATE FUNCTION mine(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION mine(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';
CREATE OPERATOR === (FUNCTION = mine, LEFTARG = int, RIGHTARG = int);
CREATE VIEW code_of_mine AS SELECT gid, mine(gid) AS n, geom FROM base;
CREATE VIEW code_below AS SELECT gid, geom FROM code_of_mine;
CREATE VIEW code_by_operator AS SELECT gid, geom FROM base WHERE gid === 1;
CREATE VIEW code_random AS SELECT gid, geom FROM base WHERE random() > 0.5;
CREATE VIEW code_setting AS SELECT gid, set_config('a.b', 'c', false) AS set, geom FROM base;
CREATE VIEW code_of_policies AS SELECT id, geom FROM secured;
