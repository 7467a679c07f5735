-- Tables with row security: places are told apart by their owner, areas by a table of members.
CREATE TABLE public.places (
    id int PRIMARY KEY,
    name text NOT NULL,
    owner text NOT NULL,
    geom geometry(Point, 4326) NOT NULL
);
INSERT INTO public.places
SELECT n, 'place ' || n, CASE n % 3 WHEN 0 THEN 'flagstone_anna' WHEN 1 THEN 'flagstone_ben' ELSE 'nobody' END,
    ST_SetSRID(ST_MakePoint(9 + (n % 50) * 0.01, 47 + (n / 50) * 0.01), 4326)
FROM generate_series(1, 3000) AS n;
CREATE INDEX ON public.places USING gist (geom);
ALTER TABLE public.places ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_places ON public.places FOR SELECT USING (owner = current_user);

CREATE TABLE public.areas (
    id int PRIMARY KEY,
    owner text NOT NULL,
    geom geometry(Polygon, 4326) NOT NULL
);
INSERT INTO public.areas
SELECT n, CASE n % 2 WHEN 0 THEN 'flagstone_anna' ELSE 'flagstone_ben' END,
    ST_SetSRID(
        ST_MakeEnvelope(9 + (n % 40) * 0.01, 47 + (n / 40) * 0.01, 9.008 + (n % 40) * 0.01, 47.008 + (n / 40) * 0.01), 4326
    )
FROM generate_series(1, 800) AS n;
CREATE INDEX ON public.areas USING gist (geom);
ALTER TABLE public.areas ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_areas ON public.areas FOR SELECT USING (owner = current_user);
ANALYZE;

-- From a metre to half the world wide.
CREATE TABLE public.shapes (
    id int PRIMARY KEY,
    owner text NOT NULL,
    geom geometry(Polygon, 3857) NOT NULL
);
INSERT INTO public.shapes
SELECT n, CASE n % 2 WHEN 0 THEN 'flagstone_anna' ELSE 'flagstone_ben' END,
    ST_MakeEnvelope(at.x - size / 2, at.y - size / 3, at.x + size / 2, at.y + size / 3, 3857)
FROM generate_series(1, 600) AS n
CROSS JOIN LATERAL (
    SELECT 10.0 ^ (n % 8) AS size, sin(n) * 9e6 AS x, cos(n * 1.7) * 9e6 AS y
) AS at;
ALTER TABLE public.shapes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_shapes ON public.shapes FOR SELECT USING (owner = current_user);

-- Points, lines, polygons, and rows that no tile can show.
CREATE TABLE public.things (
    id int PRIMARY KEY,
    owner text NOT NULL,
    geom geometry(Geometry, 4326)
);
INSERT INTO public.things
SELECT n, CASE n / 6 % 2 WHEN 0 THEN 'flagstone_anna' ELSE 'flagstone_ben' END,
    CASE n % 6
        WHEN 0 THEN at.point
        WHEN 1 THEN ST_MakeLine(at.point, ST_Translate(at.point, 0.002, 0.001))
        WHEN 2 THEN ST_Buffer(at.point, 0.003)
        WHEN 3 THEN ST_Multi(ST_MakeLine(at.point, ST_Translate(at.point, 0.05, 0.02)))
        WHEN 4 THEN ST_GeomFromText('POLYGON EMPTY', 4326)
    END
FROM generate_series(0, 239) AS n
CROSS JOIN LATERAL (
    SELECT ST_SetSRID(ST_MakePoint(9 + n % 20 * 0.02, 47 + n / 20 * 0.03), 4326) AS point
) AS at;
ALTER TABLE public.things ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_things ON public.things FOR SELECT USING (owner = current_user);
