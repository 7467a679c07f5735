-- Tables whose names are taken, are words of the URL map or of other servers, or hold what an address cannot.
CREATE SCHEMA alpha;
CREATE SCHEMA beta;

CREATE TABLE alpha.points (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO alpha.points VALUES (1, 'SRID=4326;POINT(1 1)');

CREATE TABLE beta.points (id int PRIMARY KEY, place geometry(Point, 4326), also geometry(Point, 4326));
INSERT INTO beta.points VALUES (2, 'SRID=4326;POINT(2 2)', 'SRID=4326;POINT(3 3)');

CREATE TABLE public.points (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO public.points VALUES (4, 'SRID=4326;POINT(4 4)');

CREATE TABLE public.catalog (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO public.catalog VALUES (5, 'SRID=4326;POINT(5 5)');

CREATE TABLE public.tiles (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO public.tiles VALUES (6, 'SRID=4326;POINT(6 6)');

CREATE TABLE public.index (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO public.index VALUES (7, 'SRID=4326;POINT(7 7)');

CREATE TABLE public."été, à/la.mer" (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO public."été, à/la.mer" VALUES (8, 'SRID=4326;POINT(8 8)');

CREATE TABLE public."WebMercatorQuad" (id int PRIMARY KEY, place geometry(Point, 4326));
INSERT INTO public."WebMercatorQuad" VALUES (9, 'SRID=4326;POINT(-100 40)');
