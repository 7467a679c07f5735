-- One row of every type of attribute that a decoder could get wrong, one of NULLs, and one of extremes.
CREATE TYPE mood AS ENUM ('sad', 'so "happy"');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE attribute_types (
    id bigint PRIMARY KEY,
    tiny smallint, plain int, huge bigint, part real, whole double precision, price numeric(12, 2), cash money,
    yes boolean, words text, fixed char(4), short varchar(20), quoted name, chosen mood, bounded positive,
    day date, moment timestamp, instant timestamptz, clock time, span interval, code uuid, net inet,
    numbers int[], texts text[], moods mood[], flat json, tree jsonb, record pair, span_of int4range, raw bytea, bits bit(3),
    geom geometry(Point, 4326)
);
INSERT INTO attribute_types VALUES (
    1, -7, 42, 9007199254740993, 1.5, 0.1, 1234.50, 12.34,
    true, 'Zürich – 北京 🜁 <b>"''', 'ab', 'x', 'n', 'so "happy"', 3,
    '2024-02-29', '2024-02-29 12:34:56.789', '2024-02-29 12:34:56+02', '23:59:59', '1 day 02:03:04', '00000000-0000-0000-0000-00000000000a', '10.0.0.1/8',
    '{1,2,NULL}', '{"a,b","c\"d"}', '{sad}', '{"b": 1, "a": [1,2]}', '{"b": 1, "a": {"c": null}}', '(1,"x y")', '[1,5)', '\xdead', '101',
    'SRID=4326;POINT(9.5 47.1)'
);
INSERT INTO attribute_types (id, geom) VALUES (2, 'SRID=4326;POINT(9.5 47.1)');
INSERT INTO attribute_types (id, huge, part, whole, price, words, day, moment, instant, tree, geom) VALUES (
    3, -9223372036854775808, 'NaN', 'Infinity', 'NaN', E'\u0001\u200f\ufffd\r\n\t', 'infinity', '-infinity', 'infinity', 'null', 'SRID=4326;POINT(9.5 47.1)'
);
INSERT INTO attribute_types (id, words, whole, geom) VALUES (9007199254740993, '', '-Infinity', 'SRID=4326;POINT(9.5 47.1)');
