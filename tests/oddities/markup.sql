-- Text that looks like markup, in a name, an attribute, a comment and an attribution: none may become HTML.
CREATE TABLE public."<b>markup</b>" (
    id integer PRIMARY KEY,
    name text,
    "<i>column</i>" text,
    geom geometry(Point, 4326)
);
INSERT INTO public."<b>markup</b>"
VALUES (1, '<img src=x onerror="window.hacked = 1">', '"</script><script>window.hacked = 1</script>', 'SRID=4326;POINT(9.5 47.1)');
COMMENT ON TABLE public."<b>markup</b>" IS $json${
    "description": "</script><script>window.hacked = 1</script>",
    "attribution": "<img src=x onerror='window.hacked = 1'>Somebody <a href=\"javascript:window.hacked = 1\">bad</a> <a href=\"https://example.org/\">good</a>"
}$json$;

CREATE TABLE public.areas (id integer PRIMARY KEY, geom geometry(Polygon, 4326));
INSERT INTO public.areas VALUES (7, ST_MakeEnvelope(9.4, 47.0, 9.6, 47.2, 4326));

-- More features than a small limit allows.
CREATE TABLE public.many (id integer PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO public.many SELECT n, ST_SetSRID(ST_MakePoint(n / 100.0, n / 100.0), 4326) FROM generate_series(1, 50) n;

-- Every kind of geometry in one column.
CREATE TABLE public.mixed (id integer PRIMARY KEY, geom geometry(Geometry, 4326));
INSERT INTO public.mixed VALUES
    (1, 'SRID=4326;POINT(1 1)'),
    (2, 'SRID=4326;LINESTRING(2 2, 6 4)'),
    (3, 'SRID=4326;POLYGON((7 1, 9 1, 9 4, 7 1))'),
    (4, 'SRID=4326;MULTIPOINT((1 5), (2 5))'),
    (5, 'SRID=4326;MULTILINESTRING((3 6, 4 6), (5 6, 6 6))'),
    (6, 'SRID=4326;MULTIPOLYGON(((7 6, 8 6, 8 7, 7 6)), ((8.5 6, 9 6, 9 7, 8.5 6)))');
