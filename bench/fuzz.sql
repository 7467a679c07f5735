-- What the fuzzer's requests must never bring to light: a table without a grant, a column without a grant, rows of others.
CREATE TABLE public.canary_table (id int PRIMARY KEY, canary_note text DEFAULT 'canary-of-table', geom geometry(Point, 4326));
INSERT INTO public.canary_table (id, geom) SELECT n, ST_SetSRID(ST_MakePoint(9.5, 47.1), 4326) FROM generate_series(1, 5) AS n;

CREATE TABLE public.open_places (
    id int PRIMARY KEY, name text NOT NULL, kind text, opened date, visited timestamptz, price numeric(8, 2), share real,
    open boolean, tags text[], facts jsonb, nobody uuid, canary_hidden text NOT NULL DEFAULT 'canary-of-column',
    geom geometry(Point, 4326) CONSTRAINT canary_constraint CHECK (NOT ST_IsEmpty(geom))
);
INSERT INTO public.open_places (id, name, kind, opened, visited, price, share, open, tags, facts, nobody, geom)
SELECT n, 'place ' || n, (ARRAY['inn', 'castle', 'bench', NULL])[n % 4 + 1], date '2020-01-01' + n, timestamptz '2020-01-01Z' + n * interval '1 hour',
    n / 3.0, 'NaN', n % 2 = 0, ARRAY['a', 'b' || n], jsonb_build_object('n', n), md5(n::text)::uuid,
    ST_SetSRID(ST_MakePoint(9.47 + n % 17 / 100.0, 47.05 + n % 23 / 100.0), 4326)
FROM generate_series(1, 2000) AS n;

CREATE TABLE public."Odd ""Names"" %s, é" (
    id bigint PRIMARY KEY, "select" int, "a,b" text, "%(x)s" text, "limit" int, "canary-free ~" text, geom geometry(Geometry, 3857)
);
INSERT INTO public."Odd ""Names"" %s, é"
SELECT n, n, 'x,' || n, '%', n, '~', ST_Transform(ST_Buffer(ST_SetSRID(ST_MakePoint(9.5 + n / 1000.0, 47.1), 4326)::geography, 300)::geometry, 3857)
FROM generate_series(1, 60) AS n;

CREATE TABLE public.secret_rows (id int PRIMARY KEY, name text, geom geometry(Point, 4326));
INSERT INTO public.secret_rows
SELECT n, CASE WHEN n % 2 = 0 THEN 'canary-of-row' ELSE 'seen' END, ST_SetSRID(ST_MakePoint(9.5 + n / 1000.0, 47.1), 4326)
FROM generate_series(1, 100) AS n;
ALTER TABLE public.secret_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen_only ON public.secret_rows USING (name <> 'canary-of-row');

-- A filter that always applies: half of the rows are outside of the layer.
CREATE TABLE public.filtered_places (id int PRIMARY KEY, name text, kind text, geom geometry(Point, 4326));
INSERT INTO public.filtered_places
SELECT n, CASE WHEN n % 2 = 0 THEN 'canary-of-filter' ELSE 'seen' END, CASE WHEN n % 2 = 0 THEN 'closed' ELSE 'open' END,
    ST_SetSRID(ST_MakePoint(9.5 + n / 1000.0, 47.1), 4326)
FROM generate_series(1, 100) AS n;
COMMENT ON TABLE public.filtered_places IS '{"filter": "kind = ''open''"}';

-- A function whose arguments the query string fills.
CREATE FUNCTION public.squares(z int, x int, y int, size double precision DEFAULT 0.5, label text DEFAULT 'square', count int DEFAULT 1)
RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE SET search_path FROM CURRENT AS $$
    SELECT ST_AsMVT(one, 'squares', 4096, 'geom') FROM (
        SELECT label, ST_MakeEnvelope(0, 0, 4096 * least(greatest(size, 0.01), 1), 4096) AS geom
        FROM generate_series(1, least(greatest(count, 1), 100))
    ) AS one
$$;

GRANT USAGE ON SCHEMA public, sample TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA sample TO PUBLIC;
GRANT SELECT ON public."Odd ""Names"" %s, é", public.secret_rows, public.filtered_places TO PUBLIC;
GRANT SELECT (id, name, kind, opened, visited, price, share, open, tags, facts, nobody, geom) ON public.open_places TO PUBLIC;
ANALYZE;
