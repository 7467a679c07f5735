-- Names that break whoever pastes them into SQL, a URL or a cache key.
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Ta""ble %s" ("select" int PRIMARY KEY, "na""me" text, "50%" int, "a,b" text, "~id" text, "a%(b)s" text, "Geo Metry" geometry(Point, 4326));
INSERT INTO "Odd Schema"."Ta""ble %s" VALUES (1, 'x', 50, 'comma', 'tilde', 'named', 'SRID=4326;POINT(9.5 47.1)');
CREATE TABLE "Odd Schema"."a.b/c;d,e~f" (id int PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO "Odd Schema"."a.b/c;d,e~f" VALUES (1, 'SRID=4326;POINT(9.5 47.1)');
CREATE TABLE "SELECT" ("from" int PRIMARY KEY, "table" text, "where" geometry(Point, 4326));
INSERT INTO "SELECT" VALUES (1, 'keyword', 'SRID=4326;POINT(9.5 47.1)');
CREATE TABLE "{}" (id int PRIMARY KEY, "{}" text, "{0}" geometry(Point, 4326));
INSERT INTO "{}" VALUES (1, 'braces', 'SRID=4326;POINT(9.5 47.1)');
CREATE TABLE "ünï 北京 🜁" (id int PRIMARY KEY, "größe" text, geom geometry(Point, 4326));
INSERT INTO "ünï 北京 🜁" VALUES (1, 'groß', 'SRID=4326;POINT(9.5 47.1)');
CREATE TABLE tiles (id int PRIMARY KEY, geom geometry(Point, 4326));
INSERT INTO tiles VALUES (1, 'SRID=4326;POINT(9.5 47.1)');
CREATE TABLE geometries (geom geometry(Point, 4326), "~geometry" text, features int, candidates int, source int, linear int);
INSERT INTO geometries VALUES ('SRID=4326;POINT(9.5 47.1)', 'mine', 1, 2, 3, 4);
